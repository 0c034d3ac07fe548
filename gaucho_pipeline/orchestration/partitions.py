"""The concepts that Dagster knows of: those of the file as it is, or where it has a mistake, as it was when it last had none.

A definition that cannot be loaded would take every asset, schedule and sensor off the web UI until somebody reloads it. A concept that was
removed stays until no backfill asks for it any more: Dagster gives a backfill up of which one partition is gone, and cancels the runs of
all its others.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from sqlalchemy.exc import DBAPIError

from gaucho_pipeline.concepts.concept import SLUG
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.orchestration.dagster_internals import BACKFILLS_UNDER_WAY
from gaucho_pipeline.project.project import Project


class Partitions(NamedTuple):
    """Concepts' slugs, in the file's order."""

    slugs: list[str]
    mistake: str = ""
    """What is wrong with the file now: with file, line and key."""
    removed: tuple[str, ...] = ()
    """Slugs that are no longer in the file, and that a backfill under way asks for: whatever is run of them fails, and says why."""

    @property
    def notice(self) -> str:
        """What is to be said where they are shown, in Markdown."""
        notices = [f"**{self.mistake}** What is shown is the file as it was before."] if self.mistake else []
        if self.removed:
            notices.append(f"**{', '.join(self.removed)}**: no longer in the file; shown until no backfill asks for it any more.")
        return "".join(f"{text}\n\n" for text in notices)

    def with_removed(self, asked_for: set[str]) -> Partitions:
        """The same, with those that are asked for and no longer in the file."""
        return self._replace(removed=tuple(sorted(asked_for - set(self.slugs))))


def load_partitions(project: Project) -> Partitions:
    """Raises ConfigError if the file has a mistake, and never was without."""
    file = project.store.root / ".partitions.json"
    try:
        slugs = project.slugs
    except ConfigError as error:
        if kept := _kept(file):
            return Partitions(kept, str(error))
        raise
    if slugs != _kept(file):
        with contextlib.suppress(OSError):  # the data folder may be for reading only
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(slugs))
    return Partitions(slugs)


def _kept(file: Path) -> list[str]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return value if isinstance(value, list) and all(isinstance(slug, str) and SLUG.fullmatch(slug) for slug in value) else []


def asked_for_in_history() -> set[str]:
    """The concepts that backfills ask for in the history that DAGSTER_HOME names; none where there is none, or it cannot be read."""
    try:
        with dg.DagsterInstance.get() as instance:
            return asked_for(instance)
    except (dg.DagsterError, DBAPIError, OSError):
        return set()


def asked_for(instance: dg.DagsterInstance) -> set[str]:
    """The concepts that backfills under way ask for, whatever has become of each."""
    found = set[str]()
    for backfill in instance.get_backfills(filters=BACKFILLS_UNDER_WAY):
        found.update(backfill.partition_names or ())
        if data := backfill.asset_backfill_data:
            for subset in data.target_subset.partitions_subsets_by_asset_key.values():
                found.update(subset.get_partition_keys())
    return {slug for slug in found if SLUG.fullmatch(slug)}
