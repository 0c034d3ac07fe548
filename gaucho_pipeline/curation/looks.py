"""The ways in which a copy of a picture may be turned: on its side, upside down, mirrored, by a few degrees, or as a negative.

A look is seen through windows; where a point of a window is in the picture itself is an affine map, (2, 3), in shares of the sides.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gaucho_pipeline.filters.boxes import WHOLE, Box


class Look(NamedTuple):
    """How a picture is turned: by quarters to the left, then mirrored; or by some degrees."""

    quarters: int = 0
    is_mirrored: bool = False
    degrees: float = 0.0
    is_negative: bool = False

    @property
    def up(self) -> int:
        """By how many quarters what was above goes to the left."""
        return -self.quarters % 4 if self.is_mirrored else self.quarters


UPRIGHT = Look()
CENTRED: tuple[Box, ...] = (WHOLE, (0.05, 0.05, 0.95, 0.95), (0.1, 0.1, 0.9, 0.9))
"""The windows that a picture is looked for through when it is turned by quarters, or a negative: they stay where they are."""
SLIGHT_WINDOWS: tuple[Box, ...] = ((0.09, 0.09, 0.91, 0.91), (0.04, 0.04, 0.96, 0.96))
"""Those of a picture that is turned by some degrees: it was cut, or the other one is."""
QUARTERS = tuple(Look(quarters, is_mirrored) for quarters in (1, 2, 3) for is_mirrored in (False, True))
SLIGHT = tuple(Look(degrees=degrees) for degrees in (-4.5, -2.5, 2.5, 4.5))
"""Whoever straightens a photograph turns it by so much, and hashes bear two degrees more or less."""
ORIENTED_LOOKS = (
    UPRIGHT,
    Look(is_mirrored=True),
    *QUARTERS,
    *SLIGHT,
    *(look._replace(is_negative=True) for look in (UPRIGHT, Look(0, True), *QUARTERS)),
)


def window_map(window: Box) -> np.ndarray:
    """From shares of a window to shares of the picture."""
    left, top, right, bottom = window
    return np.array([[right - left, 0, left], [0, bottom - top, top]], np.float32)


def look_map(look: Look, aspect: float = 1.0) -> np.ndarray:
    """From a picture as it looks to the picture itself. `aspect`: its width over its height."""
    if look.degrees:
        cosine, sine = math.cos(math.radians(look.degrees)), math.sin(math.radians(look.degrees))
        turn = np.array([[cosine, -sine / aspect], [sine * aspect, cosine]])
        return np.column_stack([turn, 0.5 - turn @ [0.5, 0.5]]).astype(np.float32)
    found = np.array([[-1, 0, 1], [0, 1, 0]] if look.is_mirrored else [[1, 0, 0], [0, 1, 0]], np.float32)
    for _ in range(look.quarters):
        found = after(np.array([[0, -1, 1], [1, 0, 0]], np.float32), found)
    return found


def after(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The map that does the first and then the second; (…, 2, 3) both."""
    linear = second[..., :2] @ first[..., :2]
    moved = second[..., :2] @ first[..., 2:] + second[..., 2:]
    return np.concatenate([linear, moved], axis=-1)


def inverse(maps: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(maps[..., :2])
    return np.concatenate([linear, -(linear @ maps[..., 2:])], axis=-1)


@lru_cache(maxsize=256)
def slight_maps(aspect: float) -> np.ndarray:
    """Of the windows of a picture that is turned by some degrees, (looks x windows, 2, 3)."""
    return np.stack([after(look_map(look, aspect), window_map(window)) for look in SLIGHT for window in SLIGHT_WINDOWS])
