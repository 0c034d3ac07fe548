"""Perceptual hashes of a picture, of its windows and of how it is seen when it is turned, and an exact search for near ones.

A hash is the signs of the 64 lowest frequencies of a 32 x 32 picture against their median, as `imagehash.phash` has it. Windows are
hashed too, because a crop, a shift or a caption changes the hash of the whole, and not that of the part that both pictures show. How a
picture can be turned is in `looks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import combinations

import numpy as np
from PIL import Image
from scipy.fft import dct

from gaucho_pipeline.curation.alignment import sampled
from gaucho_pipeline.curation.looks import CENTRED, QUARTERS, Look, slight_maps
from gaucho_pipeline.filters.boxes import WHOLE, Box

_SIDE, _LOW, _BASE = 32, 8, 160
_EDGES = ((0.0, 0.9), (0.05, 0.95), (0.1, 1.0))
WINDOWS = (
    WHOLE,
    *((left, top, right, bottom) for top, bottom in _EDGES for left, right in _EDGES),
    *((left, 0.0, right, 1.0) for left, right in _EDGES),
    *((0.0, top, 1.0, bottom) for top, bottom in _EDGES),
    (0.0, 0.0, 1.0, 0.84),
    (0.0, 0.16, 1.0, 1.0),
    (0.1, 0.1, 0.9, 0.9),
)
"""Left, top, right and bottom, as shares of the sides: the whole, nine tenths of both sides, of one, all but a caption, the middle."""

ASKED = (*range(10), len(WINDOWS) - 3)
"""The windows that are looked for among all windows of the others, by their places: the whole, nine tenths of both sides, no caption."""

CENTRED_PLACES = tuple(WINDOWS.index(window) for window in CENTRED)
"""The windows that stay where they are when a picture is turned, by their places."""

_PAIRS_AT_ONCE = 1_000_000
_FEWEST_PIECES, _WIDEST = 3, 20  # a table of every value of a piece must not take more memory than the hashes


def window_hashes(grey: Image.Image, thumb: np.ndarray) -> tuple[bytes, bytes, bytes]:
    """The hashes of a grey picture's windows, those of its mirror image's windows, and those of its other looks: 8 bytes each.

    The first two are in the order of WINDOWS, the third in that of `looks.QUARTERS` and `looks.SLIGHT`. `thumb`: it in small, and square.
    """
    base = grey.resize((_BASE, _BASE), Image.Resampling.BOX)  # windows need no more, and cost a tenth
    small = [np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float32)]
    columns = {
        (left, right): base.resize((_SIDE, _BASE), Image.Resampling.LANCZOS, box=(left * _BASE, 0, right * _BASE, _BASE))
        for left, right in {(left, right) for left, _top, right, _bottom in WINDOWS[1:]}
    }  # windows of the same columns share them: Pillow makes a picture narrower first, and then lower
    for left, top, right, bottom in WINDOWS[1:]:
        box = (0, top * _BASE, _SIDE, bottom * _BASE)
        window = columns[left, right].resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, box=box)
        small.append(np.asarray(window, np.float32))
    spectra = _spectra(np.stack(small))
    flipped = spectra * (1 - 2 * (np.arange(_LOW) % 2))  # a mirror turns the sign of every second column
    centred = spectra[list(CENTRED_PLACES)]
    turned = np.concatenate([_turned(centred, look) for look in QUARTERS] + [_spectra(_slightly(thumb, grey.width / grey.height))])
    return _bits(spectra).tobytes(), _bits(flipped)[list(_mirrored())].tobytes(), _bits(turned).tobytes()


def hashes_through(picture: Image.Image, windows: Sequence[Box]) -> np.ndarray:
    """The hashes, (n,) uint64, of what a picture shows through some windows, given as shares of the sides."""
    grey, small = picture.convert("L"), []
    for left, top, right, bottom in windows:
        box = (left * grey.width, top * grey.height, right * grey.width, bottom * grey.height)
        small.append(np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, box=box), np.float32))
    return _bits(_spectra(np.stack(small)))


def negative(hashes: np.ndarray) -> np.ndarray:
    """The hashes of negatives, within a bit: the other way round, but for the mean."""
    return np.asarray(~hashes | np.uint64(1 << 63))


def _turned(spectra: np.ndarray, look: Look) -> np.ndarray:
    """The spectra of pictures that are turned by quarters, and mirrored then."""
    signs = 1 - 2 * (np.arange(_LOW) % 2)
    for _ in range(look.quarters):
        spectra = spectra.transpose(0, 2, 1) * signs[:, None]
    return spectra * signs if look.is_mirrored else spectra


def _slightly(thumb: np.ndarray, aspect: float) -> np.ndarray:
    """What the windows show when the picture is turned by a few degrees."""
    maps = slight_maps(aspect)
    seen, _ = sampled(np.broadcast_to(thumb.astype(np.float32), (len(maps), *thumb.shape)), maps, _SIDE)
    return seen.reshape(-1, _SIDE, _SIDE)


LIKE_BITS = 6
"""So many of 64 bits may differ between two windows of one picture: of photographs that were saved again, made smaller, mirrored, cut by a
tenth or made grey all are within, and no other photographs were (docs/results.md)."""


def is_like(hashes: bytes, mirrored: bytes, other: bytes) -> bool:
    """Whether a picture is a near copy of another, of which only the hashes of its windows are known."""
    theirs = np.frombuffer(other[: len(other) // 8 * 8], "<u8")
    asked = [place for place in ASKED if place < len(theirs)]
    for own in (np.frombuffer(hashes, "<u8"), np.frombuffer(mirrored, "<u8")):
        for one, those in ((own[list(ASKED)], theirs), (own, theirs[asked])):
            if len(those) and np.bitwise_count(one[:, None] ^ those[None, :]).min() <= LIKE_BITS:
                return True
    return False


@lru_cache(maxsize=1)
def _mirrored() -> tuple[int, ...]:
    """By window: the place of the one that shows in the mirror what it shows."""
    return tuple(WINDOWS.index(_mirror(window)) for window in WINDOWS)


def _mirror(window: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """The window of WINDOWS that shows in the mirror what this one shows."""
    left, top, right, bottom = window
    return min(WINDOWS, key=lambda w: abs(w[0] - (1 - right)) + abs(w[1] - top) + abs(w[2] - (1 - left)) + abs(w[3] - bottom))


@lru_cache(maxsize=1)
def _basis() -> np.ndarray:
    return dct(np.eye(_SIDE), axis=0)[:_LOW].astype(np.float32)


def _spectra(pictures: np.ndarray) -> np.ndarray:
    """The lowest frequencies, (n, 8, 8), of pictures, (n, 32, 32)."""
    basis = _basis()
    return np.asarray(basis @ pictures @ basis.T)


def _bits(spectra: np.ndarray) -> np.ndarray:
    """uint64, one for each picture."""
    flat = spectra.reshape(len(spectra), -1)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype("<u8").ravel()


class HashIndex:
    """Finds all hashes that differ in few bits from a query, without comparing it with each of them.

    Multi-index hashing (Norouzi, Punjani and Fleet, 2012): of two hashes that differ in at most `radius` bits (0 to 15), cut into
    pieces, one piece differs in few bits or none; only hashes that share such a piece with a query are compared with it.
    """

    def __init__(self, hashes: np.ndarray, radius: int) -> None:
        """`hashes`: (n,) uint64."""
        self.hashes = hashes
        self._radius = radius
        self._pieces = [_Piece(hashes, shift, bits, flips) for shift, bits, flips in _least_work(len(hashes), radius)]

    def near(self, queries: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """All pairs of a query and a hash within the radius, in parts: their places, and the number of bits.

        `queries`: (m,) uint64. A pair may come more than once.
        """
        for piece in self._pieces:
            for left, right in piece.sharing(queries):
                bits = np.bitwise_count(queries[left] ^ self.hashes[right])
                close = np.flatnonzero(bits <= self._radius)
                if len(close):
                    yield left[close], right[close], bits[close]


class _Piece:
    """Some neighbouring bits of all hashes, by their value."""

    def __init__(self, hashes: np.ndarray, shift: int, bits: int, flips: int) -> None:
        self._shift, self._mask = np.uint64(shift), np.uint64((1 << bits) - 1)
        self._flips = [np.int32(flip) for flip in _flips(bits, flips)]
        keys = self._keys(hashes)
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        self._first = np.zeros((1 << bits) + 1, np.int32)
        np.cumsum(np.bincount(keys, minlength=1 << bits), out=self._first[1:])

    def _keys(self, hashes: np.ndarray) -> np.ndarray:
        return ((hashes >> self._shift) & self._mask).astype(np.int32)

    def sharing(self, queries: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of queries and of hashes whose piece is the query's with some bits turned, a bounded number at once."""
        own = self._keys(queries)
        for flip in self._flips:
            wanted = own ^ flip
            first = self._first[wanted]
            counts = self._first[wanted + 1] - first
            some = np.flatnonzero(counts)
            ends = np.cumsum(counts[some], dtype=np.int64)
            start = 0
            while start < len(some):
                stop = max(start + 1, int(np.searchsorted(ends, (ends[start - 1] if start else 0) + _PAIRS_AT_ONCE, "right")))
                part = some[start:stop]
                number = counts[part]
                skipped = np.repeat(first[part] - (np.cumsum(number) - number), number)
                yield np.repeat(part, number), self._order[np.arange(len(skipped)) + skipped]
                start = stop


def _least_work(count: int, radius: int) -> list[tuple[int, int, int]]:
    """How to cut hashes into pieces with the fewest look-ups and comparisons for a query: shift, bits, and bits that may be turned."""
    plans = []
    for number in range(_FEWEST_PIECES, 17):
        bits, whole = 64 // number, radius // number
        # of so many pieces, one of the first `radius % number + 1` differs in `whole` bits, or one of the others in fewer
        turned = [whole if place <= radius % number else whole - 1 for place in range(number)]
        widths = [min(bits, _WIDEST)] * (number - 1) + [min(64 - bits * (number - 1), _WIDEST)]
        plan = [(bits * place, widths[place], turned[place]) for place in range(number) if turned[place] >= 0]
        work = sum(len(list(_flips(width, most))) * (1 + count / 2**width) for _, width, most in plan)
        plans.append((work, plan))
    return min(plans)[1]


@cache
def _flips(bits: int, most: int) -> tuple[int, ...]:
    """Every way to change at most so many bits of a piece."""
    ways = (places for number in range(most + 1) for places in combinations(range(bits), number))
    return tuple(sum(1 << place for place in places) for places in ways)
