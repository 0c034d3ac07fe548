"""Has Dagster load the definitions again when the concepts file changed, so that nobody needs to click *Reload definitions*.

It does so, too, when a backfill is over that asked for removed concepts: till then they are shown (`orchestration/partitions.py`).
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.orchestration.dagster_internals import WorkspaceProcessContext
from gaucho_pipeline.orchestration.partitions import asked_for, load_partitions
from gaucho_pipeline.project.project import Project

_SECONDS = 2.0
Stamp = tuple[int, int, int] | None


class Reloader(threading.Thread):
    """Looks at the file every few seconds, until it is told to stop."""

    def __init__(self, context: WorkspaceProcessContext, location: str, project: Project) -> None:
        super().__init__(daemon=True, name="reloader")
        self._context, self._location, self._project = context, location, project
        self._stop_asked, self._seen = threading.Event(), _stamp(project.concepts_file)
        self._removed: tuple[str, ...] = self._look_for_removed(())

    def run(self) -> None:
        while not self._stop_asked.wait(_SECONDS):
            found, removed = _stamp(self._project.concepts_file), self._removed
            if has_changed := found != self._seen:
                self._tell()
            if has_changed or removed:
                removed = self._look_for_removed(removed)  # before the reload: what ends during it is seen the next time
            if has_changed or removed != self._removed:
                self._seen, self._removed = found, removed
                with contextlib.suppress(Exception):  # a code server that is just being started is looked at again by Dagster itself
                    self._context.reload_code_location(self._location)

    def stop(self) -> None:
        """Ends it; a reload that has begun is waited for."""
        self._stop_asked.set()
        self.join()

    def _look_for_removed(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """Concepts that are shown for a backfill's sake; those of before, where the file or the history cannot be read just now."""
        try:
            project = Project(self._project.concepts_file, self._project.store.root)
            return load_partitions(project).with_removed(asked_for(self._context.instance)).removed
        except (ConfigError, DBAPIError):
            return before

    def _tell(self) -> None:
        try:
            slugs = Project(self._project.concepts_file, self._project.store.root).slugs
            click.echo(_("{concepts_file} has changed: {count} concepts", concepts_file=self._project.concepts_file, count=len(slugs)))
        except ConfigError as error:
            click.echo(_("{error}; what is shown is the file as it was before", error=error), err=True)


def _stamp(file: Path) -> Stamp:
    """What tells one state of a file from another: when and how long, and which file it is, because editors put a new one in its place."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
