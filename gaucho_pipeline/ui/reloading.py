"""Has Dagster load the definitions again when the concepts file changed, so that nobody needs to click *Reload definitions*."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import click

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.orchestration.dagster_internals import WorkspaceProcessContext
from gaucho_pipeline.project.project import Project

_SECONDS = 2.0
Stamp = tuple[int, int, int] | None


class Reloader(threading.Thread):
    """Looks at the file every few seconds, until it is told to stop."""

    def __init__(self, context: WorkspaceProcessContext, location: str, project: Project) -> None:
        super().__init__(daemon=True, name="reloader")
        self._context, self._location, self._project = context, location, project
        self._stop_asked, self._seen = threading.Event(), _stamp(project.concepts_file)

    def run(self) -> None:
        while not self._stop_asked.wait(_SECONDS):
            if (found := _stamp(self._project.concepts_file)) != self._seen:
                self._seen = found
                self._tell()
                with contextlib.suppress(Exception):  # a code server that is just being started is looked at again by Dagster itself
                    self._context.reload_code_location(self._location)

    def stop(self) -> None:
        """Ends it; a reload that has begun is waited for."""
        self._stop_asked.set()
        self.join()

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
