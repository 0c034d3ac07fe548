"""CMMD: how far the pictures as a set are from the images as a set, by a kernel that small sets allow (arXiv 2401.09603)."""

from __future__ import annotations

import numpy as np

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer, Vectors

_BANDWIDTH, _SCALE = 10.0, 1000.0


class Cmmd(Scorer):
    """The unbiased squared maximum mean discrepancy of unit vectors, by a Gaussian kernel of width 10, times 1,000, as in the paper.

    The paper's encoder is a CLIP ViT-L/14 at 336 px; figures compare only with those of the same encoder.
    """

    name = "cmmd"
    encoder = "clip"
    higher_is_better = False
    title = Bilingual(pt="Distância entre conjuntos (CMMD)", en="Distance between the sets (CMMD)")
    sentence = Bilingual(
        pt="A distância entre o conjunto das imagens geradas e o das reais, também quando são poucas; menor é melhor.",
        en="The distance between all generated pictures and all real images, small sets included; lower is better.",
    )

    def can_score(self, features: Features) -> bool:
        return len(features.pictures) > 1 and len(features.images) > 1

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        pictures, images = features.pictures[rows], features.images[columns]
        within = _mean_of_pairs(pictures, rows) + _mean_of_pairs(images, columns)
        return float(_SCALE * (within - 2 * _kernel(pictures, images).mean()))


def _mean_of_pairs(vectors: Vectors, drawn: Rows) -> float:
    """The mean kernel of two different ones."""
    pairs = drawn[:, None] != drawn[None]
    return float(_kernel(vectors, vectors)[pairs].mean()) if pairs.any() else float("nan")


def _kernel(one: Vectors, other: Vectors) -> Vectors:
    distance = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T
    found: Vectors = np.exp(-distance.clip(0) / (2 * _BANDWIDTH**2))
    return found
