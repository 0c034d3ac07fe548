"""Which pictures are copies of others: mirrored, turned, resized, cropped, shifted, re-compressed, grey, negative, or with a caption.

Hashes of windows propose pairs, and the grey thumbnails decide, laid upon one another (`alignment.py`): hashes alone take many a different
picture for a copy, and so does the correlation of objects on one backdrop.
Pictures are read in blocks, and of those before a block only the hashes of what stays are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from gaucho_pipeline.curation.alignment import aligned, sampled
from gaucho_pipeline.curation.hashes import ASKED, CENTRED_PLACES, WINDOWS, HashIndex, negative
from gaucho_pipeline.curation.looks import (
    CENTRED,
    ORIENTED_LOOKS,
    SLIGHT,
    SLIGHT_WINDOWS,
    UPRIGHT,
    Look,
    after,
    inverse,
    look_map,
    window_map,
)
from gaucho_pipeline.curation.measures import THUMB
from gaucho_pipeline.curation.overlays import has_overlay
from gaucho_pipeline.filters.boxes import Box
from gaucho_pipeline.filters.measures import Measures

_COMPARED, _SHIFT = 24, 2
_MAX_TRIES, _MAX_UNLIKE = 12, 2
"""Windows of a pair that are compared at most, and how many of them need be unlike although they lie upon one another."""
_BLOCK = 256
_TRIES_AT_ONCE, _MAX_TRIES_PENDING = 256, 1_000_000
_MAX_BITS = 16
_UNIFORM = 1e-3
_WORTH_LAYING = 0.7
"""Correlation of two windows below which they are not laid upon one another."""
_SAME_PLACES = 0.45
"""Of copies, the places that are least alike correlate by .7 to .95, of plates of one shape with other motifs by .2 at most."""
Block = Mapping[int, Measures]
"""Some pictures, by their places, the first first."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a picture repeats, and the correlation (0 to 1) of the windows that showed it."""

    of: str
    correlation: float
    look: Look = UPRIGHT
    """As what it looks like the other one."""


def repeats(
    names: Sequence[str],
    pictures: Mapping[str, Measures],
    radius: int,
    correlation: float,
    wanted: int = 0,
    tell: Callable[[int], None] = lambda count: None,
) -> dict[str, Repeat]:
    """Those of the named pictures that repeat an earlier one that stays, with one that each is like.

    What repeats another does not stay, and a copy of a copy may well be another picture. The first `wanted` stay in any case. `radius`:
    bits, 0 to 15, in which the hashes of two windows may differ. `correlation`: the least one of the windows' thumbnails. `tell` is
    called with the number of pictures that were compared.
    """
    found: dict[str, Repeat] = {}
    staying = _Staying(radius)

    def compare(those: Block, others: Sequence[_Indexed]) -> None:
        copies: dict[int, list[tuple[float, int, Look]]] = {}
        asked = {place: picture for place, picture in those.items() if place >= wanted}

        @cache
        def repeats_one(place: int) -> bool:
            return any(not repeats_one(-other) for _score, other, _look in copies.get(place, ()))

        pairs = _alike_pairs(asked, others, lambda place: pictures[names[place]], _Thresholds(correlation), repeats_one)
        for place, other, score, look in pairs:
            copies.setdefault(place, []).append((score, -other, look))
        for place in sorted(copies):
            if still := [each for each in copies[place] if names[-each[1]] not in found]:
                score, other, look = max(still)
                found[names[place]] = Repeat(names[-other], round(score, 4), look)

    def unique(those: Block) -> Block:
        return {place: picture for place, picture in those.items() if names[place] not in found}

    for start in range(0, len(names), _BLOCK):
        those = {place: pictures[names[place]] for place in range(start, min(start + _BLOCK, len(names)))}
        block = {place: picture for place, picture in those.items() if np.ptp(_thumb(picture)) > 0}  # what shows nothing is like nothing
        compare(block, staying.indexes)
        left = unique(block)  # only these are compared with one another: copies would be like all other copies
        compare(left, [_Indexed.of(left, radius)])
        staying.add(unique(left))
        tell(len(those))
    return found


def alike(
    names: Sequence[str], pictures: Mapping[str, Measures], radius: int, correlation: float, places: float
) -> Iterator[tuple[str, str]]:
    """Every two of the named pictures that are like one another. `places`: the least correlation of the places that are least alike."""
    index = _Staying(radius)
    for start in range(0, len(names), _BLOCK):
        block = {place: pictures[names[place]] for place in range(start, min(start + _BLOCK, len(names)))}
        others = (*index.indexes, _Indexed.of(block, radius))
        for place, other, _, _ in _alike_pairs(block, others, lambda place: pictures[names[place]], _Thresholds(correlation, places)):
            yield names[place], names[other]
        index.add(block)


class _Thresholds(NamedTuple):
    """How alike two pictures must be."""

    correlation: float
    places: float = _SAME_PLACES


@dataclass(frozen=True)
class _Indexed:
    """The window hashes of some pictures, by the pictures' places."""

    places: np.ndarray
    index: HashIndex

    @classmethod
    def of(cls, block: Block, radius: int) -> _Indexed:
        return cls(np.array(list(block), np.int64), HashIndex(_hashes(block).ravel(), radius))

    def with_those_of(self, other: _Indexed) -> tuple[np.ndarray, np.ndarray]:
        """The places and the hashes of both."""
        return np.concatenate([self.places, other.places]), np.concatenate([self.index.hashes, other.index.hashes])

    def near(self, hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """For (m,) hashes, in parts: their places, those of the pictures and of the windows that are near, and the bits between them."""
        for left, right, bits in self.index.near(hashes):
            yield left, self.places[right // len(WINDOWS)], right % len(WINDOWS), bits.astype(np.int64)


class _Staying:
    """The pictures that stay: in a large index that is seldom made, and a small one of what has come since, made again for each block."""

    def __init__(self, radius: int) -> None:
        self._radius = radius
        self._large = self._small = _Indexed.of({}, radius)

    @property
    def indexes(self) -> tuple[_Indexed, ...]:
        return self._large, self._small

    def add(self, block: Block) -> None:
        """Takes some more."""
        places, hashes = self._small.with_those_of(_Indexed.of(block, self._radius))
        self._small = _Indexed(places, HashIndex(hashes, self._radius))
        if len(self._small.places) ** 2 > _BLOCK * max(_BLOCK, len(self._large.places)):  # making either costs about the same then
            places, hashes = self._large.with_those_of(self._small)
            self._large = self._small = _Indexed.of({}, self._radius)  # gone before the new one is made, which is as large
            self._large = _Indexed(places, HashIndex(hashes, self._radius))


class _View(NamedTuple):
    """A window of a picture as it looks when it is turned, or not."""

    look: Look
    window: Box
    is_asked: bool
    """Whether it is looked for among all windows of the others."""


def _views() -> tuple[_View, ...]:
    """Those that a picture is looked for through, in the order of `_view_hashes`."""
    asked = [place in ASKED for place in range(len(WINDOWS))]
    plain = [_View(look, window, is_asked) for look in ORIENTED_LOOKS[:2] for window, is_asked in zip(WINDOWS, asked, strict=True)]
    windows = {True: SLIGHT_WINDOWS, False: CENTRED}
    return (*plain, *(_View(look, window, True) for look in ORIENTED_LOOKS[2:] for window in windows[bool(look.degrees)]))


_VIEWS = _views()


def _hashes(block: Block) -> np.ndarray:
    """The hashes of the windows of pictures, (n, windows) uint64."""
    return np.array([np.frombuffer(p.hashes, "<u8") for p in block.values()], np.uint64).reshape(-1, len(WINDOWS))


def _view_hashes(block: Block) -> np.ndarray:
    """The hashes of the views of pictures, (n, views) uint64."""
    rows = [np.frombuffer(p.hashes + p.mirrored + p.turned, "<u8") for p in block.values()]
    found, windows = np.array(rows, np.uint64), len(WINDOWS)
    quarters = len(found[0]) - 2 * windows - len(SLIGHT) * len(SLIGHT_WINDOWS)
    centred = [*CENTRED_PLACES, *(windows + place for place in CENTRED_PLACES), *range(2 * windows, 2 * windows + quarters)]
    return np.concatenate([found, negative(found[:, centred])], axis=1)


def _alike_pairs(
    block: Block,
    others: Sequence[_Indexed],
    picture: Callable[[int], Measures],
    thresholds: _Thresholds,
    is_passed_over: Callable[[int], bool] = lambda place: False,
) -> Iterator[tuple[int, int, float, Look]]:
    """The places of a picture of the block and of an earlier one among the others that is like it, how much, and as what it is.

    `is_passed_over`: whether one of the block need not be compared with; it is asked when all pairs of those before it are known,
    so that of many copies of one picture each is compared with few.
    """
    if not block:
        return
    first = min(block)
    every = _proposed(block, others)
    places = np.unravel_index(every, _shape(first))[1]
    for start, end in _doubling(first):
        among = (places >= start) & (places < end)
        if among.any():
            passed_over = [place for place in np.unique(places[among]).tolist() if place >= first and is_passed_over(place)]
            tries = every[among & ~np.isin(places, passed_over)]
            yield from _judged(tries, block, picture, thresholds)


def _doubling(first: int) -> Iterator[tuple[int, int]]:
    """All places before the first of a block, then those of the block, more at once each time: 1, 1, 2, 4, …"""
    yield 0, first
    start = size = 0
    while start < _BLOCK:
        end = min(_BLOCK, start + max(1, size))
        yield first + start, first + end
        start = size = end


def _judged(
    tries: np.ndarray, block: Block, picture: Callable[[int], Measures], thresholds: _Thresholds
) -> Iterator[tuple[int, int, float, Look]]:
    """The pairs among tries, sorted and as `_proposed` gives them, that are alike."""
    first = min(block)
    query, other, _, view, window = np.unravel_index(tries, _shape(first))
    pair, turn = _by_pair(tries)
    decided, unlike = np.zeros(len(tries), bool), np.zeros(len(tries), int)  # by pair
    for number in range(_MAX_TRIES):
        undecided = np.flatnonzero((turn == number) & ~decided[pair] & (unlike[pair] < _MAX_UNLIKE))
        for start in range(0, len(undecided), _TRIES_AT_ONCE):
            part = undecided[start : start + _TRIES_AT_ONCE]
            read = {place: picture(place) for place in np.unique(other[part]).tolist()}
            pairs = [(block[first + q], read[o]) for q, o in zip(query[part].tolist(), other[part].tolist(), strict=True)]
            scores, are_unlike = _compared(pairs, view[part], window[part], thresholds)
            unlike[pair[part]] += are_unlike
            for row in np.flatnonzero(scores >= thresholds.correlation).tolist():
                decided[pair[part[row]]] = True
                yield first + int(query[part[row]]), int(other[part[row]]), float(scores[row]), _VIEWS[view[part[row]]].look


def _compared(
    pairs: Sequence[tuple[Measures, Measures]], views: np.ndarray, windows: np.ndarray, thresholds: _Thresholds
) -> tuple[np.ndarray, np.ndarray]:
    """How much two pictures correlate where one is seen through a view and the other through a window, 0 if they are not alike.

    And whether they are not although they lie upon one another.
    """
    ours, theirs = (np.stack([_thumb(each) for each in side]).astype(np.float32) for side in zip(*pairs, strict=True))
    are_negative = np.array([_VIEWS[view].look.is_negative for view in views])
    ours[are_negative] = 255 - ours[are_negative]
    seen = np.stack([_view_map(view, one.width / one.height) for view, (one, _) in zip(views.tolist(), pairs, strict=True)])
    boxes = np.array(WINDOWS, np.float32)[windows]
    shown = np.stack([window_map(WINDOWS[window]) for window in windows.tolist()])
    scores, shifts = correlations(_through(ours, seen), _through(theirs, shown))
    worth = scores >= min(_WORTH_LAYING, thresholds.correlation)
    found, are_unlike = np.zeros(len(pairs), np.float32), np.zeros(len(pairs), bool)
    if not worth.any():
        return found, are_unlike
    moved = np.tile(np.eye(2, 3, dtype=np.float32), (len(pairs), 1, 1))
    moved[:, :, 2] = -shifts / _COMPARED
    maps = after(after(seen, moved), inverse(shown))
    laid, places = aligned(ours[worth], theirs[worth], maps[worth], boxes[worth])
    found[worth] = np.where(places >= thresholds.places, laid, 0)
    are_unlike[worth] = (laid >= thresholds.correlation) & (places < thresholds.places)
    for row in np.flatnonzero((found == 0) & (scores >= thresholds.correlation)).tolist():
        if _VIEWS[views[row]].look == UPRIGHT and _is_laid_over(*pairs[row]):
            found[row] = scores[row]
    return found, are_unlike


def _is_laid_over(one: Measures, other: Measures) -> bool:
    """Whether either has something laid over it, which the other has not; what is on one of two objects is a motif."""
    return not one.ground == other.ground == "backdrop" and (has_overlay(one.edges, other.edges) or has_overlay(other.edges, one.edges))


@lru_cache(maxsize=4096)
def _view_map(view: int, aspect: float) -> np.ndarray:
    """From a view to the picture."""
    return after(look_map(_VIEWS[view].look, aspect), window_map(_VIEWS[view].window))


def _through(thumbs: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """What thumbnails, (n, 64, 64), show through windows, (n, 24, 24)."""
    halves = thumbs.reshape(len(thumbs), THUMB // 2, 2, THUMB // 2, 2).mean(axis=(2, 4))
    return sampled(halves, maps, _COMPARED)[0].reshape(-1, _COMPARED, _COMPARED)


def _shape(first: int) -> tuple[int, ...]:
    """Of the numbers that name a try: place after the first of the block, other's place, bits between the hashes, view, window."""
    return (_BLOCK, first + _BLOCK, _MAX_BITS, len(_VIEWS), len(WINDOWS))


def _proposed(block: Block, others: Sequence[_Indexed]) -> np.ndarray:
    """Views and windows whose hashes are near, each two once, as `np.ravel_multi_index` names them: pair by pair, the nearest first."""
    asked, windows_asked = np.array([view.is_asked for view in _VIEWS]), np.isin(np.arange(len(WINDOWS)), ASKED)
    places, hashes = np.array(list(block)), _view_hashes(block).ravel()
    shape, parts, pending = _shape(int(places[0])), [np.empty(0, np.int64)], 0
    for left, other, window, bits in (part for each in others for part in each.near(hashes)):
        place, own = places[left // len(_VIEWS)], left % len(_VIEWS)
        fits = (other < place) & (asked[own] | windows_asked[window])
        columns = (place - places[0], other, bits, own, window)
        parts.append(np.ravel_multi_index(tuple(column[fits] for column in columns), shape))
        pending += len(parts[-1])
        if pending > _MAX_TRIES_PENDING:  # many alike pictures propose more than can be held
            parts = [_nearest(np.concatenate(parts))]
            pending = len(parts[0])
    return _nearest(np.concatenate(parts))


def _nearest(tries: np.ndarray) -> np.ndarray:
    """No more tries for a pair than will be made."""
    tries = np.sort(tries)
    tries = tries[np.diff(tries, prepend=-1) > 0]
    return tries[_by_pair(tries)[1] < _MAX_TRIES]


def _by_pair(tries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of sorted tries: a number for the pair of each, and which of the pair's tries it is."""
    pairs = tries // (_MAX_BITS * len(_VIEWS) * len(WINDOWS))
    first = np.searchsorted(pairs, pairs, "left")
    return first, np.arange(len(tries)) - first


def _thumb(picture: Measures) -> np.ndarray:
    return np.frombuffer(picture.thumb, np.uint8).reshape(THUMB, THUMB)


def correlations(ones: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation, 0 to 1, of the middle of each picture with the other, moved by up to two pixels; 0 where one is uniform.

    And how far it was moved to the right and down, (n, 2). Both are (n, 24, 24).
    """
    side, best, shifts = _COMPARED - 2 * _SHIFT, np.zeros(len(ones), np.float32), np.zeros((len(ones), 2), np.float32)
    middle = _centred(ones[:, _SHIFT : _SHIFT + side, _SHIFT : _SHIFT + side])
    for y in range(2 * _SHIFT + 1):
        for x in range(2 * _SHIFT + 1):
            moved = _centred(others[:, y : y + side, x : x + side])
            scale = np.sqrt((middle * middle).sum(1) * (moved * moved).sum(1))
            score = np.where(scale > _UNIFORM, (middle * moved).sum(1) / np.maximum(scale, _UNIFORM), 0)
            shifts[score > best] = (x - _SHIFT, y - _SHIFT)
            best = np.maximum(best, score)
    return best, shifts


def _centred(pictures: np.ndarray) -> np.ndarray:
    """(n, pixels), each picture around 0."""
    flat = pictures.reshape(len(pictures), -1)
    return flat - flat.mean(1, keepdims=True)
