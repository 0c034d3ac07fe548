"""A plan: what a crawl would do, told before it does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gaucho_pipeline.assets.metrics import Resources
from gaucho_pipeline.commands import costs
from gaucho_pipeline.commands.planning import Step, plan_runs, print_plan
from gaucho_pipeline.demo.site import DemoSite
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import write_concepts
from gaucho_pipeline_tests.crawling import concept_of, openverse
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.replay import CommonsReplay, serving
from gaucho_pipeline_tests.standing import edit, one_concept, stand, two_concepts


def test_a_plan_says_what_would_be_fetched_and_fetches_no_image(site: DemoSite, tmp_path: Path) -> None:
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept_of(openverse("chimarrão", site.address), max_images=10)})
    said = gaucho(tmp_path, "run", "chimarrao", "--select", "raw_crawl", "--plan").stdout
    assert "openverse: chimarrão: 20 of 30 records; 10 would be fetched, 0 are there already" in said
    assert "CC-BY-4.0" in said
    assert "in all: 10 images would be fetched, 0 are there already (at most 10 images" in said
    assert not [path for path in site.requested if path.startswith("/media/")]
    gaucho(tmp_path, "run", "chimarrao", "--select", "raw_crawl")
    assert "0 would be fetched, 10 are there already" in gaucho(tmp_path, "run", "--select", "raw_crawl", "--plan").stdout


def test_names_are_asked_again_on_request_only_and_a_change_is_reported(real: Path, tmp_path: Path) -> None:
    recorded = CommonsReplay(real)
    with serving(recorded) as server:
        source = {"commons": {"category": "Guampa", "endpoint": f"{server.address}/w/api.php"}}
        write_concepts(tmp_path / "concepts.yaml", {"cuia": concept_of(source)})
        gaucho(tmp_path, "run", "--select", "raw_crawl", "--plan")
        lock = tmp_path / "concepts.lock.json"
        assert json.loads(lock.read_text())["names"]["category: Category:Guampa"]["id"] == 7
        server.requested.clear()
        gaucho(tmp_path, "run", "--select", "raw_crawl", "--plan")
        assert not [path for path in server.requested if "categoryinfo" in path]
        lock.write_text(lock.read_text().replace('"id": 7', '"id": 8'))
        done = gaucho(tmp_path, "run", "--select", "raw_crawl", "--plan", "--refresh-lock", check=False)
    assert done.returncode == 1
    assert "category 'Category:Guampa' was 8" in done.stderr
    assert '"id": 8' in lock.read_text()


def test_names_are_asked_again_for_the_plan_of_a_crawl_only(tmp_path: Path) -> None:
    two_concepts(tmp_path)
    done = gaucho(tmp_path, "run", "--plan", "--refresh-lock", check=False)
    assert (done.returncode, "--refresh-lock and --rights: go with --select raw_crawl --plan" in done.stderr) == (2, True)


def test_a_plan_names_what_would_be_made_why_and_at_what_cost_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = two_concepts(tmp_path)
    edit(project, "araucaria", "training", rank=2)
    edit(project, "chimarrao", "training", base_model="owner/name", revision="b" * 40)
    project = Project(project.concepts_file, project.store.root)
    steps = {(step.asset, step.concept): step for step in plan_runs(project, (), "gallery_site")}
    assert list(steps)[:3] == [("checkpoint", "araucaria"), ("sample_gallery", "araucaria"), ("evaluation", "araucaria")]
    assert (steps["checkpoint", "araucaria"].why, steps["checkpoint", "araucaria"].seconds) == ("rank changed", 1)
    assert "if that comes out the same" in steps["sample_gallery", "araucaria"].why
    assert steps["checkpoint", "chimarrao"].seconds is None
    print_plan(list(steps.values()))
    told = capsys.readouterr().out
    assert "of 3 nothing is known yet" in told
    assert "as the last time" in told
    assert plan_runs(project, ("araucaria",), "curated_set") == []
    assert "never made on this base model" in gaucho(tmp_path, "run", "--plan").stdout
    assert not (tmp_path / "data" / ".dagster").exists()


def planned(project: Project, select: str = "evaluation") -> dict[str, Step]:
    opened = Project(project.concepts_file, project.store.root)
    return {step.asset: step for step in plan_runs(opened, ("araucaria",), select)}


def test_what_it_took_is_put_in_proportion_to_what_there_is_to_do_now(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    edit(project, "araucaria", "training", epochs=40)
    assert planned(project)["checkpoint"].seconds == pytest.approx(10)  # of 4 it took a second
    edit(project, "araucaria", "training", epochs=40, study={"rank": [2, 4, 8]})
    assert planned(project)["checkpoint"].seconds == pytest.approx(30)
    edit(project, "araucaria", "gallery", seeds=[1, 2, 3], num_inference_steps=4)
    assert planned(project)["sample_gallery"].seconds == pytest.approx(6)
    assert "in proportion" in planned(project)["sample_gallery"].source


def test_what_the_steps_did_not_take_does_not_grow_with_them(tmp_path: Path) -> None:
    project, took = two_concepts(tmp_path), {"why": "", "predicted_memory_bytes": 1, "predicted_seconds": 1, "watt_hours": None}
    resources = Resources(micro_batch=1, gradient_checkpointing=False, seconds=0.25, share_of_peak=None, **took)
    stand(project, "checkpoint", "araucaria", resources=resources)
    edit(project, "araucaria", "training", epochs=40)
    assert planned(project)["checkpoint"].seconds == pytest.approx(0.75 + 2.5)


def test_what_another_kind_of_device_took_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = two_concepts(tmp_path)
    for slug in project.slugs:
        stand(project, "checkpoint", slug, data_version="2", device="NVIDIA H200")
    monkeypatch.setattr(costs, "_measured", lambda training, words: costs._Measured(2.0, 0.5, 10))
    edit(project, "araucaria", "training", max_steps=100)
    step = planned(project)["checkpoint"]
    assert (step.seconds, step.source) == (52, "a step that was measured now: 0.50 s")


def test_where_nothing_was_made_a_step_is_measured_and_what_is_not_known_has_no_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = one_concept(tmp_path)
    edit(project, "araucaria", "training", max_steps=100, batch_size=1)
    steps = planned(project, "gallery_site")
    assert {name for name, step in steps.items() if step.seconds is not None} == {"checkpoint"}
    assert steps["checkpoint"].source.startswith("a step that was measured now")
    assert (steps["checkpoint"].seconds or 0) > 0
    print_plan(list(steps.values()))
    assert "of 5 nothing is known yet" in capsys.readouterr().out
    print_plan([step for step in steps.values() if step.seconds is None])
    told = capsys.readouterr().out
    assert "5 to make; what they take is not known yet" in told
    assert " 0 s" not in told
    assert not any(project.store.root.rglob("manifest.json"))
