"""Steadiness: whether the subject is there in every prompt, and not in the easy ones only."""

from __future__ import annotations

import numpy as np

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer


class Steadiness(Scorer):
    """The mean cosine with the images in the prompt where it is lowest, -1 to 1."""

    name = "steadiness"
    has_ceiling = False  # the images have no prompts
    title = Bilingual(pt="Firmeza", en="Steadiness")
    sentence = Bilingual(
        pt="A semelhança com as imagens reais no pedido em que ela é mais fraca: se o motivo aparece também ali.",
        en="The similarity to the real images in the prompt where it is weakest: whether the subject is there, too.",
    )

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        each, prompts = (features.pictures[rows] @ features.images[columns].T).mean(axis=1), features.prompts[rows]
        return float(min(each[prompts == prompt].mean() for prompt in np.unique(prompts)))
