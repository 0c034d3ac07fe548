"""How what we show looks: the style sheet that each page carries inside itself, light, dark and in print, and the font of our pictures."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageFont


def style_sheet() -> str:
    """The rules that all pages share."""
    return (Path(__file__).parent / "design.css").read_text(encoding="utf-8")


def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans at a size in pixels, which comes with matplotlib: Pillow's own font has no accents."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def fitting(text: str, width: float, letters: ImageFont.FreeTypeFont) -> str:
    """A text, cut off where it would be wider than so many pixels."""
    text = text[: max(1, int(width))]
    while len(text) > 1 and letters.getlength(text) > width:
        text = text.rstrip("…")[:-1] + "…"
    return text


def content_security_policy(style: str, script: str) -> str:
    """What a page may load: its own pictures, this style and this script, and nothing from any other host.

    https://www.w3.org/TR/CSP3: inline content is allowed by its hash alone.
    """
    return (
        f"default-src 'none'; img-src 'self' file: data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
