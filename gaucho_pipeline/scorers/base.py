"""The contract of a scorer: one figure of pictures, which an encoder's vectors give. Light to import: no encoder is loaded here.

How sure a figure is follows from drawing pictures and images again (`evaluation/intervals.py`), so that every scorer takes the rows it is
to look at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from gaucho_pipeline.language.bilingual import Bilingual

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]

ENCODERS = ("clip", "dinov2", "dino")
"""The kinds of encoders, best first for telling one subject from another of its kind: but for `clip`, they know no words."""


@dataclass(frozen=True)
class Features:
    """What an encoder says of one model's pictures and of the images that they are held against: unit vectors, one a row."""

    pictures: Vectors
    """Of the concept's prompts, (n, width)."""
    prompts: Rows
    """Which prompt each is of, (n,)."""
    texts: Vectors | None
    """The prompt of each in words, its token left out, (n, width); None for an encoder that knows no words."""
    class_pictures: Vectors
    """Of the class noun alone, (k, width); k may be 0."""
    images: Vectors
    """Validation images, which were never learned from, (m, width)."""
    look_alikes: Vectors
    """What might be taken for the concept, (l, width); l may be 0."""

    def rows(self, of: Literal["pictures", "class_pictures"]) -> int:
        """How many pictures there are of a kind."""
        return len(getattr(self, of))


class Scorer(ABC):
    """One figure. Its sentences say what it means to somebody who is no programmer."""

    name: ClassVar[str]
    """Its key in the metrics and in the specification."""
    encoder: ClassVar[str | None] = None
    """The kind that it is defined with; None: the best that there is."""
    of: ClassVar[Literal["pictures", "class_pictures"]] = "pictures"
    higher_is_better: ClassVar[bool] = True
    uses_images: ClassVar[bool] = True
    """Whether pictures are held against images."""
    has_ceiling: ClassVar[bool] = True
    """Whether the training images, taken for pictures, have this figure too."""
    title: ClassVar[Bilingual]
    """What it is called, by language."""
    sentence: ClassVar[Bilingual]
    """What it means, by language."""

    def can_score(self, features: Features) -> bool:
        """Whether there is enough to score."""
        return features.rows(self.of) > 0 and len(features.images) > 0

    @abstractmethod
    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        """The figure of some of the pictures, by row, against some of the images, by column; either may be named more than once."""
