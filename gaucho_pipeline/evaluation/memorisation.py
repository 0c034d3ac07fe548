"""Whether pictures are copies of training images: each one's nearest, held against how alike the real images are to one another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gaucho_pipeline.scorers.base import Vectors

COPY_DETECTOR_LINE = 0.75
"""Of SSCD: a cosine above it is a copy at 90 % precision (arXiv 2202.10261)."""


class Match(NamedTuple):
    """A picture and the training image that it is most like."""

    picture: int
    image: int
    cosine: float


def line_of(images: Vectors) -> float:
    """Halfway between the two real images that are most alike and one and the same: what is over it is taken for a copy.

    New pictures of the same subject are as alike to some training image as real ones are to one another, and some a little more so; copies
    among the real ones have left them in curation. 1 for a single image, which nothing exceeds.
    """
    if len(images) < 2:
        return 1.0
    return float((1 + (images @ images.T)[~np.eye(len(images), dtype=bool)].max()) / 2)


def nearest(pictures: Vectors, training: Vectors) -> list[Match]:
    """For each picture the training image that it is most like."""
    cosines = pictures @ training.T
    return [Match(row, int(cosines[row].argmax()), float(cosines[row].max())) for row in range(len(pictures))]
