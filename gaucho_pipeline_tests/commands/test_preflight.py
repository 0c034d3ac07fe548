"""Before any work: a base model that is not there is told where it will be needed, and only there. The rest is in `test_stage.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.assets.table import RUN_ASSETS
from gaucho_pipeline.commands import preflight
from gaucho_pipeline.commands.preflight import check_configuration, problems
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts


@pytest.mark.parametrize("select", RUN_ASSETS)
def test_a_base_model_is_looked_at_where_the_run_comes_to_it(select: str, tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "photos", "chimarrao", 2), "dnc", "cup") | {"training": {"base_model": "./nowhere"}}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept}), tmp_path / "data")
    if select in ("raw_crawl", "curated_set"):
        check_configuration(project, ["chimarrao"], select)
    else:
        with pytest.raises(ConfigError, match=r"concepts\.yaml:\d+: concepts\.chimarrao\.training\.base_model: .*holds no model"):
            check_configuration(project, ["chimarrao"], select)


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"clip": {"model": "./nowhere"}}, r"evaluation\.clip\.model: .*/nowhere is not there"),
        ({"copy_detector": "copies.pt"}, r"evaluation\.copy_detector: .*/copies\.pt is not there"),
        ({"look_alikes": {"folder": "alike"}}, r"evaluation\.look_alikes\.folder: .*/alike is not there"),
        ({"look_alikes": {"concepts": ["cuia"]}}, r"evaluation\.look_alikes\.concepts: 'cuia' is no other concept"),
        ({"look_alikes": {"concepts": ["chimarrao"]}}, r"'chimarrao' is no other concept"),
    ],
)
def test_what_an_evaluation_names_is_looked_at_before_any_work(evaluation: dict[str, object], message: str, tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "photos", "chimarrao", 2), "dnc", "cup") | {"evaluation": evaluation}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept}), tmp_path / "data")
    with pytest.raises(ConfigError, match=message):
        check_configuration(project, ["chimarrao"], "gallery_site")


def test_half_a_configuration_of_signatures_is_reported_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUCHO_C2PA_KEY", "key.pem")
    concept = folder_concept(draw_folder(tmp_path / "photos", "chimarrao", 2), "dnc", "cup")
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept}), tmp_path / "data")
    with pytest.raises(ConfigError, match="names no certificate"):
        check_configuration(project, ["chimarrao"], "raw_crawl")


def test_overrides_that_are_not_there_are_reported_before_any_work(tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "photos", "chimarrao", 2), "dnc", "cup") | {"curation": {"overrides": "o.csv"}}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept}), tmp_path / "data")
    with pytest.raises(ConfigError, match=r"concepts\.yaml:\d+: concepts\.chimarrao\.curation\.overrides: .*o\.csv: there is no such file"):
        check_configuration(project, ["chimarrao"], "raw_crawl")


def test_a_large_model_without_a_gpu_is_reported_with_its_memory_and_time_and_asks_to_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "_LARGE", 1000)  # of which the embedded model has more
    monkeypatch.setattr(preflight.base_models, "has_gpu", lambda: False)
    concept = folder_concept(draw_folder(tmp_path / "photos", "chimarrao", 2), "dnc", "cup")
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept}), tmp_path / "data")
    with pytest.raises(ConfigError, match=r"billion weights, and there is no GPU here: about \d+ GB of memory .* hours .* --yes"):
        check_configuration(project, ["chimarrao"], "checkpoint")
    check_configuration(project, ["chimarrao"], "checkpoint", is_meant=True)
    check_configuration(project, ["chimarrao"], "curated_set")


def test_all_that_is_wrong_is_reported_at_once_and_what_the_defaults_say_once(tmp_path: Path) -> None:
    concepts = {
        slug: folder_concept(tmp_path / slug, token, "cup") | {"training": {"base_model": "./nowhere"}}
        for slug, token in (("a", "dnc"), ("b", "xyz"))
    }
    project = Project(write_concepts(tmp_path / "concepts.yaml", concepts), tmp_path / "data")
    found = [str(problem) for problem in problems(project, ["a", "b"], "gallery_site")]
    assert [("there is no folder" in text, "holds no model" in text) for text in found] == [(True, False), (False, True)] * 2
