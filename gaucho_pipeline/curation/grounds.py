"""Plain grounds around what a picture shows: a frame of one colour, or the backdrop that an object was photographed on.

A frame is cut off to the last pixel; of a backdrop a margin is left, so that the object stands free. What the filters make of either is
in `filters/registry.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from gaucho_pipeline.filters.boxes import Box, widened

_RING = 0.012
"""Width of the outermost ring that must be of one colour, as a share of the shorter side."""
_LIKE_RING, _TOUCHED, _TOLERANCE = 0.95, 0.2, 20  # share of the ring; of 255, in the channel that differs most
_SPECK = 0.0005
"""Share of the picture below which a thing is dust, or a letter of a caption beside a picture."""
_OBJECTS, _OBJECT = 3, 0.8
"""So many largest things must be this share of all: a page of text is thousands of small ones."""
_MIN_GROUND, _MIN_OBJECT = 0.15, 0.03
_STRAIGHT, _STRAIGHT_SIDES, _FILLED = 0.7, 3, 0.8
_FEW_TONES = 12
"""Greys of 256 that an object has at least, or it is a drawing or a sign."""
_MARGIN, _MAX_ASPECT = 0.08, 1.5


@dataclass(frozen=True)
class Ground:
    """What is around: `box` is what is inside it, as shares of the sides; `shown` masks the pixels that are no ground."""

    kind: Literal["frame", "backdrop"]
    box: Box
    shown: np.ndarray


def find_ground(rgb: np.ndarray) -> Ground | None:
    """The plain ground that runs all around a picture, (height, width, 3) bytes; None where there is none."""
    height, width = rgb.shape[:2]
    ring = max(1, round(_RING * min(height, width)))
    if min(height, width) <= 2 * ring:
        return None
    edges = (rgb[:ring], rgb[-ring:], rgb[ring:-ring, :ring], rgb[ring:-ring, -ring:])
    colour = np.median(np.concatenate([edge.reshape(-1, 3) for edge in edges]), axis=0).astype(np.int16)
    sides = [float(_like(side, colour).mean()) for side in (rgb[:ring], rgb[-ring:], rgb[:, :ring], rgb[:, -ring:])]
    if sum(side >= _LIKE_RING for side in sides) < 3 or min(sides) < _TOUCHED:
        return None  # an object may be cut off by one side, as a bust is
    inner = np.zeros((height, width), bool)
    inner[ring:-ring, ring:-ring] = True
    ground = _connected_to_ring(_like(rgb, colour), inner)
    if ground.mean() < _MIN_GROUND:
        return None
    things, count = ndimage.label(ndimage.binary_opening(~ground))
    if not count:
        return None
    sizes = np.bincount(things.ravel())[1:]
    order = np.argsort(-sizes)
    if sizes[order[0]] < _MIN_OBJECT * ground.size:
        return None
    largest = things == order[0] + 1
    box = _bounds(largest)
    if _is_rectangle(largest, box):
        return Ground("frame", _shares(box, height, width), _filled(box, height, width))
    if sizes[order[:_OBJECTS]].sum() < _OBJECT * sizes.sum():
        return None
    kept = np.isin(things, np.flatnonzero(sizes >= _SPECK * ground.size) + 1)
    grey = rgb.mean(axis=2).astype(np.uint8)
    if np.count_nonzero(np.bincount(grey[kept]) > 0.002 * kept.sum()) < _FEW_TONES:
        return None
    top, bottom, left, right = _bounds(kept)
    margin = round(_MARGIN * max(bottom - top, right - left))
    top, bottom, left, right = max(0, top - margin), min(height, bottom + margin), max(0, left - margin), min(width, right + margin)
    top, bottom = map(math.ceil, widened(top, bottom, round((right - left) / _MAX_ASPECT), height))
    left, right = map(math.ceil, widened(left, right, round((bottom - top) / _MAX_ASPECT), width))
    return Ground("backdrop", _shares((top, bottom, left, right), height, width), kept)


def _like(rgb: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Which pixels are of a colour, (3,) int16, by the channel that differs most."""
    apart = [np.abs(rgb[..., channel].astype(np.int16) - colour[channel]) for channel in range(3)]
    return np.asarray(np.maximum(np.maximum(apart[0], apart[1]), apart[2]) <= _TOLERANCE)


def _connected_to_ring(like: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """What of the colour of the ring hangs together with it."""
    parts, _ = ndimage.label(like)
    outside = np.unique(parts[~inner])
    return np.isin(parts, outside[outside > 0])


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is set; bottom and right are beyond it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _is_rectangle(mask: np.ndarray, box: tuple[int, int, int, int]) -> bool:
    """Whether something fills its bounds, and at least three of its sides are straight."""
    top, bottom, left, right = box
    part = mask[top:bottom, left:right]
    edge = max(2, round(0.01 * min(part.shape)))
    sides = (part[:edge].any(axis=0), part[-edge:].any(axis=0), part[:, :edge].any(axis=1), part[:, -edge:].any(axis=1))
    return sum(float(side.mean()) >= _STRAIGHT for side in sides) >= _STRAIGHT_SIDES and float(part.mean()) >= _FILLED


def _filled(box: tuple[int, int, int, int], height: int, width: int) -> np.ndarray:
    found = np.zeros((height, width), bool)
    found[box[0] : box[1], box[2] : box[3]] = True
    return found


def _shares(box: tuple[int, int, int, int], height: int, width: int) -> Box:
    top, bottom, left, right = box
    return round(left / width, 4), round(top / height, 4), round(right / width, 4), round(bottom / height, 4)
