"""What is asked to stop was cancelled and has not failed, whoever ran it, and the conditions take it up again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.runner import Runner, get_instance
from gaucho_pipeline.processes.interrupts import noticed
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.standing import edit, two_concepts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two concepts of which everything stands, but for a checkpoint that is to be made again."""
    project = two_concepts(tmp_path)
    edit(project, "araucaria", "training", rank=2)
    return Project(project.concepts_file, project.store.root)


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    with get_instance(project) as instance:
        yield instance


def stop_in(monkeypatch: pytest.MonkeyPatch, function: str, number: int) -> None:
    """Has a signal arrive in a function that the step calls."""
    monkeypatch.setattr(f"gaucho_pipeline.orchestration.{function}", lambda *_: signal.raise_signal(number))


def run_checkpoint(project: Project, instance: dg.DagsterInstance) -> dg.DagsterRun:
    with noticed() as received:
        runner = Runner(build_defs(project), instance, received)
        with pytest.raises(KeyboardInterrupt):
            runner.run("checkpoint", "araucaria", force=False)
    return instance.get_runs(limit=1)[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_step_that_a_signal_ends_was_cancelled(
    number: int, project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in(monkeypatch, "assets._run_program", number)
    run = run_checkpoint(project, instance)
    assert run.status == dg.DagsterRunStatus.CANCELED
    kinds = [entry.dagster_event.event_type_value for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    assert "PIPELINE_CANCELING" in kinds
    assert "PIPELINE_FAILURE" not in kinds  # by which Dagster would remember a failed partition
    assert instance.event_log_storage.get_concurrency_info("gpu").pending_steps == []


def test_a_run_that_a_signal_ends_between_its_steps_was_cancelled(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Project, "recipe", lambda *_: signal.raise_signal(signal.SIGINT))  # of the specification, which says nothing of it
    assert run_checkpoint(project, instance).status == dg.DagsterRunStatus.CANCELED


def test_what_had_failed_before_the_signal_has_failed(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        signal.set_wakeup_fd(-1)
        raise dg.Failure("the loss is not finite", allow_retries=False)

    monkeypatch.setattr("gaucho_pipeline.orchestration.assets._run_program", fail)
    with pytest.raises(KeyboardInterrupt):
        Runner(build_defs(project), instance, lambda: signal.SIGINT).run("checkpoint", "araucaria", force=False)
    assert instance.get_runs(limit=1)[0].status == dg.DagsterRunStatus.FAILURE


def requested(project: Project, instance: dg.DagsterInstance, cursor: Any) -> tuple[list[tuple[str, Any]], Any]:
    result = dg.evaluate_automation_conditions(build_defs(project), instance, cursor=cursor)
    keys = [dg.AssetKey(name) for name in ASSETS]
    return [(key.to_user_string(), slug) for key in keys for slug in result.get_requested_partitions(key)], result.cursor


def report(instance: dg.DagsterInstance, name: str, version: str) -> None:
    tags = {"dagster/data_version": version}
    instance.report_runless_asset_event(dg.AssetMaterialization(name, partition="araucaria", tags=tags))


def begin(project: Project, instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run of the checkpoint as the daemon starts it."""
    keys = {dg.AssetKey("checkpoint")}
    job = build_defs(project).resolve_implicit_global_asset_job_def().get_subset(asset_selection=keys)
    tags = {"dagster/partition": "araucaria"}
    return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags, asset_selection=frozenset(keys))


@pytest.mark.parametrize("is_made", [True, False])
def test_what_was_stopped_is_taken_up_again_once(is_made: bool, project: Project, instance: dg.DagsterInstance) -> None:
    """Both what was never made and what was to be made again: a change that was handled before the stop would be forgotten."""
    for name in ("training_spec", "curated_set", *(["checkpoint"] if is_made else [])):
        report(instance, name, "1")
    cursor, asked = None, list[tuple[str, Any]]()
    for _ in range(2):
        asked, cursor = requested(project, instance, cursor)
    if is_made:
        report(instance, "training_spec", "2")
        asked, cursor = requested(project, instance, cursor)
    assert asked == [("checkpoint", "araucaria")]
    run = begin(project, instance)
    asked, cursor = requested(project, instance, cursor)
    assert asked == []
    instance.report_run_canceled(run)
    asked, cursor = requested(project, instance, cursor)
    assert asked == [("checkpoint", "araucaria")]
    again = begin(project, instance)
    asked, cursor = requested(project, instance, cursor)
    instance.report_run_failed(again)  # what fails waits for its input to change
    for _ in range(3):
        asked, cursor = requested(project, instance, cursor)
        assert asked == []
