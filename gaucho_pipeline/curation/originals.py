"""Which of several copies of a picture is the original, as far as that can be told: in colour, positive, upright, with nothing over it.

What is measured of the pictures says it, and nothing else: whether a file tells of a camera, how a JPEG was saved, and what photographs
have in common (light from above; warm, and more dark than light).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from gaucho_pipeline.curation.duplicates import Repeat
from gaucho_pipeline.curation.looks import UPRIGHT
from gaucho_pipeline.curation.overlays import has_overlay
from gaucho_pipeline.filters.measures import Measures

_SAME_ASPECT, _MUCH_SMALLER, _MUCH_WORSE, _MUCH_COARSER = 0.03, 0.4, 20, 0.8
"""Compression takes edges away in quiet places, and so does enlarging: a copy that had either is no cleaner one."""
_COLOUR, _GREY = 1.5, 0.8
"""Mean distance of the colours, of 255, from what one tint of grey would be: of a picture in colour at least, of a grey or a brown one."""
_SAVED_WORSE = 4
"""Steps of a JPEG's quality by which a copy shows that it was saved once more."""
_SIDE = 8


def originals_first(found: Mapping[str, Repeat], measures: Mapping[str, Measures], order: Sequence[str], wanted: int) -> dict[str, Repeat]:
    """The same groups of copies, in which one that a curator did not ask for gives way to the original.

    `order`: all of them, the better first; a curator asked for the first `wanted`.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    asked = set(order[:wanted])
    for sha in order:
        if sha in found:
            groups[found[sha].of].append(sha)
    changed = dict(found)
    for staying, copies in groups.items():
        best = staying if staying in asked else _original(staying, copies, found, measures)
        if best != staying:
            changed |= {sha: Repeat(best, found[sha].correlation, found[sha].look) for sha in copies if sha != best}
            gone = changed.pop(best)
            changed[staying] = Repeat(best, gone.correlation, gone.look)
    return changed


def _original(staying: str, copies: Sequence[str], found: Mapping[str, Repeat], measures: Mapping[str, Measures]) -> str:
    """The one of a group that stays, which is `staying` where nothing speaks for another."""
    group = {staying: UPRIGHT} | {sha: found[sha].look for sha in copies}
    read = {sha: measures[sha] for sha in group}
    left = [sha for sha in group if _colour(read[sha]) >= _COLOUR] if any(_colour(read[sha]) < _GREY for sha in group) else list(group)
    left = left or list(group)
    if len({group[sha].is_negative for sha in left}) > 1:
        left = _of_best(left, {sha: int(group[sha].is_negative) for sha in left}, read, {sha: _positive(read[sha]) for sha in left})
    if len({group[sha].up for sha in left}) > 1:
        left = _of_best(left, {sha: group[sha].up for sha in left}, read, {sha: _upright(read[sha]) for sha in left})
    best = left[0]
    for copy in left[1:]:
        if _is_cleaner(read[copy], read[best]):
            best = copy
    return best


def _of_best(names: list[str], kinds: Mapping[str, int], read: Mapping[str, Measures], looks_right: Mapping[str, float]) -> list[str]:
    """Those of the kind that the original is of: by what their files say, by how many there are, by how they look."""
    counts = Counter(kinds.values())
    qualities = {kind: max(read[sha].quality % 100 for sha in names if kinds[sha] == kind) for kind in counts}  # 100: no JPEG
    most, told = max(qualities.values()), min(qualities.values()) > 0

    def evidence(kind: int) -> tuple[float, ...]:
        those = [sha for sha in names if kinds[sha] == kind]
        is_saved_once = told and qualities[kind] > most - _SAVED_WORSE
        return any(read[sha].camera for sha in those), is_saved_once, len(those), float(np.mean([looks_right[sha] for sha in those]))

    best = max(counts, key=evidence)
    return [sha for sha in names if kinds[sha] == best]


def _is_cleaner(one: Measures, other: Measures) -> bool:
    """Whether a copy lacks what is laid over another of the same view, and is not much smaller."""
    same_view = abs(one.width * other.height / (one.height * other.width) - 1) < _SAME_ASPECT
    is_as_good = one.quality >= other.quality - _MUCH_WORSE and one.finest >= _MUCH_COARSER * other.finest
    return same_view and is_as_good and one.pixels >= _MUCH_SMALLER * other.pixels and has_overlay(other.edges, one.edges)


def _colours(measures: Measures) -> np.ndarray:
    """The mean colours of its parts, (8, 8, 3)."""
    return np.frombuffer(measures.colours, np.uint8).reshape(_SIDE, _SIDE, 3).astype(np.float64)


def _colour(measures: Measures) -> float:
    """How far the colours are from those that a grey picture has when it is tinted, as old photographs are."""
    colours = _colours(measures).reshape(-1, 3)
    light = colours.mean(axis=1)
    tint = np.stack([np.ones_like(light), light, light**2], axis=1)
    return float(np.abs(colours - tint @ np.linalg.lstsq(tint, colours, rcond=None)[0]).mean())


def _upright(measures: Measures) -> float:
    """More for pictures that are light, and blue, above."""
    colours = _colours(measures)
    above = np.linspace(1, -1, _SIDE)[:, None]
    light = colours.mean(axis=2)
    return float((light * above).mean() / (light.std() + 5) + ((colours[..., 2] - colours[..., 0]) * above).mean() / 30)


def _positive(measures: Measures) -> float:
    """More for pictures that are warm, have few highlights, and are light above."""
    colours = _colours(measures)
    thumb = np.frombuffer(measures.thumb, np.uint8).astype(np.float64)
    skew = float((((thumb - thumb.mean()) / (thumb.std() + 1)) ** 3).mean())
    light = colours.mean(axis=2)
    above = float((light * np.linspace(1, -1, _SIDE)[:, None]).mean() / (light.std() + 5))
    return float((colours[..., 0] - colours[..., 2]).mean() / 30) + 0.5 * skew + above
