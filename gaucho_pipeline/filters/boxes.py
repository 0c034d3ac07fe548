"""Parts of a picture as boxes: left, top, right and bottom, as shares of its sides. Light to import, as `registry.py` is."""

from __future__ import annotations

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def widened(first: float, last: float, length: float, side: float) -> tuple[float, float]:
    """A stretch of a side, made at least so long on both ends alike, as far as the side, which begins at 0, goes."""
    more = max(0, min(length, side) - (last - first))
    start = min(max(0, first - more / 2), side - (last - first) - more)
    return start, start + (last - first) + more
