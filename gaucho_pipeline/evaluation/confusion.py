"""The confusion table of a collection: which concept the pictures of each are taken for, and what follows from that.

A picture is taken for the concept to whose real images it is nearest on the whole: the nearest mean of their vectors, so that large sets
win nothing by their size (https://en.wikipedia.org/wiki/Nearest_centroid_classifier). What the encoder can tell is asked first, of the real
images themselves, each without itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gaucho_pipeline.assets.metrics import ConfusionRow, Proportion, Score
from gaucho_pipeline.assets.verdicts import Word
from gaucho_pipeline.evaluation.intervals import change_interval
from gaucho_pipeline.scorers import SCORERS
from gaucho_pipeline.scorers.base import Features, Vectors

MIN_TOLD = 0.8
"""The share of a concept's real images that the encoder must take for it: with less, what it says of pictures says nothing."""
_LEVEL = 0.025


@dataclass(frozen=True)
class Shown:
    """What an encoder says of one concept of a collection: unit vectors, one a row."""

    real: Vectors
    """Its real images, (n, width)."""
    base: Vectors
    """The base model's pictures, (m, width)."""
    tuned: Vectors
    """Those with what was learned, of the same prompts and seeds, (m, width)."""
    verdict: Word
    """Whether it can be drawn, by its own evaluation."""


def confusion(concepts: Mapping[str, Shown], backbone: str) -> dict[str, ConfusionRow]:
    """The rows of the table, by token. `concepts`: at least two, by token, each with at least one image and one picture."""
    tokens = list(concepts)
    means = np.stack([own.real.mean(axis=0) for own in concepts.values()])
    return {token: _row(concepts, tokens, means, token, backbone) for token in tokens}


def _row(concepts: Mapping[str, Shown], tokens: Sequence[str], means: Vectors, token: str, backbone: str) -> ConfusionRow:
    own, place = concepts[token], tokens.index(token)
    tuned, base = (_counted(_taken_for(vectors, means), tokens) for vectors in (own.tuned, own.base))
    real = _counted(_real_taken_for(own.real, means, place), tokens)
    return ConfusionRow(
        verdict=own.verdict,
        pictures=len(own.tuned),
        images=len(own.real),
        taken_for=tuned,
        base_taken_for=base,
        real_taken_for=real,
        own=_proportion(tuned[token], len(own.tuned)),
        retrieval=_retrieval(concepts, token, backbone),
        bleeds_into=tuple(other for other in tokens if other != token and _is_beyond_chance(tuned, real, other, len(tokens) - 1)),
    )


def _taken_for(vectors: Vectors, means: Vectors) -> list[int]:
    """The place of the nearest mean for each row. A mean is no unit vector: its length says nothing of where it points."""
    return [int(place) for place in (vectors @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T).argmax(axis=1)]


def _real_taken_for(real: Vectors, means: Vectors, place: int) -> list[int]:
    """The same of a concept's real images, its own mean taken without the image itself."""
    if len(real) < 2:
        return [place] * len(real)
    found = []
    for row in real:
        without = means.copy()
        without[place] = (means[place] * len(real) - row) / (len(real) - 1)
        found += _taken_for(row[None], without)
    return found


def _counted(places: Sequence[int], tokens: Sequence[str]) -> dict[str, int]:
    counts = Counter(places)
    return {token: counts[number] for number, token in enumerate(tokens)}


def _proportion(count: int, of: int) -> Proportion:
    """With Wilson's interval: https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval."""
    from scipy.stats import binomtest

    found = binomtest(count, of).proportion_ci(method="wilson")
    return Proportion(value=round(count / of, 4), interval=(round(float(found.low), 4), round(float(found.high), 4)))


def _is_beyond_chance(tuned: Mapping[str, int], real: Mapping[str, int], other: str, others: int) -> bool:
    """Whether pictures are taken for another concept more often than real images are, by Fisher's exact test.

    `others`: how many concepts it may be taken for, among which the level is divided.
    """
    from scipy.stats import fisher_exact

    table = [[tuned[other], sum(tuned.values()) - tuned[other]], [real[other], sum(real.values()) - real[other]]]
    return bool(fisher_exact(table, alternative="greater").pvalue < _LEVEL / others)


def _retrieval(concepts: Mapping[str, Shown], token: str, backbone: str) -> Score | None:
    """How surely a picture finds the real images of its concept before those of all others."""
    own, scorer = concepts[token], SCORERS["retrieval"]
    others = np.concatenate([each.real for name, each in concepts.items() if name != token])

    def features(pictures: Vectors) -> Features:
        return Features(pictures, np.zeros(len(pictures), np.intp), None, pictures[:0], own.real, others)

    base, tuned = features(own.base), features(own.tuned)
    if not scorer.can_score(tuned):
        return None
    every, columns = np.arange(len(own.tuned)), np.arange(len(own.real))
    return Score(
        base=round(scorer.score(base, every, columns), 4),
        tuned=round(scorer.score(tuned, every, columns), 4),
        interval=change_interval(scorer, base, tuned),
        backbone=backbone,
    )


def decide(rows: Mapping[str, ConfusionRow]) -> tuple[Word, str, tuple[str, ...]]:
    """The verdict of a collection, the key of its reason, and the tokens that it is about."""
    blind = tuple(token for token, row in rows.items() if row.real_taken_for[token] < MIN_TOLD * row.images)
    told = {token: row for token, row in rows.items() if token not in blind}
    if bleeding := tuple(f"{token} → {other}" for token, row in told.items() for other in row.bleeds_into if other not in blind):
        return "no", "bleeds", bleeding
    if lacking := tuple(token for token, row in rows.items() if row.verdict == "no"):
        return "no", "member_no", lacking
    if blind:
        return "unclear", "encoder_blind", blind
    unclear = tuple(token for token, row in rows.items() if row.verdict == "unclear")
    return ("unclear", "member_unclear", unclear) if unclear else ("yes", "kept_apart", ())
