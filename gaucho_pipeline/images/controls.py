"""Controls: pictures that have something of the real images and not the subject. What they are granted, nothing else earns by it.

Of each real image: its tiles in another order, coarse and fine; its spectrum with other phases; its form in other colours; and a picture of
the base model's in its colours. The first four are made of the image alone, so that there is one of each for every image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gaucho_pipeline.images.decoding import square

_SIDE = 256
Pixels = NDArray[np.float64]


def shuffled(image: Image.Image, seed: int, tiles: int = 4) -> Image.Image:
    """The middle square of an image, cut into `tiles` by `tiles`, in another order; the same for the same seed."""
    pixels, side = np.asarray(square(image.convert("RGB"), _SIDE)), _SIDE // tiles
    cut = pixels.reshape(tiles, side, tiles, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    cut = cut[np.random.default_rng(seed).permutation(len(cut))]
    return Image.fromarray(cut.reshape(tiles, tiles, side, side, 3).swapaxes(1, 2).reshape(_SIDE, _SIDE, 3))


def finely_shuffled(image: Image.Image, seed: int) -> Image.Image:
    """The same in eight by eight tiles."""
    return shuffled(image, seed, 8)


def phase_scrambled(image: Image.Image, seed: int) -> Image.Image:
    """The middle square with the amplitudes of its spectrum and random phases, the same for all colours: texture without form."""
    pixels: Pixels = np.asarray(square(image.convert("RGB"), _SIDE), np.float64)
    phases = np.angle(np.fft.fft2(np.random.default_rng(seed).normal(size=pixels.shape[:2])))
    phases[0, 0] = 0  # the mean stays what it is
    spectrum = np.fft.fft2(pixels, axes=(0, 1)) * np.exp(1j * phases)[..., None]
    return _image(np.fft.ifft2(spectrum, axes=(0, 1)).real)


def recoloured(image: Image.Image, seed: int) -> Image.Image:
    """The middle square with its colour channels exchanged: form without colours."""
    channels = square(image.convert("RGB"), _SIDE).split()
    return Image.merge("RGB", [channels[(number + 1 + seed % 2) % 3] for number in range(3)])


def in_colours_of(picture: Image.Image, image: Image.Image) -> Image.Image:
    """The middle square of a picture with the colours of an image, channel by channel: its values by rank are the image's."""
    own, wanted = (np.asarray(square(each.convert("RGB"), _SIDE)).reshape(-1, 3) for each in (picture, image))
    pixels: Pixels = np.empty(own.shape)
    for channel in range(3):
        pixels[np.argsort(own[:, channel], kind="stable"), channel] = np.sort(wanted[:, channel])
    return _image(pixels.reshape(_SIDE, _SIDE, 3))


CONTROLS: tuple[Callable[[Image.Image, int], Image.Image], ...] = (shuffled, finely_shuffled, phase_scrambled, recoloured)
"""Made of an image alone, with a seed."""


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
