"""What the tests of curation share."""

from __future__ import annotations

from PIL import Image

from gaucho_pipeline.curation.measures import measure
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.images.decoding import png_bytes


def of(picture: Image.Image) -> Measures:
    """The measures of a picture."""
    return measure(png_bytes(picture))
