"""Drift of the class: whether the class noun alone now draws the concept, too, which it should not."""

from __future__ import annotations

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.base import Features, Rows, Scorer


class ClassDrift(Scorer):
    """The mean cosine of pictures of the class noun alone with the validation images, -1 to 1."""

    name = "class_drift"
    of = "class_pictures"
    higher_is_better = False
    has_ceiling = False
    title = Bilingual(pt="Desvio da classe", en="Drift of the class")
    sentence = Bilingual(
        pt="Quanto o nome comum, sem a palavra do conceito, passou a desenhar o conceito; não deveria subir.",
        en="How far the common noun, without the concept's word, now draws the concept as well; it should not rise.",
    )

    def score(self, features: Features, rows: Rows, columns: Rows) -> float:
        return float((features.class_pictures[rows] @ features.images[columns].T).mean())
