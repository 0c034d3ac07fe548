"""What failed for a reason of the machine's is tried again, so often and with growing pauses; what failed for its input is not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterPipesExecutionError

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.errors import GauchoError, TransientError
from gaucho_pipeline.orchestration import retrying
from gaucho_pipeline.orchestration.assets import _failure
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.retrying import IS_TRANSIENT, PAUSES
from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.orchestration.tags import ATTEMPT_TAG, GONE_TAG, PRIORITY_TAG, PROCESS_TAG, REASON_TAG, RUN_KEY_TAG
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.failures import is_transient
from gaucho_pipeline_tests.standing import edit, two_concepts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two concepts, of which everything stands, but for a checkpoint that is to be made again."""
    project = two_concepts(tmp_path)
    edit(project, "araucaria", "training", rank=2)
    return project


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    with get_instance(project) as instance:
        yield instance


def failed(instance: dg.DagsterInstance, project: Project, **tags: str) -> dg.DagsterRun:
    """A run of the checkpoint whose process died without a word."""
    job = build_defs(project).resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey("checkpoint")})
    named = {"dagster/partition": "araucaria"} | {name.replace("__", "/"): value for name, value in tags.items()}
    selection = frozenset({dg.AssetKey("checkpoint")})
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=named, asset_selection=selection)
    instance.report_run_failed(run)
    return run


def tried(project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, seconds: float = 0) -> list[dg.RunRequest]:
    """What the sensor asks for so many seconds later."""
    real = time.time()
    monkeypatch.setattr(retrying.time, "time", lambda: real + seconds)
    defs = build_defs(project)
    context = dg.build_sensor_context(instance, resources=dict(defs.resources or {}), definitions=defs)
    return list(defs.resolve_sensor_def("try_again").evaluate_tick(context).run_requests or ())


def test_a_run_whose_process_died_is_tried_again_after_growing_pauses_and_not_for_ever(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = failed(instance, project)
    assert not tried(project, instance, monkeypatch, PAUSES[0] - 5)
    (request,) = tried(project, instance, monkeypatch, PAUSES[0] + 5)
    assert request.asset_selection == [dg.AssetKey("training_spec"), dg.AssetKey("checkpoint")]
    assert (request.partition_key, request.tags[ATTEMPT_TAG]) == ("araucaria", "1")
    assert run.run_id[:8] in request.tags[REASON_TAG]
    assert request.run_key == f"{run.run_id} again"  # by which Dagster starts it once
    instance.delete_run(run.run_id)
    failed(instance, project, gaucho__attempt="1")
    assert not tried(project, instance, monkeypatch, PAUSES[0] + 5)
    assert tried(project, instance, monkeypatch, PAUSES[1] + 5)
    failed(instance, project, gaucho__attempt=str(len(PAUSES)))
    assert len(tried(project, instance, monkeypatch, 10 * PAUSES[-1])) == 1
    assert list(PAUSES) == sorted(set(PAUSES))


def test_one_look_asks_for_so_many_at_most_and_for_none_twice(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "RUNS_A_TICK", 2)
    for _ in range(3):
        failed(instance, project)
    for expected in (2, 1, 0):
        requests = tried(project, instance, monkeypatch, PAUSES[0] + 5)
        assert len(requests) == expected
        assert all(int(request.tags[PRIORITY_TAG]) < 0 for request in requests)
        for request in requests:  # as Dagster does
            instance.create_run_for_job(
                build_defs(project).resolve_implicit_global_asset_job_def(), tags={RUN_KEY_TAG: request.run_key or ""}
            )


def dead_job(instance: dg.DagsterInstance, project: Project, name: str) -> None:
    run = instance.create_run_for_job(
        build_defs(project).resolve_job_def(name), status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "araucaria"}
    )
    instance.report_run_failed(run)


@pytest.mark.parametrize(("job", "expected"), [("crawl", [["crawl_spec", "raw_crawl"]]), ("clean", [])])
def test_a_job_that_died_is_tried_again_as_what_it_is(
    job: str, expected: list[list[str]], project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_job(instance, project, job)
    found = tried(project, instance, monkeypatch, PAUSES[0] + 5)
    assert [[key.to_user_string() for key in request.asset_selection or ()] for request in found] == expected


def test_what_stands_by_now_is_not_tried_again(project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    failed(instance, project)
    edit(project, "araucaria", "training", rank=4)
    assert not tried(project, instance, monkeypatch, PAUSES[0] + 5)


def test_a_persons_own_run_is_hers_to_repeat_unless_the_machine_took_it(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(instance, project, **{PROCESS_TAG: "a 1"})
    assert not tried(project, instance, monkeypatch, PAUSES[0] + 5)
    failed(instance, project, **{PROCESS_TAG: "a 1", GONE_TAG: "true"})
    assert len(tried(project, instance, monkeypatch, PAUSES[0] + 5)) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), True),
        (ConnectionResetError("reset"), True),
        (TimeoutError("slow"), True),
        (TransientError("every source failed"), True),
        (GauchoError("the loss is not finite"), False),
        (MemoryError(), False),
        (FileNotFoundError(2, "gone"), False),
    ],
)
def test_whose_fault_an_error_is(error: Exception, expected: bool) -> None:
    assert is_transient(error) is expected


@pytest.mark.parametrize(
    ("told", "code", "expected"),
    [
        ({"message": "the disk is full", "is_transient": True}, 1, True),
        ({"message": "3 of 9 images are left", "is_transient": False}, 1, False),
        ({"message": "of an older version"}, 1, False),
        (None, -9, True),
        (None, 1, False),
    ],
)
def test_a_step_keeps_whose_fault_its_programs_failure_was(told: Any, code: int, expected: bool, tmp_path: Path) -> None:
    if told:
        (tmp_path / "error.json").write_text(json.dumps(told))
    error = DagsterPipesExecutionError(f"External execution process failed with code {code}")
    failure = _failure(tmp_path / "error.json", error, ASSETS["checkpoint"])
    assert failure.metadata[IS_TRANSIENT].value is expected
    assert failure.allow_retries is False  # within the same run, crawls only
    assert _failure(tmp_path / "error.json", error, ASSETS["raw_crawl"]).allow_retries is expected


@pytest.mark.parametrize(("is_machines", "expected"), [(True, 1), (False, 0)])
def test_a_step_that_failed_decides_by_whose_fault_it_was(
    is_machines: bool, expected: int, project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = {"message": "it broke", "is_transient": is_machines}
    monkeypatch.setattr(
        "gaucho_pipeline.orchestration.assets._run_program",
        lambda context, programs, opened, asset, slug, folder: _raise(folder, message, asset),
    )
    fresh = Project(project.concepts_file, project.store.root)
    job = build_defs(fresh).resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey("training_spec"), dg.AssetKey("checkpoint")]
    assert not job.execute_in_process(asset_selection=keys, partition_key="araucaria", instance=instance, raise_on_error=False).success
    assert len(tried(project, instance, monkeypatch, PAUSES[0] + 5)) == expected


def _raise(folder: Path, message: dict[str, Any], asset: Any) -> None:
    (folder / "error.json").write_text(json.dumps(message))
    raise _failure(folder / "error.json", DagsterPipesExecutionError("failed"), asset)
