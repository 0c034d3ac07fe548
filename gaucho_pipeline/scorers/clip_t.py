"""CLIP-T: how well pictures fit their prompts, to a CLIP (DreamBooth, arXiv 2208.12242, section 4.2)."""

from __future__ import annotations

import numpy as np

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer


class ClipT(Scorer):
    """The mean cosine of each picture with its own prompt, the token left out, -1 to 1."""

    name = "clip_t"
    encoder = "clip"
    has_ceiling = False  # the images have no prompts
    uses_images = False
    title = Bilingual(pt="Acordo com o pedido (CLIP-T)", en="Agreement with the prompt (CLIP-T)")
    sentence = Bilingual(
        pt="Quanto cada imagem mostra o que foi pedido: o lugar, a luz, a técnica.",
        en="How well each picture shows what was asked for: the place, the light, the technique.",
    )

    def can_score(self, features: Features) -> bool:
        return features.texts is not None and len(features.pictures) > 0

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        assert features.texts is not None
        return float(np.einsum("nw,nw->n", features.pictures[rows], features.texts[rows]).mean())
