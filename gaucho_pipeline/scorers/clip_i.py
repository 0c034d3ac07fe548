"""CLIP-I: how much pictures look like the images, to a CLIP (DreamBooth, arXiv 2208.12242, section 4.2)."""

from __future__ import annotations

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer


class ClipI(Scorer):
    """The mean cosine of every picture with every validation image, -1 to 1."""

    name = "clip_i"
    encoder = "clip"
    title = Bilingual(pt="Semelhança com as imagens reais (CLIP-I)", en="Similarity to the real images (CLIP-I)")
    sentence = Bilingual(
        pt="Quanto as imagens geradas se parecem, em geral, com imagens reais que o modelo nunca viu.",
        en="How much the generated pictures look, on the whole, like real images that the model never saw.",
    )

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        return float((features.pictures[rows] @ features.images[columns].T).mean())
