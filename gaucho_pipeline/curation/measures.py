"""What is measured of a picture: pure functions from an RGB picture to numbers.

What the numbers decide is in `filters.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image

from gaucho_pipeline.images import square

_SHARPNESS_SIDE = 256
_DARK, _BRIGHT = 0.06, 0.96


@dataclass(frozen=True)
class Measures:
    """A picture in numbers. Hashes are 64 bits, as 16 hex digits."""

    width: int
    height: int
    sharpness: float
    dark: float
    bright: float
    phash: str
    phash_mirrored: str


def measure(image: Image.Image) -> Measures:
    """Measures an upright RGB picture."""
    luminance = _luminance(image)
    return Measures(
        width=image.width,
        height=image.height,
        sharpness=sharpness(image),
        dark=round(float((luminance < _DARK).mean()), 4),
        bright=round(float((luminance > _BRIGHT).mean()), 4),
        phash=str(imagehash.phash(image)),
        phash_mirrored=str(imagehash.phash(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))),
    )


def sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian of the luminance (0 to 1), at the same size for all, so that large photos gain nothing."""
    y = _luminance(square(image, _SHARPNESS_SIDE))
    laplacian = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
    return round(float(laplacian.var()), 6)


def _luminance(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"), np.float32) / 255


def distance(a: str, b: str) -> int:
    """In how many bits two hashes differ."""
    return (int(a, 16) ^ int(b, 16)).bit_count()
