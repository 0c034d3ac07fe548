"""`gaucho status` and `show`: for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import invoke
from gaucho_pipeline_tests.standing import one_concept, stand_all


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
