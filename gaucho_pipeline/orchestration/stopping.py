"""A run that is asked to stop was cancelled, and has not failed: a failure waits for its input to change, and is told to people.

Dagster takes a run for cancelled only where somebody asked for that in the web UI; one that Ctrl-C, SIGTERM or the end of `gaucho ui`
interrupts has failed, for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import dagster as dg
from dagster import DagsterEventType

from gaucho_pipeline.orchestration.dagster_internals import DagsterExecutionInterruptedError
from gaucho_pipeline.orchestration.retrying import IS_TRANSIENT
from gaucho_pipeline.orchestration.run_workers import while_locked

_INTERRUPT = "INTERRUPT"
"""Where Dagster has a step's failure come from that a signal has ended."""


@contextlib.contextmanager
def cancelled_if_stopped(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Has Dagster end a run as cancelled if a signal ends the block, in the process of the run."""
    try:
        yield
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        run = instance.get_run_by_id(run_id)
        if run and run.status == dg.DagsterRunStatus.STARTED:
            while_locked(lambda: instance.report_run_canceling(run, "asked to stop; what is done is kept"))
        raise


def take_for_cancelled(instance: dg.DagsterInstance, run_id: str) -> None:
    """Has a run that was asked to stop, and ended as failed because of it, be a cancelled one: the signal came between two steps."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.status != dg.DagsterRunStatus.FAILURE:
        return
    failures = [entry.get_dagster_event().step_failure_data for entry in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE)]
    for failure in failures:
        mark = failure.user_failure_data.metadata.get(IS_TRANSIENT) if failure.user_failure_data else None
        was_stopped = failure.error_source is not None and failure.error_source.value == _INTERRUPT
        if not (was_stopped or (mark and mark.value)):
            return  # it had failed before
    while_locked(lambda: instance.report_run_canceled(run, "asked to stop; what is done is kept"))
