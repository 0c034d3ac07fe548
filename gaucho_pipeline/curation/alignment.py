"""Whether two small grey pictures show the same: laid upon one another as exactly as can be, then compared place by place.

A correlation of the whole says little of objects on one backdrop: their outline is nearly all of it, and six plates of one shape are alike.
So each place is compared with its own contrast at the end, and a flat ground, which says nothing, does not count.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

_ROUNDS = ((4, 6), (2, 6))
"""How many times smaller pictures are laid upon one another, the coarse first, and steps that are taken then."""
_BLUR, _EDGE = 0.7, 1.5
"""Standard deviation, in their pixels, of how much they are blurred; what is so near to the edge of a window shows what is beside it."""
_DAMPING, _LONGEST_STEP, _FARTHEST_ERROR = 1e-3, 0.05, 2.5
_NEAR, _FLAT = 5, 2.0
"""Pixels that are a place, on its side; greys of 255 that are noise."""
_TEXTURED = (2 * _FLAT) ** 2
_UNLIKE = 0.1
"""Share of the places that the least alike of them are: what is laid over, or out of focus, is less."""
_MIN_PLACES, _MIN_SHARED = 0.02, 0.6


def aligned(ones: np.ndarray, others: np.ndarray, maps: np.ndarray, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How alike two pictures are in a window of the second: their correlation, and that of the places that are least alike; (n,) both.

    `ones`, `others`: (n, side, side) greys. `maps`: (n, 2, 3), about where a point of the second is in the first, both in shares of the
    sides. `windows`: (n, 4). The second number is 1 where there is nothing that could be unlike.
    """
    ones, others = ones.astype(np.float32), others.astype(np.float32)
    found = maps.astype(np.float32)
    for times, steps in _ROUNDS:
        one, other = (gaussian_filter(_smaller(pictures, times), (0, _BLUR, _BLUR)) for pictures in (ones, others))
        found = _laid(one, other, found, windows, steps)
    seen, is_in_picture = sampled(ones, found, others.shape[1])
    shown = (is_in_picture & _within(others.shape[1], windows)).reshape(others.shape).astype(np.float32)
    seen = seen.reshape(others.shape)
    left, top, right, bottom = windows.T
    is_enough = shown.mean((1, 2)) >= _MIN_SHARED * (right - left) * (bottom - top)
    return np.where(is_enough, _correlation(seen, others, shown), 0), np.where(is_enough, _least_alike(seen, others, shown), 0)


def sampled(pictures: np.ndarray, maps: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """What pictures show where maps lead from each pixel of a square of `side`, (n, pixels), and which lead into the picture."""
    size = pictures.shape[1]
    places = (maps @ _grid(side).T) * size - 0.5
    is_in_picture = ((places > -1) & (places < size)).all(axis=1)
    places = places.clip(0, size - 1.001)
    whole = places.astype(np.int32)
    across, down = (places - whole).transpose(1, 0, 2)
    first = whole[:, 1] * size + whole[:, 0] + (np.arange(len(pictures), dtype=np.int32) * size * size)[:, None]
    flat = pictures.reshape(-1)
    upper = flat[first] * (1 - across) + flat[first + 1] * across
    lower = flat[first + size] * (1 - across) + flat[first + size + 1] * across
    return upper * (1 - down) + lower * down, is_in_picture


@lru_cache(maxsize=4)
def _grid(side: int) -> np.ndarray:
    """The middles of the pixels, (pixels, 3): across, down, 1."""
    middle = (np.arange(side, dtype=np.float32) + 0.5) / side
    down, across = np.meshgrid(middle, middle, indexing="ij")
    return np.stack([across.ravel(), down.ravel(), np.ones(side * side, np.float32)], axis=1)


def _within(side: int, windows: np.ndarray) -> np.ndarray:
    """Which pixels are in a window, (n, pixels)."""
    across, down, _ = _grid(side).T
    left, top, right, bottom = windows.T[..., None]
    return np.asarray((across >= left) & (across <= right) & (down >= top) & (down <= bottom))


def _smaller(pictures: np.ndarray, times: int) -> np.ndarray:
    count, side, _ = pictures.shape
    return np.asarray(pictures.reshape(count, side // times, times, side // times, times).mean(axis=(2, 4)))


def _laid(one: np.ndarray, other: np.ndarray, maps: np.ndarray, windows: np.ndarray, steps: int) -> np.ndarray:
    """Maps that lay the second upon the first exactly, whatever their brightness and contrast.

    Inverse compositional: Baker and Matthews, "Lucas-Kanade 20 years on", 2004.
    """
    side, target = other.shape[1], other.reshape(len(other), -1)
    grid, within = _grid(side), _within(side, windows + np.array([1, 1, -1, -1], np.float32) * _EDGE / side)
    down, across = (np.gradient(other, axis=axis).reshape(target.shape) * side for axis in (1, 2))
    columns = [across * grid[:, 0], across * grid[:, 1], across, down * grid[:, 0], down * grid[:, 1], down, target, np.ones_like(target)]
    system = np.stack(columns, axis=1) * within[:, None]
    normal = system @ system.transpose(0, 2, 1)
    scale = np.sqrt(np.einsum("nii->ni", normal)) + 1e-6
    inverse = np.linalg.inv(normal / (scale[:, :, None] * scale[:, None, :]) + _DAMPING * np.eye(8, dtype=np.float32))
    for _ in range(steps):
        seen, is_in_picture = sampled(one, maps, side)
        error = _fitted(seen, target, is_in_picture & within) - target
        usual = np.median(np.abs(error), axis=1, keepdims=True) + 0.5
        error = error.clip(-_FARTHEST_ERROR * usual, _FARTHEST_ERROR * usual) * is_in_picture  # a caption, or what moved, does not pull
        step = (inverse @ ((system @ error[..., None])[..., 0] / scale)[..., None])[..., 0] / scale
        maps = _undone(maps, step[:, :6].clip(-_LONGEST_STEP, _LONGEST_STEP).reshape(-1, 2, 3))
    return maps


def _undone(maps: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Maps after the inverse of a small one, of which `step` is what it adds to a point."""
    whole = step + np.eye(2, 3, dtype=np.float32)
    linear = maps[:, :, :2] @ np.linalg.inv(whole[:, :, :2])
    return np.concatenate([linear, maps[:, :, 2:] - linear @ whole[:, :, 2:]], axis=2).astype(np.float32)


def _fitted(seen: np.ndarray, target: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The first with the brightness and the contrast of the second."""
    count = shown.sum(axis=1, keepdims=True) + 1e-6
    mean, wanted = ((values * shown).sum(1, keepdims=True) / count for values in (seen, target))
    spread = ((seen - mean) ** 2 * shown).sum(1, keepdims=True) + 1e-6
    gain = ((seen - mean) * (target - wanted) * shown).sum(1, keepdims=True) / spread
    return np.asarray(gain.clip(0.1) * (seen - mean) + wanted)


def _correlation(one: np.ndarray, other: np.ndarray, shown: np.ndarray) -> np.ndarray:
    count = shown.sum((1, 2), keepdims=True) + 1e-6
    one, other = ((p - (p * shown).sum((1, 2), keepdims=True) / count) * shown for p in (one, other))
    scale = np.sqrt((one**2).sum((1, 2)) * (other**2).sum((1, 2))) + 1e-6
    return np.asarray((one * other).sum((1, 2)) / scale)


def _least_alike(one: np.ndarray, other: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The correlation of the places at the end of the least alike ones, where either picture has some texture."""

    def near(values: np.ndarray) -> np.ndarray:
        return np.asarray(uniform_filter(values, (0, _NEAR, _NEAR), mode="constant"))

    weight = near(shown) + 1e-6
    mean, other_mean = near(one * shown) / weight, near(other * shown) / weight
    spread = (near(one * one * shown) / weight - mean * mean).clip(0)
    other_spread = (near(other * other * shown) / weight - other_mean * other_mean).clip(0)
    local = (near(one * other * shown) / weight - mean * other_mean) / (np.sqrt(spread * other_spread) + _FLAT**2)
    local[(shown == 0) | (np.maximum(spread, other_spread) < _TEXTURED)] = np.inf
    flat = np.sort(local.reshape(len(local), -1), axis=1)
    count = np.isfinite(flat).sum(axis=1)
    found = flat[np.arange(len(flat)), (_UNLIKE * count).astype(int)]
    return np.where(count >= _MIN_PLACES * flat.shape[1], found, 1.0)
