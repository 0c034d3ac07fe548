"""Says in the log of a run that waits in the queue what it waits for: Dagster says so nowhere that a person looks.

A run of the command line counts among those that may be at work at once, although no queue has started it.
"""

from __future__ import annotations

import dagster as dg

from gaucho_pipeline.orchestration.run_workers import while_locked, worker_of
from gaucho_pipeline.orchestration.tags import PROCESS_TAG, concept_of

_AT_WORK = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
_AT_ONCE, _NAMED = 100, 3


def tell_why_queued(instance: dg.DagsterInstance, told: dict[str, str]) -> dict[str, str]:
    """Tells each waiting run's log for what it waits, where that is another thing than before; returns what was told, by run.

    `told`: what it has returned the last time.
    """
    now = why_queued(instance)
    for run_id, reason in now.items():
        if told.get(run_id) != reason and (run := instance.get_run_by_id(run_id)):
            while_locked(lambda run=run, reason=reason: instance.report_engine_event(f"It waits {reason}", run))  # type: ignore[misc]
    return now


def why_queued(instance: dg.DagsterInstance) -> dict[str, str]:
    """For what each run in the queue waits, by its id; nothing of those whose turn it is."""
    queued = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=_AT_ONCE, ascending=True)
    settings = instance.get_concurrency_config().run_queue_config
    most = settings.max_concurrent_runs if settings else -1
    at_work = instance.get_run_records(dg.RunsFilter(statuses=list(_AT_WORK))) if queued else []
    if not queued or most < 0 or len(at_work) < most:
        return {}
    names = "; ".join(_describe(instance, record) for record in at_work[:_NAMED])
    more = f"; and {len(at_work) - _NAMED} more" if len(at_work) > _NAMED else ""
    reason = f"until fewer than {most} are at work, as max_concurrent_runs in dagster.yaml has it: {names}{more}"
    return {run.run_id: reason for run in queued}


def _describe(instance: dg.DagsterInstance, record: dg.RunRecord) -> str:
    """A run that is at work: for whom, since when, and by whom."""
    run, since = record.dagster_run, record.create_timestamp.astimezone().strftime("%Y-%m-%d %H:%M")
    worker = worker_of(instance, run)
    by = "of the command line" if PROCESS_TAG in run.tags else "of the web UI"
    process = f", process {worker.pid}" if worker and worker.pid else ""
    return f"run {run.run_id[:8]} {by} for {concept_of(run.tags) or 'all concepts'}, since {since}{process}"
