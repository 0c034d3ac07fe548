"""What the tests of curation share."""

from __future__ import annotations

from PIL import Image

from gaucho_pipeline.curation.measures import Measures, measure
from gaucho_pipeline.images import png_bytes


def of(picture: Image.Image) -> Measures:
    """The measures of a picture."""
    return measure(png_bytes(picture))
