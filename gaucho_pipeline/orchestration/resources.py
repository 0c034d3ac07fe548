"""What Dagster's assets are given: the project, of which no launch can name another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gaucho_pipeline.project.project import Project


@dataclass(frozen=True)
class ProjectResource:
    """How a step comes by its project."""

    open: Callable[[], Project]
    """The project as it is now. Raises ConfigError if the concepts file has a mistake."""
