"""Tries again what failed for a reason of the machine's, a bounded number of times with growing pauses.

What failed for its input would fail again: it waits until that changes. A person's own runs on the command line are hers to repeat, unless
the machine took them from her.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterEventType

from gaucho_pipeline.assets.table import ALL, ASSETS, RAW_CRAWL, RUN_ASSETS
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.orchestration.tags import (
    ATTEMPT_TAG,
    BY_ITSELF,
    CONCEPT_TAG,
    GONE_TAG,
    PARTITION_TAG,
    PROCESS_TAG,
    REASON_TAG,
    RUN_KEY_TAG,
    RUNS_A_TICK,
)
from gaucho_pipeline.project.project import Project

PAUSES = (60.0, 600.0, 3600.0)
"""Seconds before the first, the second and the third further attempt; there is no fourth."""
IS_TRANSIENT = "transient"
"""Metadata of a step's failure: whether the same may succeed later, without a change of what it is made from."""
_LOOKS_BACK = timedelta(days=2)


def build_retry_sensor() -> dg.SensorDefinition:
    @dg.sensor(
        name="try_again",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Starts again what failed because the machine stopped, the disk was full or a connection was lost: after a minute, "
        "ten minutes and an hour. What failed for its input waits until that changes.",
    )
    def try_again(context: dg.SensorEvaluationContext, project: dg.ResourceParam[ProjectResource]) -> Iterator[dg.RunRequest]:
        try:
            opened = project.open()
        except GauchoError:
            return
        asked, since = 0, dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=datetime.now(UTC) - _LOOKS_BACK)
        for record in context.instance.get_run_records(since):
            run, attempts = record.dagster_run, int(record.dagster_run.tags.get(ATTEMPT_TAG, "0"))
            if attempts >= len(PAUSES) or (record.end_time or 0) + PAUSES[attempts] > time.time():
                continue
            again = dg.RunsFilter(tags={RUN_KEY_TAG: _again(run)})
            if not is_transient(context.instance, run) or context.instance.get_run_ids(again, limit=1):
                continue
            if request := _request(opened, run, attempts + 1):
                yield request
                asked += 1
            if asked == RUNS_A_TICK:
                return

    return try_again


def is_transient(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a failed run failed for a reason of the machine's."""
    if GONE_TAG in run.tags:
        return True
    if PROCESS_TAG in run.tags:
        return False
    failures = instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE)
    if not failures:
        return True  # its process died, or its machine
    causes = [entry.get_dagster_event().step_failure_data.user_failure_data for entry in failures]
    return all(cause and IS_TRANSIENT in cause.metadata and cause.metadata[IS_TRANSIENT].value for cause in causes)


def _request(project: Project, run: dg.DagsterRun, attempt: int) -> dg.RunRequest | None:
    """The same again of what is still not up to date, and a crawl in any case; None if nothing is left, or the concept is gone."""
    slug, wanted = run.tags.get(PARTITION_TAG, ALL), _assets_of(run)
    if slug != ALL and not project.concepts.has(slug):
        return None
    names = [name for name, asset in ASSETS.items() if asset.is_partitioned is (slug != ALL) and name in wanted]
    names = [name for name in names if slug == ALL or project.has_asset(name, slug)]
    left = [name for name in names if name == RAW_CRAWL.name or project.state(name, slug).state != "fresh"]
    if not left:
        return None
    keys = [key for name in left for key in ((ASSETS[name].spec_name, name) if ASSETS[name].is_partitioned else (name,))]
    return dg.RunRequest(
        run_key=_again(run),
        partition_key=None if slug == ALL else slug,
        asset_selection=[dg.AssetKey(key) for key in keys],
        tags=BY_ITSELF
        | {ATTEMPT_TAG: str(attempt), CONCEPT_TAG: slug, REASON_TAG: f"run {run.run_id[:8]} failed for a reason of the machine's"},
    )


def _again(run: dg.DagsterRun) -> str:
    """The key of the run that does the same again, by which Dagster starts it once."""
    return f"{run.run_id} again"


def _assets_of(run: dg.DagsterRun) -> set[str]:
    """The assets that a run was to make: those that were selected, or its job's own."""
    if run.asset_selection is not None:
        return {key.to_user_string() for key in run.asset_selection}
    return {"crawl": {RAW_CRAWL.name}, "everything": set(RUN_ASSETS)}.get(run.job_name, set())
