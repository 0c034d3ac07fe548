"""Variety: how unlike the pictures of one prompt are; a model that has memorised draws the same one over and over."""

from __future__ import annotations

import numpy as np

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer


class Variety(Scorer):
    """One minus the mean cosine of two different pictures of one prompt, 0 to 2."""

    name = "variety"
    uses_images = False
    title = Bilingual(pt="Variedade", en="Variety")
    sentence = Bilingual(
        pt="Quanto diferem entre si as imagens de um mesmo pedido; perto de zero, o modelo desenha sempre a mesma.",
        en="How much pictures of one prompt differ from one another; near zero the model always draws the same one.",
    )

    def can_score(self, features: Features) -> bool:
        return bool(len(features.pictures)) and bool(np.bincount(features.prompts).max() > 1)

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        pictures, prompts = features.pictures[rows], features.prompts[rows]
        pairs = (prompts[:, None] == prompts[None]) & (rows[:, None] != rows[None])  # a picture that was drawn twice is no pair
        return float(1 - (pictures @ pictures.T)[pairs].mean()) if pairs.any() else float("nan")
