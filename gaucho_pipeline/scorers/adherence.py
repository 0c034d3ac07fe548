"""Adherence: whether pictures follow their prompts, or are the same whatever is asked for, as those of a model that was trained too far."""

from __future__ import annotations

import numpy as np

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer


class Adherence(Scorer):
    """How much more each picture agrees with its own prompt than with the gallery's other prompts: a mean difference of cosines."""

    name = "adherence"
    encoder = "clip"
    has_ceiling = False  # the images have no prompts
    uses_images = False
    title = Bilingual(pt="Obediência ao pedido", en="Adherence to the prompt")
    sentence = Bilingual(
        pt="Quanto cada imagem combina mais com o seu pedido do que com os outros; perto de zero, o modelo desenha sempre o mesmo.",
        en="How much better each picture fits its own prompt than the others; near zero the model draws the same whatever is asked for.",
    )

    def can_score(self, features: Features) -> bool:
        return features.texts is not None and len(features.pictures) > 0 and len(np.unique(features.prompts)) > 1

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        assert features.texts is not None
        kinds, first = np.unique(features.prompts, return_index=True)
        cosines = features.pictures[rows] @ features.texts[first].T
        own = features.prompts[rows][:, None] == kinds[None]
        return float(cosines[own].mean() - cosines[~own].mean())
