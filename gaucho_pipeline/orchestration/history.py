"""Dagster's history, kept small: runs that ended long ago go, but for the last of every partition, by which Dagster knows what is fresh."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType

_AT_ONCE = 500
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_KINDS = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION)


def is_outdated(instance: dg.DagsterInstance) -> bool:
    """Whether an older version of Dagster has made the history's tables."""
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    found = [version for storage in storages if storage and (version := storage.alembic_version())]
    return any(there is not None and there != newest for there, newest in found)


def purge(instance: dg.DagsterInstance, before: float, dry_run: bool = False) -> int:
    """Deletes runs that ended before a moment, in seconds since the epoch, with their events; returns how many."""
    wanted = dg.RunsFilter(statuses=_ENDED, updated_before=datetime.fromtimestamp(before, UTC))
    ended = [record.dagster_run.run_id for record in instance.get_run_records(wanted)]
    last = last_runs(instance) if ended else set()
    old = [run_id for run_id in ended if run_id not in last]
    for run_id in () if dry_run else old:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        if shard := getattr(instance.event_log_storage, "path_for_shard", None):  # SQLite's, a file for each run, which would stay
            for path in Path(shard(run_id)).parent.glob(f"{run_id}.db*"):
                path.unlink(missing_ok=True)
    return len(old)


def last_runs(instance: dg.DagsterInstance) -> set[str]:
    """The runs that hold the last materialization of any partition of any asset, or its last observation."""
    storage, found = instance.event_log_storage, set[str]()
    for key in instance.all_asset_keys():
        for kind in _KINDS:
            ids = list(storage.get_latest_storage_id_by_partition(key, kind).values())
            records = storage.get_event_records(dg.EventRecordsFilter(kind, asset_key=key), limit=1, ascending=False)
            found |= {record.run_id for record in records}
            for start in range(0, len(ids), _AT_ONCE):
                part = dg.EventRecordsFilter(kind, asset_key=key, storage_ids=ids[start : start + _AT_ONCE])
                found |= {record.run_id for record in storage.get_event_records(part)}
    return found
