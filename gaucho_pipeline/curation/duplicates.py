"""Which pictures are copies of one another: mirrored, resized, cropped, shifted, re-compressed, grey, or with a caption.

Hashes of windows propose pairs, and the grey thumbnails of the two windows decide: hashes alone take many a different picture for a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gaucho_pipeline.curation.hashes import ASKED, WINDOWS, near_pairs
from gaucho_pipeline.curation.measures import THUMB, Measures

_COMPARED, _SHIFT = 24, 2
_MOST_TRIES = 12
ALIKE = 0.92
"""Least correlation of two windows' thumbnails, at their best alignment."""


@dataclass(frozen=True)
class Pair:
    """Two pictures that are alike, by their places in the sequence, with the correlation (0 to 1) of what both show."""

    first: int
    second: int
    alike: float


def alike_pairs(pictures: Sequence[Measures], radius: int, alike: float = ALIKE) -> list[Pair]:
    """All pairs of copies. `radius`: bits in which the hashes of two windows may differ."""
    if len(pictures) < 2:
        return []
    best: dict[tuple[int, int], float] = {}
    for is_mirrored in (False, True):
        tries: dict[tuple[int, int], int] = {}
        for query, other, asked, window in _proposed(pictures, radius, is_mirrored):
            pair = (min(query, other), max(query, other))
            if best.get(pair, 0.0) >= alike or tries.get(pair, 0) >= _MOST_TRIES:
                continue
            tries[pair] = tries.get(pair, 0) + 1
            score = correlation(_window(pictures[query], asked, is_mirrored), _window(pictures[other], window, False))
            best[pair] = max(best.get(pair, 0.0), score)
    return [Pair(*pair, round(score, 4)) for pair, score in sorted(best.items()) if score >= alike]


def _proposed(pictures: Sequence[Measures], radius: int, is_mirrored: bool) -> list[tuple[int, int, int, int]]:
    """Pictures and their windows whose hashes are near, each once, the nearest first: query, other, asked window, other's window."""
    count, asked = len(WINDOWS), np.array(ASKED)
    hashes = np.stack([np.frombuffer(p.hashes, "<u8") for p in pictures])
    queries = np.stack([np.frombuffer(p.mirrored if is_mirrored else p.hashes, "<u8")[asked] for p in pictures])
    parts: list[np.ndarray] = []
    for left, right, bits in near_pairs(queries.ravel(), hashes.ravel(), radius):
        query, other = left // len(asked), right // count
        rows = np.stack([bits.astype(np.int64), query, other, asked[left % len(asked)], right % count], 1)
        parts = [_nearest([*parts, rows[query != other]])]  # what many alike pictures propose is more than can be held
    return [(int(q), int(o), int(a), int(w)) for _, q, o, a, w in _nearest(parts)]


def _nearest(parts: list[np.ndarray]) -> np.ndarray:
    """Of rows of bits, query, other and windows, each once, those of the fewest bits: no more for a pair than will be tried."""
    rows = np.unique(np.concatenate([np.empty((0, 5), np.int64), *parts]), axis=0)
    pairs = np.minimum(rows[:, 1], rows[:, 2]) * (rows[:, 1:3].max(initial=0) + 1) + np.maximum(rows[:, 1], rows[:, 2])
    order = np.argsort(pairs, kind="stable")
    first = np.searchsorted(pairs[order], pairs[order], "left")
    return rows[np.sort(order[np.arange(len(order)) - first < _MOST_TRIES])]


def _window(picture: Measures, index: int, is_mirrored: bool) -> np.ndarray:
    """A window of the grey thumbnail, as 24 x 24 values."""
    values = np.frombuffer(picture.thumb, np.uint8).reshape(THUMB, THUMB)
    image = Image.fromarray(np.ascontiguousarray(values[:, ::-1]) if is_mirrored else values)
    left, top, right, bottom = (share * THUMB for share in WINDOWS[index])
    return np.asarray(image.resize((_COMPARED, _COMPARED), Image.Resampling.BOX, box=(left, top, right, bottom)), np.float32)


def correlation(one: np.ndarray, two: np.ndarray) -> float:
    """The best correlation of the middle of one picture with the other, moved by up to two pixels; 0 where one is uniform."""
    side = _COMPARED - 2 * _SHIFT
    middle = one[_SHIFT : _SHIFT + side, _SHIFT : _SHIFT + side]
    best = 0.0
    for y in range(2 * _SHIFT + 1):
        for x in range(2 * _SHIFT + 1):
            best = max(best, _pearson(middle, two[y : y + side, x : x + side]))
    return best


def _pearson(one: np.ndarray, two: np.ndarray) -> float:
    a, b = one - one.mean(), two - two.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / scale) if scale > 1e-3 else 0.0
