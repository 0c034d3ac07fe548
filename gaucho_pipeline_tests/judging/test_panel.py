"""The panel's key and answers on disk, and as an asset in Dagster: `gaucho judge` alone makes it, a rename keeps it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml

from gaucho_pipeline.assets.table import ASSETS, JUDGEMENT, RUN_ASSETS
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.judging.panel import PANELS, find_panel, judged_panel, panels_of, write_panel
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.raters import answer, stand_for_judging, write_answers
from gaucho_pipeline_tests.standing import one_concept


@pytest.fixture
def judged(tmp_path: Path) -> Project:
    project = stand_for_judging(one_concept(tmp_path))
    gaucho(tmp_path, "judge", "araucaria")
    panel = panels_of(project.store.root, "araucaria")[0].panel
    gaucho(tmp_path, "judge", "--read", *(str(write_answers(tmp_path, answer(panel, number))) for number in range(1, 6)))
    return project


def test_a_rename_keeps_the_panel_its_answers_and_the_judgement(judged: Project, tmp_path: Path) -> None:
    gaucho(tmp_path, "rename", "araucaria", "pinheiro")
    renamed = Project(judged.concepts_file, judged.store.root)
    standing = judged_panel(renamed.store.root, "pinheiro")
    assert standing
    assert len(standing.answers()) == 5
    assert renamed.states("pinheiro")["judgement"].state == "fresh"
    assert find_panel(renamed.store.root, standing.panel.id) is not None


def test_with_its_concept_the_panel_goes_too(judged: Project, tmp_path: Path) -> None:
    value = yaml.safe_load(judged.concepts_file.read_text(encoding="utf-8"))
    value["concepts"]["other"] = value["concepts"].pop("araucaria")
    judged.concepts_file.write_text(yaml.safe_dump(value), encoding="utf-8")
    gaucho(tmp_path, "gc", "--removed")
    assert not (judged.store.root / PANELS / "araucaria").exists()


def test_a_damaged_key_is_named(judged: Project) -> None:
    file = next((judged.store.root / PANELS).glob("*/*/panel.json"))
    file.write_text("{", encoding="utf-8")
    with pytest.raises(GauchoError, match=r"panel\.json: is damaged"):
        panels_of(judged.store.root, "araucaria")


def test_a_key_that_stands_is_never_written_over(judged: Project) -> None:
    standing = panels_of(judged.store.root, "araucaria")[0]
    write_panel(judged.store.root, "araucaria", standing.panel.model_copy(update={"made_at": "2030-01-01"}))
    assert panels_of(judged.store.root, "araucaria")[0].panel == standing.panel


def test_in_dagster_it_is_an_asset_that_nothing_makes_by_itself(judged: Project) -> None:
    definitions = build_defs(judged)
    spec = {each.key.to_user_string(): each for each in definitions.resolve_all_asset_specs()}
    assert spec["judgement"].automation_condition is None
    assert {dep.asset_key.to_user_string() for dep in spec["judgement"].deps} == {"judgement_spec", "sample_gallery"}
    assert spec["sample_gallery"].automation_condition is not None
    everything = definitions.resolve_job_def("everything")
    made = {key.to_user_string() for key in everything.asset_layer.selected_asset_keys}
    assert JUDGEMENT.name not in made
    assert {name for name in RUN_ASSETS if not ASSETS[name].is_of_collections} <= made


def test_materialized_in_dagster_it_counts_the_answers_that_there_are(judged: Project, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(judged).resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(name) for name in ("judgement_spec", "judgement")]
        done = job.execute_in_process(asset_selection=keys, partition_key="araucaria", instance=instance)
        (event,) = [each for each in done.get_asset_materialization_events() if each.asset_key == dg.AssetKey("judgement")]
    metadata = event.step_materialization_data.materialization.metadata
    assert list(metadata)[1] == "word"
    assert metadata["word"].value == "yes"
    assert metadata["kinds_tuned_shows_it_value"].value > 0.5
    assert metadata["raters"].value == 5
