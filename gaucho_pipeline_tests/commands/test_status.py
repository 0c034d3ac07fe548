"""`gaucho status` and `show`: for people and for programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import invoke
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.standing import one_concept, stand, stand_all


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return one_concept(tmp_path)


def test_status_is_for_people_and_for_programs(project: Project) -> None:
    stand_all(project)
    said = invoke(project, "status")
    assert said.exit_code == 0
    assert "araucaria  (Conceito de mtl)" in said.output
    assert said.output.count("fresh") == 6
    value = json.loads(invoke(project, "status", "--json").output)
    assert value["concepts"]["araucaria"]["checkpoint"] == {"state": "fresh", "reasons": []}
    assert value["gallery_site"] == {"state": "fresh", "reasons": []}


def test_show_gives_metrics_to_people_and_the_manifest_to_programs(project: Project) -> None:
    stand_all(project)
    assert (
        'validation_loss        {"base": 0.5, "tuned": 0.4, "interval": [-0.12, -0.08]}'
        in invoke(project, "show", "checkpoint", "araucaria").output
    )
    value = json.loads(invoke(project, "show", "gallery_site", "--json").output)
    assert value["manifest"]["metrics"] == {"concepts": 1}
    assert Path(value["folder"]).is_dir()


def test_what_was_never_made_is_reported_with_the_command_that_makes_it(project: Project) -> None:
    done = invoke(project, "show", "checkpoint", "araucaria")
    assert (done.exit_code, done.stderr) == (
        1, "error: checkpoint of araucaria was never made; run: gaucho run araucaria --select checkpoint\n",
    )  # fmt: skip
    assert invoke(project, "generate", "araucaria", "x").exit_code == 1
    assert invoke(project, "show", "checkpoint", "cuia").exit_code == 2


def test_an_artifact_of_a_concept_is_asked_for_by_its_concept_and_a_misspelt_one_is_guessed(tmp_path: Path) -> None:
    project = one_concept(tmp_path)
    done = invoke(project, "show", "raw_crawl")
    assert (done.exit_code, "gaucho show raw_crawl CONCEPT; there are araucaria" in done.output) == (2, True)
    done = invoke(project, "show", "raw_crawl", "aracaria")
    assert "did you mean 'araucaria'?" in done.output


@pytest.mark.parametrize("taken_out", ["forget", "fsck", "gc", "damage"])
def test_what_was_made_and_taken_out_is_never_called_never_made(taken_out: str, project: Project) -> None:
    stand_all(project)
    home = project.store.home("gallery_site", "all")
    if taken_out == "forget":
        sha256 = "ab" * 32
        write_rows(project.shown()["araucaria"].checkpoint.folder / "train.jsonl", [train_image(1).model_copy(update={"sha256": sha256})])
        assert invoke(project, "forget", sha256).exit_code == 0
    elif taken_out == "fsck":
        (home / "current.json").write_text("{", encoding="utf-8")
        assert invoke(project, "fsck", "--repair").exit_code in (0, 1)
        assert not (home / "current.json").exists()
    elif taken_out == "gc":
        (home / "current.json").unlink()
        shutil.rmtree(next(each for each in home.iterdir() if each.is_dir() and not each.is_symlink()))
    else:
        (home / "current" / "manifest.json").write_text("{", encoding="utf-8")
    state = project.site_state()
    assert state.state == "stale"
    assert "damaged" in state.reasons[0] if taken_out == "damage" else "it was made, and was taken out since" in state.reasons[0]
    said = invoke(project, "status").output
    assert "never made" not in said
    assert "missing" not in next(line for line in said.splitlines() if "gallery_site" in line)
    assert "gallery_site of all does not stand: " in invoke(project, "show", "gallery_site").output


def test_of_a_concept_too_what_was_taken_out_is_said_to_have_been_made(project: Project) -> None:
    assert project.states("araucaria")["raw_crawl"].reasons == ("never made",)
    assert project.site_state().reasons == ("never made",)
    stand_all(project)
    project.store.withdraw("evaluation", "araucaria")
    state = project.state("evaluation", "araucaria")
    assert (state.state, "it was made, and was taken out since" in state.reasons[0]) == ("missing", True)
    stand(project, "evaluation", "araucaria")
    assert project.state("evaluation", "araucaria").state == "fresh"
