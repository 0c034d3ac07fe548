"""Pictures and images as encoders look at them: read from artifacts, no larger than that any encoder would see a difference."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from gaucho_pipeline.assets.rows import Picture
from gaucho_pipeline.images.decoding import fit, read_image

_SHORTER_SIDE = 512
_GREY = (127, 127, 127)


def read_drawn(gallery: Path, row: Picture) -> Image.Image:
    """A generated picture, without the label below it. Raises GauchoError if it cannot be read."""
    picture = read_small(gallery / row.file)
    return picture.crop((0, 0, picture.width, min(picture.height, row.height)))


def read_masked(file: Path, mask: Path) -> Image.Image:
    """An image in which all that its mask leaves out is grey. Raises GauchoError if one of the two cannot be read."""
    image = read_small(file)
    return Image.composite(image, Image.new("RGB", image.size, _GREY), read_image(mask).convert("L").resize(image.size))


def read_small(path: Path) -> Image.Image:
    """An image, no larger than encoders look at. Raises GauchoError if it cannot be read."""
    return small(read_image(path))


def small(image: Image.Image) -> Image.Image:
    """The image with its shorter side at most so long that no encoder would see a difference: hundreds are in memory at once."""
    scale = _SHORTER_SIDE / min(image.size)
    return image if scale >= 1 else fit(image, round(max(image.size) * scale))
