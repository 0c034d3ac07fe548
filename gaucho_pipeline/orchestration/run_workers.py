"""The processes that do runs: which of them are gone, and what then becomes of their runs and of their places in pools.

A run of the command line says which process it is in by a tag; one of the web UI by Dagster's own event, and by the machine that launched
it (`launcher.py`). What another machine runs is not judged here.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

import dagster as dg
import psutil
from dagster import DagsterEventType
from sqlalchemy.exc import OperationalError

from gaucho_pipeline.orchestration.tags import GONE_TAG, HOST_TAG, PROCESS_TAG

T = TypeVar("T")
_LOCKED_SECONDS = (0.1, 0.3, 1.0, 3.0)
SECONDS_TO_SAVE = 300.0
"""What a program that is asked to stop is given to save in: a whole denoiser takes minutes."""
_CLOCK_SLACK = 60.0
_SECONDS_TO_CREATE, _SECONDS_TO_QUEUE = 60.0, 600.0
"""What a run may take to come to be, and then to get into the queue: both are steps of one program, which takes a moment."""
_UNDER_WAY = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


class RunWorker(NamedTuple):
    """A process of this machine that does, or did, a run."""

    pid: int
    began: str = ""
    """When it began, in ticks since the machine did: what tells it from a later one of the same number. Empty where it is not known."""
    seen_at: float = 0.0
    """When it was certainly there, in seconds since the epoch, where that is not known."""


class Place(NamedTuple):
    """Where a process is: its number means something there only."""

    host: str
    namespace: str
    """Of process numbers, as a container has one of its own."""
    boot: str
    """One start of the machine."""

    @classmethod
    def here(cls) -> Place:
        boot = _read("/proc/sys/kernel/random/boot_id") or "-"
        try:
            namespace = os.readlink("/proc/self/ns/pid").replace(" ", "")
        except OSError:
            namespace = "-"
        return cls(f"{socket.gethostname()}/{_read('/etc/machine-id')[:12] or '-'}", namespace, boot)

    @classmethod
    def parse(cls, text: str) -> Place | None:
        words = text.split()
        return cls(*words[:3]) if len(words) >= 3 else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine did (proc(5), /proc/PID/stat, field 22); empty where that cannot be read."""
    return (_read(f"/proc/{pid}/stat").rpartition(")")[2].split() or [""] * 20)[19]


def this_host() -> str:
    """The value of HOST_TAG."""
    return " ".join(Place.here())


def this_process() -> str:
    """The value of PROCESS_TAG."""
    return f"{this_host()} {os.getpid()} {_began(os.getpid())}".strip()


def worker_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunWorker | None:
    """The process of this machine that does a run; None for what cannot be judged here, and for one that has not said so yet.

    Of a machine that has started again since, it is one that no process has: number 0.
    """
    text, here = run.tags.get(PROCESS_TAG) or run.tags.get(HOST_TAG, ""), Place.here()
    place = Place.parse(text)
    if place is None or place.host != here.host:
        return None
    if place.boot != here.boot:
        return RunWorker(0)
    if place.namespace != here.namespace:
        return None
    if PROCESS_TAG in run.tags:
        pid, _, began = text.partition(place.boot)[2].strip().partition(" ")
        return RunWorker(int(pid), began) if pid.isdigit() else None
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        metadata = entry.get_dagster_event().engine_event_data.metadata
        if "pid" in metadata and str(metadata["pid"].value).isdigit():
            return RunWorker(int(str(metadata["pid"].value)), seen_at=entry.timestamp)
    return None


def is_running(worker: RunWorker) -> bool:
    """Whether a process is still there, and not another one of the same number."""
    try:
        process = psutil.Process(worker.pid) if worker.pid else None
        if process is None or process.status() == psutil.STATUS_ZOMBIE:
            return False
        if worker.began:
            return _began(worker.pid) == worker.began
        return not worker.seen_at or process.create_time() <= worker.seen_at + _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False


def is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether nobody does a run any more that Dagster takes for running."""
    worker = worker_of(instance, run)
    return worker is not None and not is_running(worker)


def while_locked(action: Callable[[], T]) -> T:
    """Does something to Dagster's history, again where SQLite says that it is locked.

    It says so at once, and waits for nobody, where another process has written since a transaction began to read (SQLITE_BUSY_SNAPSHOT,
    https://www.sqlite.org/rescode.html#busy_snapshot), as the web server, the code server and the daemon do beside one another.
    """
    for seconds in _LOCKED_SECONDS:
        try:
            return action()
        except OperationalError:
            time.sleep(seconds)
    return action()


def free_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """Gives a run's places in pools back."""
    while_locked(lambda: instance.event_log_storage.free_concurrency_slots_for_run(run_id))


def end_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Ends a run whose process is gone, and gives its places in pools back; one that was being terminated has been."""
    if run.status == dg.DagsterRunStatus.CANCELING:
        while_locked(lambda: instance.report_run_canceled(run, "its process is gone"))
    else:
        text = "its process is gone: the machine or the server was stopped; what was done is kept"
        while_locked(lambda: instance.add_run_tags(run.run_id, {GONE_TAG: "true"}))
        while_locked(lambda: instance.report_run_failed(run, text))
    free_slots(instance, run.run_id)


def end_dead_runs(instance: dg.DagsterInstance) -> None:
    """Ends runs whose process is gone: they would hold their place in the GPU's pool for ever, as would those that ended without a word.

    So does it those that were created and never put into the queue: Dagster looks for those only while its daemon runs.
    """
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(_UNDER_WAY))):
        if is_gone(instance, record.dagster_run) or _was_left(record):
            end_run(instance, record.dagster_run)
    free_forgotten_slots(instance)


def _was_left(record: dg.RunRecord) -> bool:
    """Whether a run was created by somebody who was gone before it could be queued, and has not said who that was."""
    run = record.dagster_run
    is_nobodys = PROCESS_TAG not in run.tags and HOST_TAG not in run.tags
    return is_nobodys and run.status == dg.DagsterRunStatus.NOT_STARTED and _seconds_since(record.create_timestamp) > _SECONDS_TO_QUEUE


def free_forgotten_slots(instance: dg.DagsterInstance) -> None:
    """Frees places in pools that belong to nobody: of runs that are over, and of runs that never came to be."""
    storage = instance.event_log_storage
    steps = {step.run_id: step for pool in storage.get_concurrency_keys() for step in storage.get_concurrency_info(pool).pending_steps}
    for run_id, step in steps.items():
        record = instance.get_run_record_by_id(run_id)
        if _is_over(instance, record) if record else _seconds_since(step.assigned_timestamp) > _SECONDS_TO_CREATE:
            free_slots(instance, run_id)


def _is_over(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether a run has ended, and its programs have, too: what is asked to stop has five minutes to save."""
    if not record.dagster_run.is_finished:
        return False
    return is_gone(instance, record.dagster_run) or (record.end_time is not None and time.time() - record.end_time > SECONDS_TO_SAVE)


def _seconds_since(moment: datetime | None) -> float:
    return time.time() - moment.timestamp() if moment else 0.0
