"""The concepts and collections that Dagster knows of: those of the file, or where it has a mistake, as it was when it last had none.

A definition that cannot be loaded would take every asset, schedule and sensor off the web UI until somebody reloads it. A concept that was
removed stays until no backfill asks for it any more: Dagster gives a backfill up of which one partition is gone, and cancels the runs of
all its others.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NamedTuple

import dagster as dg
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError

from gaucho_pipeline.concepts.concept import SLUG
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.orchestration.dagster_internals import BACKFILLS_UNDER_WAY
from gaucho_pipeline.project.project import Project


class Partitions(NamedTuple):
    """Slugs, in the file's order."""

    slugs: list[str]
    """Of the concepts."""
    collections: Mapping[str, Sequence[str]] = MappingProxyType({})
    """Of the collections, each with its concepts'."""
    mistake: str = ""
    """What is wrong with the file now: with file, line and key."""
    removed: tuple[str, ...] = ()
    """Slugs that are no longer in the file, and that a backfill under way asks for: whatever is run of them fails, and says why."""

    def definition(self) -> dg.StaticPartitionsDefinition:
        """One for all assets, because Dagster has no jobs over several kinds: what an asset is not made of ends as not asked for."""
        return dg.StaticPartitionsDefinition([*self.slugs, *self.collections, *self.removed])

    @property
    def notice(self) -> str:
        """What is to be said where they are shown, in Markdown."""
        notices = [f"**{self.mistake}** What is shown is the file as it was before."] if self.mistake else []
        if self.removed:
            notices.append(f"**{', '.join(self.removed)}**: no longer in the file; shown until no backfill asks for it any more.")
        return "".join(f"{text}\n\n" for text in notices)

    def with_removed(self, asked_for: set[str]) -> Partitions:
        """The same, with those that are asked for and no longer in the file."""
        return self._replace(removed=tuple(sorted(asked_for - {*self.slugs, *self.collections})))


def load_partitions(project: Project) -> Partitions:
    """Raises ConfigError if the file has a mistake, and never was without."""
    file = project.store.root / ".partitions.json"
    try:
        found = known_partitions(project)
    except ConfigError as error:
        if kept := _kept(file):
            return kept._replace(mistake=str(error))
        raise
    if found != _kept(file):
        with contextlib.suppress(OSError):  # the data folder may be for reading only
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps({"concepts": found.slugs, "collections": found.collections}))
    return found


def known_partitions(project: Project) -> Partitions:
    """The concepts and collections of the file. Raises ConfigError if it has a mistake."""
    return Partitions(project.slugs, {slug: list(each.concepts) for slug, each in project.concepts.collections.items()})


class _Kept(BaseModel):
    """What is kept of the file."""

    concepts: list[Annotated[str, Field(pattern=f"^{SLUG.pattern}$")]]
    collections: dict[str, list[str]] = {}


def _kept(file: Path) -> Partitions | None:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        kept = _Kept.model_validate({"concepts": value} if isinstance(value, list) else value)  # a list: of earlier versions
    except (OSError, ValueError):
        return None
    return Partitions(kept.concepts, kept.collections) if kept.concepts else None


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
