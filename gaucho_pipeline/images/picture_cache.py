"""Pictures that were drawn before, under the hash of all that made them, so that none is drawn twice and a killed run goes on.

What makes a picture another one is known where it is drawn: in `gallery/generation.py`, and in `sequence/drawing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.images.decoding import png_bytes


@dataclass(frozen=True)
class PictureCache:
    """A folder of PNGs without metadata."""

    root: Path

    def get(self, key: str) -> Image.Image | None:
        """The picture that exists; None where there is none, or its file is broken and is to be drawn again."""
        try:
            with Image.open(self._path(key)) as picture:
                return picture.convert("RGB")
        except (OSError, SyntaxError, ValueError):
            return None

    def put(self, key: str, picture: Image.Image) -> None:
        """Keeps a picture."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, png_bytes(picture))

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.png"
