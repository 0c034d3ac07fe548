"""Retrieval: does a picture find this subject's images before those of its look-alikes?"""

from __future__ import annotations

import numpy as np

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer


class Retrieval(Scorer):
    """Mean average precision: each picture ranks validation images and look-alikes by how near they are, 0 to 1.

    https://en.wikipedia.org/wiki/Evaluation_measures_(information_retrieval)#Mean_average_precision.
    """

    name = "retrieval"
    title = Bilingual(pt="Reconhecível entre parecidos", en="Recognisable among look-alikes")
    sentence = Bilingual(
        pt="Se uma imagem gerada encontra as imagens reais do conceito antes das de algo parecido; 1 se encontra todas antes.",
        en="Whether a generated picture finds the real images of the concept before those of a look-alike; 1 if all of them.",
    )

    def can_score(self, features: Features) -> bool:
        return super().can_score(features) and len(features.look_alikes) > 0

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        pictures, count = features.pictures[rows], len(columns)
        near = pictures @ np.concatenate([features.images[columns], features.look_alikes]).T
        near[:, :count] -= 1e-6  # of two that are as near, the look-alike comes first
        order = np.argsort(-near, axis=1)
        is_real = order < count
        precision = np.cumsum(is_real, axis=1) / np.arange(1, order.shape[1] + 1)
        return float((precision * is_real).sum(axis=1).mean() / count)
