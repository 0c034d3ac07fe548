"""Perceptual hashes of a picture and of its windows, and an exact search for near ones that does not compare all pairs.

A hash is the signs of the 64 lowest frequencies of a 32 x 32 picture against their median, as `imagehash.phash` has it. Windows are
hashed too, because a crop, a shift or a caption changes the hash of the whole, and not that of the part that both pictures show.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

import numpy as np
from PIL import Image
from scipy.fft import dct

_SIDE, _LOW, _BASE = 32, 8, 160
WHOLE = (0.0, 0.0, 1.0, 1.0)
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

_PAIRS_AT_ONCE = 4_000_000


def window_hashes(grey: Image.Image) -> tuple[bytes, bytes]:
    """The hashes of a grey picture's windows, and those of its mirror image's windows, in the order of WINDOWS: 8 bytes each."""
    base = grey.resize((_BASE, _BASE), Image.Resampling.BOX)  # windows need no more, and cost a tenth
    small = [np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float32)]
    for left, top, right, bottom in WINDOWS[1:]:
        box = (left * _BASE, top * _BASE, right * _BASE, bottom * _BASE)
        small.append(np.asarray(base.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, box=box), np.float32))
    spectra = _spectra(np.stack(small))
    flipped = spectra * (1 - 2 * (np.arange(_LOW) % 2))  # a mirror turns the sign of every second column
    return _bits(spectra).tobytes(), _bits(flipped)[list(_mirrored())].tobytes()


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


def near_pairs(queries: np.ndarray, hashes: np.ndarray, radius: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All pairs of a query and a hash that differ in at most `radius` bits (0 to 15), in parts: their indices and the number of bits.

    Hashes are cut into radius + 1 pieces, at most 4: two that are near are equal, or differ in few bits, in one of them (multi-index
    hashing, Norouzi, Punjani and Fleet, 2012). A pair may come more than once. Arrays are uint64.
    """
    pieces = min(radius + 1, 4)
    flips = radius // pieces
    width = 64 // pieces
    for piece in range(pieces):
        bits = width if piece < pieces - 1 else 64 - width * (pieces - 1)
        shift, mask = np.uint64(width * piece), np.uint64((1 << bits) - 1)
        keys = (hashes >> shift) & mask
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for flip in _flips(bits, flips):
            wanted = ((queries >> shift) & mask) ^ np.uint64(flip)
            first, last = np.searchsorted(ordered, wanted, "left"), np.searchsorted(ordered, wanted, "right")
            yield from _compared(queries, hashes, order, first, last - first, radius)


def _flips(bits: int, most: int) -> Iterator[int]:
    """Every way to change at most so many bits (0 to 3) of a piece."""
    for count in range(most + 1):
        for places in combinations(range(bits), count):
            yield sum(1 << place for place in places)


def _compared(
    queries: np.ndarray, hashes: np.ndarray, order: np.ndarray, first: np.ndarray, counts: np.ndarray, radius: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Compares every query with the run of hashes that shares its piece, a bounded number of pairs at once."""
    some = np.flatnonzero(counts)
    ends = np.cumsum(counts[some])
    start = 0
    while start < len(some):
        stop = max(start + 1, int(np.searchsorted(ends, (ends[start - 1] if start else 0) + _PAIRS_AT_ONCE, "right")))
        part = some[start:stop]
        left = np.repeat(part, counts[part])
        offsets = np.arange(len(left)) - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
        right = order[np.repeat(first[part], counts[part]) + offsets]
        bits = np.bitwise_count(queries[left] ^ hashes[right])
        near = bits <= radius
        if near.any():
            yield left[near], right[near], bits[near]
        start = stop
