"""Pictures that hold nothing of the subject but its colours: what a figure says of them, it says of any picture of these colours."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gaucho_pipeline.images.decoding import square

_TILES = 4
_TILE_SIDE = 64


def shuffled(image: Image.Image, seed: int) -> Image.Image:
    """The middle square of an image, cut into sixteen tiles that lie in another order; the same for the same seed."""
    pixels = np.asarray(square(image.convert("RGB"), _TILES * _TILE_SIDE))
    tiles = pixels.reshape(_TILES, _TILE_SIDE, _TILES, _TILE_SIDE, 3).swapaxes(1, 2).reshape(-1, _TILE_SIDE, _TILE_SIDE, 3)
    tiles = tiles[np.random.default_rng(seed).permutation(len(tiles))]
    pixels = tiles.reshape(_TILES, _TILES, _TILE_SIDE, _TILE_SIDE, 3).swapaxes(1, 2).reshape(_TILES * _TILE_SIDE, -1, 3)
    return Image.fromarray(pixels)
