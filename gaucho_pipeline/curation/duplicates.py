"""Which pictures are copies of one another: mirrored, resized, cropped, shifted, re-compressed, grey, or with a caption.

Hashes of windows propose pairs, and the grey thumbnails of the two windows decide: hashes alone take many a different picture for a copy.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gaucho_pipeline.curation.hashes import WINDOWS, near_pairs
from gaucho_pipeline.curation.measures import Measures

_THUMB, _COMPARED, _SHIFT = 64, 24, 2
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
    count = len(WINDOWS)
    if len(pictures) < 2:
        return []
    plain = np.array([p.hashes for p in pictures], np.uint64).ravel()
    found: dict[tuple[int, int], float] = {}
    tried: dict[tuple[int, int], int] = {}
    for is_mirrored in (False, True):
        queries = np.array([p.mirrored for p in pictures], np.uint64).ravel() if is_mirrored else plain
        for left, right, _ in near_pairs(queries, plain, radius):
            apart = np.flatnonzero(left // count < right // count)
            for query, other in zip(left[apart].tolist(), right[apart].tolist(), strict=True):
                pair = (query // count, other // count)
                if found.get(pair, 0.0) >= alike or tried.get(pair, 0) >= _MOST_TRIES:
                    continue
                tried[pair] = tried.get(pair, 0) + 1
                one = _window(pictures[pair[0]], query % count, is_mirrored)
                two = _window(pictures[pair[1]], other % count, False)
                found[pair] = max(found.get(pair, 0.0), correlation(one, two))
    return [Pair(*pair, round(score, 4)) for pair, score in sorted(found.items()) if score >= alike]


_MOST_TRIES = 16


def _window(picture: Measures, index: int, is_mirrored: bool) -> np.ndarray:
    """A window of the grey thumbnail, as 24 x 24 values."""
    values = np.frombuffer(base64.b64decode(picture.thumb), np.uint8).reshape(_THUMB, _THUMB)
    left, top, right, bottom = WINDOWS[index]
    image = Image.fromarray(np.ascontiguousarray(values[:, ::-1]) if is_mirrored else values)
    box = (left * _THUMB, top * _THUMB, min(1.0, right) * _THUMB, min(1.0, bottom) * _THUMB)
    return np.asarray(image.resize((_COMPARED, _COMPARED), Image.Resampling.BOX, box=box), np.float32)


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


def groups(count: int, pairs: Sequence[Pair]) -> list[list[int]]:
    """The places of pictures that are copies of one another, directly or by way of others; single ones are left out."""
    parent = list(range(count))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for pair in pairs:
        parent[root(pair.second)] = root(pair.first)
    found: dict[int, list[int]] = {}
    for place in range(count):
        found.setdefault(root(place), []).append(place)
    return [members for members in found.values() if len(members) > 1]
