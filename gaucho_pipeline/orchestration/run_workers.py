"""The processes that do runs: which of them are gone, and what then becomes of their runs and of their places in pools.

A run of the command line says which process it is in by a tag; one of the web UI by Dagster's own event, and by the machine that launched
it (`launcher.py`). What another machine runs is not judged here.
"""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime
from typing import NamedTuple

import dagster as dg
import psutil
from dagster import DagsterEventType

from gaucho_pipeline.orchestration.tags import GONE_TAG, HOST_TAG, PROCESS_TAG

SECONDS_TO_SAVE = 300.0
"""What a program that is asked to stop is given to save in: a whole denoiser takes minutes."""
_CLOCK_SLACK = 60.0
_SECONDS_TO_CREATE = 60.0
_UNDER_WAY = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


class RunWorker(NamedTuple):
    """A process of this machine that does a run."""

    pid: int
    seen_at: float
    """When it was certainly there, in seconds since the epoch."""


def this_process() -> str:
    """The value of PROCESS_TAG."""
    return f"{socket.gethostname()} {os.getpid()}"


def worker_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunWorker | None:
    """The process of this machine that does a run; None for another machine's, and for one that has not said so yet."""
    record = instance.get_run_record_by_id(run.run_id)
    if record is None:
        return None
    host, _, pid = run.tags.get(PROCESS_TAG, "").partition(" ")
    if host:
        return RunWorker(int(pid), record.create_timestamp.timestamp()) if host == socket.gethostname() and pid.isdigit() else None
    if run.tags.get(HOST_TAG) != socket.gethostname():
        return None
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        metadata = entry.get_dagster_event().engine_event_data.metadata
        if "pid" in metadata and str(metadata["pid"].value).isdigit():
            return RunWorker(int(str(metadata["pid"].value)), entry.timestamp)
    return None


def is_running(worker: RunWorker) -> bool:
    """Whether a process is still there, and not another one of the same number."""
    try:
        process = psutil.Process(worker.pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= worker.seen_at + _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False


def is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether nobody does a run any more that Dagster takes for running."""
    worker = worker_of(instance, run)
    return worker is not None and not is_running(worker)


def end_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Ends a run whose process is gone, and gives its places in pools back; one that was being terminated has been."""
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, "its process is gone")
    else:
        instance.add_run_tags(run.run_id, {GONE_TAG: "true"})
        instance.report_run_failed(run, "its process is gone: the machine or the server was stopped; what was done is kept")
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def end_dead_runs(instance: dg.DagsterInstance) -> None:
    """Ends runs whose process is gone: they would hold their place in the GPU's pool for ever, as would those that ended without a word."""
    for run in instance.get_runs(dg.RunsFilter(statuses=list(_UNDER_WAY))):
        if is_gone(instance, run):
            end_run(instance, run)
    free_forgotten_slots(instance)


def free_forgotten_slots(instance: dg.DagsterInstance) -> None:
    """Frees places in pools that belong to nobody: of runs that are over, and of runs that never came to be."""
    storage = instance.event_log_storage
    steps = {step.run_id: step for pool in storage.get_concurrency_keys() for step in storage.get_concurrency_info(pool).pending_steps}
    for run_id, step in steps.items():
        record = instance.get_run_record_by_id(run_id)
        if _is_over(instance, record) if record else _seconds_since(step.assigned_timestamp) > _SECONDS_TO_CREATE:
            storage.free_concurrency_slots_for_run(run_id)


def _is_over(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether a run has ended, and its programs have, too: what is asked to stop has five minutes to save."""
    if not record.dagster_run.is_finished:
        return False
    return is_gone(instance, record.dagster_run) or (record.end_time is not None and time.time() - record.end_time > SECONDS_TO_SAVE)


def _seconds_since(moment: datetime | None) -> float:
    return time.time() - moment.timestamp() if moment else 0.0
