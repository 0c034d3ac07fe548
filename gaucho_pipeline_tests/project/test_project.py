"""What each asset is made from, and whether what exists is up to date."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gaucho_pipeline.assets.table import ALL, ASSETS, EVALUATION, JUDGEMENT, SAMPLE_SEQUENCE
from gaucho_pipeline.concepts import file as concepts_file
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.project import project as pipeline
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.states import State
from gaucho_pipeline.scorers import SCORERS
from gaucho_pipeline.store.manifest import MANIFEST, Manifest
from gaucho_pipeline_tests.conftest import draw_folder
from gaucho_pipeline_tests.programs import EVERY_CONCEPTS
from gaucho_pipeline_tests.standing import edit, one_concept, stand, stand_all, two_concepts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two concepts, of which everything stands."""
    return two_concepts(tmp_path)


def edited(project: Project, slug: str, part: str, **changes: Any) -> Project:
    """The project after an edit of its file."""
    edit(project, slug, part, **changes)
    return Project(project.concepts_file, project.store.root)


def words(states: dict[str, State]) -> list[str]:
    return [state.state for state in states.values()]


def test_what_stands_of_what_stands_is_fresh(project: Project) -> None:
    assert words(project.states("araucaria")) == ["fresh"] * 5
    assert project.site_state() == State("fresh")


def test_below_something_stale_all_waits_and_says_for_what(project: Project) -> None:
    after = edited(project, "araucaria", "curation", min_side=70)
    assert after.states("araucaria") == {
        "raw_crawl": State("fresh"),
        "curated_set": State("stale", ("min_side changed",)),
        "checkpoint": State("waiting", ("curated_set is stale",)),
        "sample_gallery": State("waiting", ("checkpoint is waiting",)),
        "evaluation": State("waiting", ("sample_gallery is waiting", "checkpoint is waiting")),
    }
    assert after.site_state() == State("waiting", ("evaluation of araucaria is waiting",))
    assert words(after.states("chimarrao")) == ["fresh"] * 5


def test_an_input_that_came_out_the_same_ends_the_waiting_and_another_one_makes_stale(project: Project) -> None:
    after = edited(project, "araucaria", "curation", min_side=70)
    stand(after, "curated_set", "araucaria")
    assert words(after.states("araucaria")) == ["fresh"] * 5
    stand(after, "curated_set", "araucaria", data_version="2")
    assert after.state("checkpoint", "araucaria") == State("stale", ("curated_set changed",))
    assert after.state("sample_gallery", "araucaria").state == "waiting"


def test_what_was_never_made_is_missing_and_what_lost_its_input_stale(project: Project) -> None:
    (project.store.home("curated_set", "araucaria") / "current.json").unlink()
    assert words(project.states("araucaria")) == ["fresh", "missing", "stale", "waiting", "waiting"]
    assert "needs curated_set, which is missing" in project.state("checkpoint", "araucaria").reasons[0]


def test_a_project_that_was_moved_is_not_stale(tmp_path: Path) -> None:
    """Nor on another machine: what a folder holds counts, and not where it is."""
    (tmp_path / "here").mkdir()
    made = one_concept(tmp_path / "here")
    value = yaml.safe_load(made.concepts_file.read_text(encoding="utf-8"))
    value["concepts"]["araucaria"]["crawl"]["sources"][0]["folder"]["path"] = "a"
    value["concepts"]["araucaria"]["curation"] = {"overrides": "o.csv", "masks": {"folder": "masks"}}
    made.concepts_file.write_text(yaml.safe_dump(value), encoding="utf-8")
    (tmp_path / "here" / "o.csv").write_text("image,decision\n", encoding="utf-8")
    (tmp_path / "here" / "masks").mkdir()
    stand_all(Project(made.concepts_file, made.store.root))
    moved = Path(shutil.move(tmp_path / "here", tmp_path / "there"))
    opened = Project(moved / "concepts.yaml", moved / "data")
    assert words(opened.states("araucaria")) == ["fresh"] * 5
    (moved / "o.csv").write_text("image,decision\nx,drop\n", encoding="utf-8")
    assert Project(moved / "concepts.yaml", moved / "data").state("curated_set", "araucaria").state == "stale"
    draw_folder(moved / "a", "araucaria", 1, first=9)
    assert Project(moved / "concepts.yaml", moved / "data").state("raw_crawl", "araucaria").state == "stale"


def test_another_code_version_makes_an_asset_stale(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    newer = dataclasses.replace(ASSETS["checkpoint"], code_version="99")
    monkeypatch.setitem(ASSETS, "checkpoint", newer)
    opened = Project(project.concepts_file, project.store.root)
    assert opened.state("checkpoint", "araucaria") == State("stale", ("the code that makes it changed",))
    assert opened.state("curated_set", "araucaria").state == "fresh"


def test_another_base_model_makes_stale_what_runs_on_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.base_models, "identity", lambda model, revision: {"id": model, "revision": None, "digest": "other"})
    states = Project(project.concepts_file, project.store.root).states("araucaria")  # which looks once
    assert words(states) == ["fresh", "fresh", "stale", "stale", "stale"]
    assert states["checkpoint"].reasons == ("the base model changed",)


def test_another_code_of_a_method_makes_stale_what_was_taught_by_it_and_nothing_else(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METHODS["dreambooth"], "code_version", "2")
    assert Project(project.concepts_file, project.store.root).state("checkpoint", "araucaria").state == "fresh"
    monkeypatch.setattr(METHODS["lora"], "code_version", "2")
    opened = Project(project.concepts_file, project.store.root)
    assert opened.state("checkpoint", "araucaria") == State("stale", ("the code that makes it changed",))
    assert opened.state("curated_set", "araucaria").state == "fresh"
    assert opened.provenance("checkpoint", "araucaria").code_version.endswith("+lora 2")


def test_another_code_of_a_family_makes_stale_what_runs_on_it_and_nothing_else(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Embedded, "code_version", "99")
    opened = Project(project.concepts_file, project.store.root)
    assert opened.state("checkpoint", "araucaria") == State("stale", ("the code that makes it changed",))
    assert opened.state("curated_set", "araucaria").state == "fresh"
    assert opened.provenance("sample_gallery", "araucaria").code_version == f"{ASSETS['sample_gallery'].code_version}+99"
    assert project.observed_version("checkpoint", "araucaria") != opened.observed_version("raw_crawl", "araucaria")


def test_other_weights_of_a_model_that_curates_make_the_set_stale(project: Project, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    weights = tmp_path / "clip" / "model.safetensors"
    weights.write_bytes(b"1")
    opened = edited(project, "araucaria", "curation", relevance={"model": str(tmp_path / "clip"), "positive_prompts": ["a tree"]})
    before = opened.recipe("curated_set", "araucaria").spec_version
    weights.write_bytes(b"22")
    again = Project(project.concepts_file, project.store.root)
    assert again.recipe("curated_set", "araucaria").spec_version != before
    assert again.recipe("curated_set", "chimarrao") == project.recipe("curated_set", "chimarrao")


def test_a_new_file_in_a_folder_makes_the_crawl_stale(project: Project, tmp_path: Path) -> None:
    draw_folder(tmp_path / "a", "araucaria", 1, first=7)
    again = Project(project.concepts_file, project.store.root)
    assert again.state("raw_crawl", "araucaria") == State("stale", ("the files that it names changed",))


def test_the_site_shows_what_was_evaluated_and_may_be_shown(project: Project) -> None:
    assert list(project.shown()) == ["araucaria", "chimarrao"]
    after = edited(project, "araucaria", "gallery", seeds=[5])
    stand(after, "sample_gallery", "araucaria", black=2, data_version="2")
    assert list(after.shown()) == ["araucaria", "chimarrao"]  # the gallery that was evaluated stands yet
    stand(after, "evaluation", "araucaria", data_version="2")
    assert list(after.shown()) == ["chimarrao"]
    assert after.site_state() == State("stale", ("concepts changed", "evaluation/araucaria is gone"))


def test_what_the_site_shows_was_made_from_one_another_however_old(project: Project) -> None:
    old = project.shown()["araucaria"]
    after = edited(project, "araucaria", "training", rank=2)
    stand(after, "checkpoint", "araucaria", data_version="2")
    stand(after, "sample_gallery", "araucaria", data_version="2")
    assert after.shown()["araucaria"] == old
    request = after.request("gallery_site", ALL)
    assert request.inputs["checkpoint/araucaria"] == old.checkpoint.folder
    assert request.inputs["sample_gallery/araucaria"] == old.gallery.folder


def test_figures_beyond_a_threshold_keep_a_concept_off_the_site_only_where_the_specification_says_so(project: Project) -> None:
    stand(project, "evaluation", "araucaria", data_version="2", beyond=("clip_i",))
    assert list(project.shown()) == ["araucaria", "chimarrao"]
    after = edited(project, "araucaria", "evaluation", block=True)
    stand(after, "evaluation", "araucaria", data_version="2", beyond=("clip_i",))
    assert list(after.shown()) == ["chimarrao"]


def test_an_evaluation_is_of_one_checkpoint(project: Project) -> None:
    stand(project, "checkpoint", "araucaria", data_version="2")
    with pytest.raises(GauchoError, match="sample_gallery of araucaria was drawn with another checkpoint"):
        project.check_inputs("evaluation", "araucaria")
    project.check_inputs("evaluation", "chimarrao")


def test_an_evaluation_reads_the_images_that_its_checkpoint_was_trained_on(project: Project) -> None:
    before = project.request("evaluation", "araucaria").inputs["curated_set"]
    stand(edited(project, "araucaria", "curation", min_side=70), "curated_set", "araucaria", data_version="2")
    assert Project(project.concepts_file, project.store.root).request("evaluation", "araucaria").inputs["curated_set"] == before


def test_look_alikes_are_other_concepts_images_and_another_set_of_them_makes_the_evaluation_stale(project: Project) -> None:
    after = edited(project, "araucaria", "evaluation", look_alikes={"concepts": ["chimarrao"]})
    before = after.observed_version("evaluation", "araucaria")
    folder = after.request("evaluation", "araucaria").inputs["curated_set/chimarrao"]
    assert folder == project.store.current("curated_set", "chimarrao").folder  # type: ignore[union-attr]
    stand(after, "evaluation", "araucaria")
    assert after.state("evaluation", "araucaria").state == "fresh"
    stand(after, "curated_set", "chimarrao", data_version="2")
    assert after.state("evaluation", "araucaria") == State("stale", ("curated_set/chimarrao changed",))
    assert after.observed_version("evaluation", "araucaria") != before
    (after.store.home("curated_set", "chimarrao") / "current.json").unlink()
    with pytest.raises(GauchoError, match="needs curated_set of chimarrao; run: gaucho run chimarrao --select curated_set"):
        after.request("evaluation", "araucaria")


def test_nothing_is_made_from_what_failed_its_check(project: Project) -> None:
    stand(project, "curated_set", "araucaria", kept=3, read=3)
    with pytest.raises(GauchoError, match=r"curated_set of araucaria is not fit for checkpoint: 3 of 3 images are left, 4 are needed"):
        project.check_inputs("checkpoint", "araucaria")
    project.check_inputs("checkpoint", "chimarrao")


def test_a_warning_stops_nothing(project: Project) -> None:
    stand(project, "raw_crawl", "araucaria", failed_sources={"openverse: x": "timed out"})
    project.check_inputs("curated_set", "araucaria")


def test_a_cached_artifact_is_found_and_becomes_the_current_one(project: Project) -> None:
    first = project.store.current("sample_gallery", "araucaria")
    after = edited(project, "araucaria", "gallery", seeds=[5])
    stand(after, "sample_gallery", "araucaria", data_version="2")
    assert first
    taken_back = edited(after, "araucaria", "gallery", seeds=[1])
    found = taken_back.request("sample_gallery", "araucaria").cached()
    assert found
    assert found.folder == first.folder
    assert taken_back.store.current("sample_gallery", "araucaria") == found
    assert after.request("sample_gallery", "araucaria", force=True).cached() is None


def test_a_crawl_is_never_taken_for_cached_before_it_has_asked(project: Project) -> None:
    assert project.request("raw_crawl", "araucaria").cached() is None


def test_a_request_holds_the_whole_specification_and_the_provenance_the_resolved_one(project: Project) -> None:
    request = project.request("checkpoint", "araucaria")
    assert request.spec["target_modules"] == ["to_q", "to_k", "to_v", "to_out.0"]
    assert request.spec["max_steps"] is None
    assert request.provenance.spec["target_modules"] == ["to_q", "to_k", "to_v", "to_out.0"]
    assert "max_steps" not in request.provenance.spec
    assert request.inputs == {"curated_set": project.store.current("curated_set", "araucaria").folder}  # type: ignore[union-attr]
    assert request.title == "Conceito de mtl"


def test_another_name_of_a_concept_is_another_page_and_trains_nothing(project: Project) -> None:
    value = yaml.safe_load(project.concepts_file.read_text())
    value["concepts"]["araucaria"]["name"]["pt"] = "Araucária"
    project.concepts_file.write_text(yaml.safe_dump(value, allow_unicode=True))
    again = Project(project.concepts_file, project.store.root)
    assert words(again.states("araucaria")) == ["fresh"] * 5
    assert again.site_state() == State("stale", ("concepts changed",))


def test_a_concept_that_is_not_there_is_reported(project: Project) -> None:
    with pytest.raises(ConfigError, match="there is no concept 'cuia'; there are araucaria, chimarrao"):
        project.concept("cuia")


def test_the_file_is_read_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    real = concepts_file.load_concepts
    monkeypatch.setattr(pipeline, "load_concepts", lambda path: reads.append(path) or real(path))
    again = Project(project.concepts_file, project.store.root)
    for slug in again.slugs:
        again.states(slug)
        for asset in EVERY_CONCEPTS:
            again.request(asset.name, slug)
    again.site_state()
    assert len(reads) == 1


def test_manifests_on_disk_are_read_back_as_they_were_written(project: Project) -> None:
    for asset in (each for each in ASSETS.values() if each not in {SAMPLE_SEQUENCE, JUDGEMENT} and not each.is_of_collections):
        artifact = project.store.current(asset.name, "araucaria" if asset.is_partitioned else ALL)
        assert artifact
        assert type(artifact.manifest.metrics) is asset.metrics
        again = Manifest.model_validate_json((artifact.folder / MANIFEST).read_text())
        assert again == artifact.manifest
        further = set(SCORERS) if asset == EVALUATION else set()
        assert set(json.loads(again.model_dump_json())["metrics"]) == set(asset.metrics.model_fields) | further


def test_the_environment_names_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUCHO_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GAUCHO_CONCEPTS", str(tmp_path / "mine.yaml"))
    project = Project.from_environment()
    assert (project.store.root, project.concepts_file) == (tmp_path / "elsewhere", tmp_path / "mine.yaml")


def test_as_many_images_as_are_needed_are_enough(project: Project) -> None:
    stand(project, "curated_set", "araucaria", kept=4, read=4)
    project.check_inputs("checkpoint", "araucaria")
