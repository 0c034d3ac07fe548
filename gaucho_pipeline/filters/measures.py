"""What is measured of an image, as filters and copies are decided by. How it is measured is in `curation/measures.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from gaucho_pipeline.spec import JsonObject

FINGERPRINTS = ("hashes", "mirrored", "turned", "colours", "thumb", "edges")
"""What is no number, for comparing pictures with one another."""


@dataclass(frozen=True, slots=True)
class Measures:
    """A picture in numbers."""

    width: int
    height: int
    finest: float
    """The share of its sides, 0 to 1, to which it could be made smaller without a loss: less for what was enlarged, or shaken."""
    sharpness: float
    """Variance of the Laplacian of the luminance (0 to 1), at the same size for all."""
    dark: float
    """Share of nearly black pixels; half of it where something is lit, as in a photograph by night."""
    bright: float
    """Share of nearly white pixels."""
    contrast: float
    """Between the 2nd and the 98th hundredth of the luminance, 0 to 1."""
    entropy: float
    """Entropy of the luminance in 64 steps, 0 to 6 bits."""
    quality: int
    """What a JPEG was last saved with, 1 to 100; 100 for other formats."""
    camera: bool
    """Whether its file says which camera took it, or which side is up."""
    graphic: float
    """Share of flat blocks, or of the commonest grey, times that of blocks with a hard edge: high for text, slides, maps, ornaments."""
    chroma: float
    """Mean distance of the colours from grey, 0 to 1."""
    ground: Literal["", "bars", "frame", "backdrop"]
    """What is around it: nothing; bars, or a frame, of one colour; or the plain backdrop of an object."""
    content_box: tuple[float, float, float, float]
    """What is inside that: left, top, right, bottom, as shares of the sides."""
    hashes: bytes
    """64-bit perceptual hashes of the picture's windows (`hashes.WINDOWS`), little-endian."""
    mirrored: bytes
    """Those of its mirror image."""
    turned: bytes
    """Those of the picture on its sides, upside down, and turned by a few degrees (`looks.QUARTERS`, `looks.SLIGHT`)."""
    thumb: bytes
    """64 x 64 grey values."""
    colours: bytes
    """8 x 8 RGB values."""
    edges: bytes
    """32 x 32 counts of edges (`overlays.edge_map`)."""

    @property
    def pixels(self) -> float:
        """How many pixels it really has."""
        return self.width * self.height * self.finest**2

    def numbers(self) -> JsonObject:
        """All but the bytes."""
        return JsonObject({field.name: getattr(self, field.name) for field in fields(self) if field.name not in FINGERPRINTS})

    @classmethod
    def from_parts(cls, numbers: dict[str, Any], fingerprints: Sequence[bytes]) -> Measures:
        """The measures of which `numbers` gave the first, and the second are in the order of FINGERPRINTS."""
        return cls(**(numbers | {"content_box": tuple(numbers["content_box"])} | dict(zip(FINGERPRINTS, fingerprints, strict=True))))
