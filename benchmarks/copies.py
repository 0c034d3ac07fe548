"""Alterations of a picture, as the web makes copies of it."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageDraw

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
