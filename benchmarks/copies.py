"""Alterations of a picture, as the web makes copies of it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageOps

from gaucho_pipeline.images.decoding import decode


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def cropped(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """What is inside, in shares of the sides."""
    return picture.crop(
        (round(left * picture.width), round(top * picture.height), round(right * picture.width), round(bottom * picture.height))
    )


def shifted(picture: Image.Image, right: float, down: float) -> Image.Image:
    moved = Image.new("RGB", picture.size, "black")
    moved.paste(picture, (round(right * picture.width), round(down * picture.height)))
    return moved


def captioned(picture: Image.Image, is_below: bool) -> Image.Image:
    """With a strip of text, below the picture or over its lower edge."""
    strip = max(12, picture.height // 8)
    whole = Image.new("RGB", (picture.width, picture.height + (strip if is_below else 0)), "white")
    whole.paste(picture, (0, 0))
    draw, top = ImageDraw.Draw(whole), whole.height - strip
    draw.rectangle((0, top, whole.width, whole.height), fill="white")
    draw.text((8, top + 2), "O gaúcho e o chimarrão, 1835", fill="black", font_size=strip * 2 // 3)
    return whole


def turned(picture: Image.Image, degrees: float, share: float = 1.0) -> Image.Image:
    """Turned by some degrees, and cut to what has no empty corners; or to a share of that."""
    width, height = picture.size
    angle, aspect = math.radians(abs(degrees)), max(width / height, height / width)
    side = share / (math.cos(angle) + aspect * math.sin(angle)) / 2
    return cropped(picture.rotate(degrees, Image.Resampling.BICUBIC), 0.5 - side, 0.5 - side, 0.5 + side, 0.5 + side)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "half as large": lambda p: p.resize((p.width // 2, p.height // 2), Image.Resampling.LANCZOS),
    "left tenth cut off": lambda p: cropped(p, 0.1, 0, 1, 1),
    "lower tenth cut off": lambda p: cropped(p, 0, 0, 1, 0.9),
    "a tenth cut off two sides": lambda p: cropped(p, 0.1, 0.1, 1, 1),
    "a tenth cut off every side": lambda p: cropped(p, 0.1, 0.1, 0.9, 0.9),
    "shifted": lambda p: shifted(p, 0.08, 0.05),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "saved at quality 20": lambda p: decode(jpeg(p, 20)),
    "caption below": lambda p: captioned(p, True),
    "caption over it": lambda p: captioned(p, False),
    "mirrored and cropped": lambda p: cropped(p.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 0, 0.1, 0.9, 1),
}
"""Planted copies by the name of what was done."""

TURNED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "on its left side": lambda p: p.transpose(Image.Transpose.ROTATE_90),
    "on its right side": lambda p: p.transpose(Image.Transpose.ROTATE_270),
    "upside down": lambda p: p.transpose(Image.Transpose.ROTATE_180),
    "mirrored upside down": ImageOps.flip,
    "mirrored on its side": lambda p: p.transpose(Image.Transpose.TRANSPOSE),
    "negative": ImageOps.invert,
    "negative mirrored": lambda p: ImageOps.mirror(ImageOps.invert(p)),
    "grey negative": lambda p: ImageOps.invert(p.convert("L").convert("RGB")),
    "negative on its side": lambda p: ImageOps.invert(p).transpose(Image.Transpose.ROTATE_90),
    "straightened by 2": lambda p: turned(p, 2),
    "straightened by 4": lambda p: turned(p, 4),
    "straightened by -5": lambda p: turned(p, -5),
    "turned by -3 and cut": lambda p: turned(p, -3, 0.95),
    "brown": lambda p: ImageOps.colorize(p.convert("L"), (40, 20, 0), (255, 240, 200)),
}
"""Planted copies that are turned, or otherwise not what the camera saw."""
