"""What a picture must show to be right, looked for by a text-image model where that model can tell; else it is left to people.

It can tell where, by the attribute's own words, it ranks the real images before pictures of the class noun: then a picture shows the
attribute if it scores nearer to the real images than to those. What it is asked is the difference between two sentences that differ in
the attribute alone, so that being the thing at all is no evidence of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats

from gaucho_pipeline.assets.metrics import AttributeScore, Proportion
from gaucho_pipeline.prompts.templates import ConceptWords, class_prompt
from gaucho_pipeline.scorers.base import Vectors

MIN_RANKED = 0.9
"""How often a real image must score higher than a picture of the class noun, for the model to be believed."""
MIN_IMAGES = 4
"""Of either, at least: with fewer such a ranking may be chance."""


class ReadsWords(Protocol):
    """An encoder of pictures and texts alike."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True)
class Shown:
    """Vectors of pictures by the encoder, (n, width)."""

    real: Vectors
    without: Vectors
    """Pictures of the class noun, or of look-alikes."""
    tuned: Vectors


def attribute_scores(encoder: ReadsWords, attributes: Sequence[str], words: ConceptWords, shown: Shown) -> tuple[AttributeScore, ...]:
    """How often tuned pictures show each attribute, in English words; `seen` is None where the encoder cannot tell."""
    return tuple(_score(encoder, text, words, shown) for text in attributes)


def _score(encoder: ReadsWords, text: str, words: ConceptWords, shown: Shown) -> AttributeScore:
    plain, wanted = encoder.embed_texts([class_prompt(words), f"{class_prompt(words)} with {text}"])
    direction = wanted - plain
    real, without, tuned = (vectors @ direction for vectors in (shown.real, shown.without, shown.tuned))
    if min(len(real), len(without)) < MIN_IMAGES or not len(tuned):
        return AttributeScore(text=text, ranked=None, seen=None)
    ranked = round(float((real[:, None] > without[None, :]).mean()), 4)
    if ranked < MIN_RANKED:
        return AttributeScore(text=text, ranked=ranked, seen=None)
    line = (np.median(real) + np.median(without)) / 2
    count, seen = len(tuned), int((tuned > line).sum())
    low, high = (float(stats.beta.ppf(place, seen + 0.5, count - seen + 0.5)) for place in (0.025, 0.975))  # Jeffreys' interval
    interval = (round(low, 4), round(high, 4))
    return AttributeScore(text=text, ranked=ranked, seen=Proportion(value=round(seen / count, 4), interval=interval))


def missing(scores: Sequence[AttributeScore]) -> list[str]:
    """The attributes that most of the tuned pictures lack for certain."""
    return [each.text for each in scores if each.seen and each.seen.interval[1] < 0.5]
