"""Retrieval: does a picture lie nearer to this subject than to its look-alikes?"""

from __future__ import annotations

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer


class Retrieval(Scorer):
    """The share of the pictures whose nearest validation image is nearer than their nearest look-alike, 0 to 1."""

    name = "retrieval"
    title = Bilingual(pt="Reconhecível entre parecidos", en="Recognisable among look-alikes")
    sentence = Bilingual(
        pt="De quantas imagens geradas o mais próximo é uma imagem real do conceito, e não uma de algo parecido.",
        en="For how many generated pictures the nearest image is a real one of the concept, and not one of a look-alike.",
    )

    def can_score(self, features: Features) -> bool:
        return super().can_score(features) and len(features.look_alikes) > 0

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        pictures = features.pictures[rows]
        nearest = (pictures @ features.images[columns].T).max(axis=1)
        return float((nearest > (pictures @ features.look_alikes.T).max(axis=1)).mean())
