"""The Python interface, for notebooks and scripts: states, runs, and what was made, as pandas.

Here belongs what people import; `gaucho_pipeline.Project` is this one. What it does is done elsewhere, by the same code as the command
line's, and nothing below imports this room.
"""

from __future__ import annotations

from gaucho_pipeline.api.project import Project

__all__ = ["Project"]
