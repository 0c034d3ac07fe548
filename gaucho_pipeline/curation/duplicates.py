"""Which pictures are copies of others: mirrored, resized, cropped, shifted, re-compressed, grey, or with a caption.

Hashes of windows propose pairs, and the grey thumbnails of the two windows decide: hashes alone take many a different picture for a copy.
Pictures are read in blocks, and of those before a block only the hashes of what stays are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gaucho_pipeline.curation.hashes import ASKED, WINDOWS, HashIndex
from gaucho_pipeline.curation.measures import THUMB
from gaucho_pipeline.filters.measures import Measures

_COMPARED, _SHIFT = 24, 2
_MAX_TRIES = 12
_BLOCK = 256
_TRIES_AT_ONCE, _MAX_TRIES_PENDING = 1024, 1_000_000
_MAX_BITS = 16
_UNIFORM = 1e-3
Block = Mapping[int, Measures]
"""Some pictures, by their places, the first first."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a picture repeats, and the correlation (0 to 1) of the windows that showed it."""

    of: str
    correlation: float


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
        copies: dict[int, list[tuple[float, int]]] = {}
        asked = {place: picture for place, picture in those.items() if place >= wanted}
        for place, other, score in _alike_pairs(asked, others, lambda place: pictures[names[place]], correlation):
            copies.setdefault(place, []).append((score, -other))
        for place in sorted(copies):
            if still := [(score, other) for score, other in copies[place] if names[-other] not in found]:
                score, other = max(still)
                found[names[place]] = Repeat(names[-other], round(score, 4))

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


@dataclass(frozen=True)
class _Indexed:
    """The window hashes of some pictures, by the pictures' places."""

    places: np.ndarray
    index: HashIndex

    @classmethod
    def of(cls, block: Block, radius: int) -> _Indexed:
        return cls(np.array(list(block), np.int64), HashIndex(_hashes(block, is_mirrored=False).ravel(), radius))

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


def _hashes(block: Block, is_mirrored: bool) -> np.ndarray:
    """The hashes of the windows of pictures or of their mirror images, (n, windows) uint64."""
    rows = [np.frombuffer(p.mirrored if is_mirrored else p.hashes, "<u8") for p in block.values()]
    return np.array(rows, np.uint64).reshape(-1, len(WINDOWS))


def _alike_pairs(
    block: Block, others: Sequence[_Indexed], picture: Callable[[int], Measures], correlation: float
) -> Iterator[tuple[int, int, float]]:
    """The places of a picture of the block and of an earlier one among the others that is like it, and how much."""
    if not block:
        return
    first, thumbs = min(block), {place: _thumb(each) for place, each in block.items()}
    for is_mirrored in (False, True):
        tries = _proposed(block, others, is_mirrored)
        query, other, _, window, others_window = np.unravel_index(tries, _shape(first))
        pair, turn = _by_pair(tries)
        decided = np.zeros(len(tries), bool)  # by pair
        for number in range(_MAX_TRIES):
            undecided = np.flatnonzero((turn == number) & ~decided[pair])
            for start in range(0, len(undecided), _TRIES_AT_ONCE):
                part = undecided[start : start + _TRIES_AT_ONCE]
                places, which = np.unique(other[part], return_inverse=True)
                theirs = np.stack([_thumb(picture(place)) for place in places.tolist()])[which]
                own = np.stack([thumbs[first + place] for place in query[part].tolist()])
                ours = _windows(own[:, :, ::-1] if is_mirrored else own, window[part])
                scores = correlations(ours, _windows(theirs, others_window[part]))
                for row in np.flatnonzero(scores >= correlation).tolist():
                    decided[pair[part[row]]] = True
                    yield first + int(query[part[row]]), int(other[part[row]]), float(scores[row])


def _shape(first: int) -> tuple[int, ...]:
    """Of the numbers that name a try: place after the first of the block, other's place, bits between the hashes, the two windows."""
    return (_BLOCK, first + _BLOCK, _MAX_BITS, len(WINDOWS), len(WINDOWS))


def _proposed(block: Block, others: Sequence[_Indexed], is_mirrored: bool) -> np.ndarray:
    """Pairs of windows whose hashes are near, each once, as `np.ravel_multi_index` names them: pair by pair, the nearest first."""
    asked = np.isin(np.arange(len(WINDOWS)), ASKED)
    places, hashes = np.array(list(block)), _hashes(block, is_mirrored).ravel()
    shape, parts, pending = _shape(int(places[0])), [np.empty(0, np.int64)], 0
    for left, other, window, bits in (part for each in others for part in each.near(hashes)):
        place, own = places[left // len(WINDOWS)], left % len(WINDOWS)
        fits = (other < place) & (asked[own] | asked[window])
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
    pairs = tries // (_MAX_BITS * len(WINDOWS) ** 2)
    first = np.searchsorted(pairs, pairs, "left")
    return first, np.arange(len(tries)) - first


def _thumb(picture: Measures) -> np.ndarray:
    return np.frombuffer(picture.thumb, np.uint8).reshape(THUMB, THUMB)


@lru_cache(maxsize=1)
def _shares() -> tuple[np.ndarray, np.ndarray]:
    """How much of each row, and of each column, of a thumbnail is in each of a window's: (windows, 24, 64) both."""
    pixel = np.arange(THUMB)
    found = []
    for first, last in ((1, 3), (0, 2)):
        edges = np.array([np.linspace(window[first], window[last], _COMPARED + 1) for window in WINDOWS])[..., None] * THUMB
        overlap = np.minimum(edges[:, 1:], pixel + 1) - np.maximum(edges[:, :-1], pixel)
        found.append((overlap.clip(0) / (edges[:, 1:] - edges[:, :-1])).astype(np.float32))
    return found[0], found[1]


def _windows(thumbs: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """A window of each thumbnail, (n, 64, 64), as (n, 24, 24) mean greys."""
    rows, columns = _shares()
    return np.asarray(rows[windows] @ thumbs.astype(np.float32) @ columns[windows].transpose(0, 2, 1))


def correlations(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The best correlation, 0 to 1, of the middle of each picture with the other, moved by up to two pixels; 0 where one is uniform.

    Both are (n, 24, 24).
    """
    side, best = _COMPARED - 2 * _SHIFT, np.zeros(len(ones), np.float32)
    middle = _centred(ones[:, _SHIFT : _SHIFT + side, _SHIFT : _SHIFT + side])
    for y in range(2 * _SHIFT + 1):
        for x in range(2 * _SHIFT + 1):
            moved = _centred(others[:, y : y + side, x : x + side])
            scale = np.sqrt((middle * middle).sum(1) * (moved * moved).sum(1))
            best = np.maximum(best, np.where(scale > _UNIFORM, (middle * moved).sum(1) / np.maximum(scale, _UNIFORM), 0))
    return best


def _centred(pictures: np.ndarray) -> np.ndarray:
    """(n, pixels), each picture around 0."""
    flat = pictures.reshape(len(pictures), -1)
    return flat - flat.mean(1, keepdims=True)
