"""How fine a picture really is, whatever its pixels: by the width of its sharpest edges, upright, level and slanted ones.

An enlarged thumbnail has wide edges everywhere, a shaken photograph in the direction of the shake. A picture with a blurred background is
as fine as what is in focus. The idea is that of no-reference blur metrics (Marziliano et al., "A no-reference perceptual blur metric",
ICIP 2002): edges, not the spectrum, because compression adds to every frequency and makes no strong edge.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 1024
"""Longest side in pixels of what is looked at: finer detail is no matter for training."""
_REACH = 12
"""Pixels on either side within which an edge has ended; wider ones count as so wide."""
_BLOCK = 24
_CONTRAST = 32
"""Greys of 255 between the two sides of what counts as an edge."""
_FEWEST_BLOCKS, _SHARPEST = 12, 0.08
_SHARP = 2.4
"""Pixels that an edge of a sharp digital photograph is wide."""
_CURVE = 1.7
"""Photographs that were made smaller and enlarged again have edges that are wider by less than they were enlarged: measured on 60."""


def finest_share(grey: np.ndarray) -> float:
    """The share of its sides, 0 to 1, to which a picture, (height, width) bytes, could be made smaller without a loss.

    1.0 for one that has no edges to tell it by.
    """
    turned = _turned(grey)
    widths = [width for picture in (grey, grey.T, turned, turned.T) if (width := _edge_width(picture)) is not None]
    return round(float(min(1.0, _SHARP / max(widths)) ** _CURVE), 3) if widths else 1.0


def _turned(grey: np.ndarray) -> np.ndarray:
    """The middle of a picture, turned by an eighth: a slanted shake shows there."""
    image = Image.fromarray(grey)
    side = int(min(image.size) / 2**0.5)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cosine, half_width, half_height = 0.5**0.5, image.width / 2, image.height / 2
    x, y = left - half_width, top - half_height  # as Image.rotate turns it, but only the pixels that are looked at
    matrix = (cosine, -cosine, half_width + cosine * (x - y), cosine, cosine, half_height + cosine * (x + y))
    return np.asarray(image.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC))


def _edge_width(picture: np.ndarray) -> float | None:
    """How wide the sharpest upright edges are, in pixels; None where there are too few."""
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[0] // _BLOCK * _BLOCK, (picture.shape[1] - 2 * _REACH) // _BLOCK * _BLOCK
    if height <= 0 or width <= 0:
        return None
    highest, lowest = (_in_reach(picture, of)[:height, :width] for of in (np.maximum, np.minimum))
    steps = np.abs(np.diff(picture.astype(np.int16), axis=1))
    steepest = np.maximum(steps[:, _REACH - 1 : -_REACH], steps[:, _REACH : steps.shape[1] - _REACH + 1])[:height, :width]
    rises, slopes = (_by_block(values) for values in (highest - lowest, steepest))
    edges = rises >= _CONTRAST
    if edges.sum() < _FEWEST_BLOCKS:
        return None
    widths = rises[edges] / np.maximum(slopes[edges], 1).astype(np.float64)
    return float(np.quantile(np.minimum(widths, 2.0 * _REACH), _SHARPEST))


def _in_reach(picture: np.ndarray, of: np.ufunc) -> np.ndarray:
    """The largest or the smallest of the pixels within reach in a row, for every pixel that has so many on either side."""
    found, length, done = picture, 2 * _REACH + 1, 1
    while done < length:
        more = min(done, length - done)
        found = of(found[:, :-more], found[:, more:])
        done += more
    return np.asarray(found)


def _by_block(values: np.ndarray) -> np.ndarray:
    height, width = values.shape
    rows = values.reshape(height // _BLOCK, _BLOCK, width).max(axis=1)  # whole rows at once, which is four times as fast
    return np.asarray(rows.reshape(-1, width // _BLOCK, _BLOCK).max(axis=2))
