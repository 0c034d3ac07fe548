"""The concepts that Dagster knows of: those of the file as it is, or where it has a mistake, as it was when it last had none.

A definition that cannot be loaded would take every asset, schedule and sensor off the web UI until somebody reloads it.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

from gaucho_pipeline.concepts.concept import SLUG
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.project.project import Project


class Partitions(NamedTuple):
    """Concepts' slugs, in the file's order."""

    slugs: list[str]
    mistake: str = ""
    """What is wrong with the file now: with file, line and key."""


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
