"""From images of a region's culture and nature to a model that draws them, kept up to date.

    from gaucho_pipeline import Project

is the interface for notebooks and scripts (`commands/python.py`). It and `__version__` are read when somebody asks for them: a stage
imports this package too, and needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaucho_pipeline.commands.python import Project

__all__ = ["Project", "__version__"]

__version__: str


def __getattr__(name: str) -> Any:
    """https://peps.python.org/pep-0562/"""
    if name == "Project":
        from gaucho_pipeline.commands.python import Project

        return Project
    if name == "__version__":
        from importlib.metadata import version

        return version("gaucho-pipeline")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
