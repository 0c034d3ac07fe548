"""What answers say of a population of raters and pictures: shares with intervals, preferences between kinds, agreement. Arrays only.

Both raters and pictures are drawn from more than there are: every estimate is computed again without each rater and without each picture
(a jackknife by clusters), and the variances are combined as in Cameron, Gelbach and Miller, *Robust Inference with Multiway Clustering*
(2011). A share's interval is that of Korn and Graubard (1998), Clopper and Pearson's at the effective number of answers, which holds at
0 and at 1, too. Coverage is simulated by the benchmark `panels`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import choix
import krippendorff
import numpy as np
from numpy.typing import NDArray
from scipy import stats

Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

_PRIOR = 0.1
"""Regularisation of Bradley and Terry's model (choix's `alpha`): without it a kind that was always chosen has no finite strength."""


@dataclass(frozen=True)
class Estimate:
    """A share between 0 and 1, and the 95 % interval that it has over raters and pictures."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Ticks:
    """Answers yes or no to one question on single pictures; one entry for each answer."""

    raters: Labels
    pictures: Labels
    is_yes: Mask


@dataclass(frozen=True)
class Choices:
    """Answers to pairs; one entry for each: who chose, which kind and picture was chosen, and which was not."""

    raters: Labels
    chosen: Labels
    other: Labels
    chosen_pictures: Labels
    other_pictures: Labels


def share(ticks: Ticks) -> Estimate | None:
    """The share of yes in a population of raters and pictures; None where fewer than two of either answered."""
    clusters = [[ticks.raters == each for each in np.unique(ticks.raters)], [ticks.pictures == each for each in np.unique(ticks.pictures)]]
    if min(map(len, clusters)) < 2:
        return None
    value = float(ticks.is_yes.mean())
    spread = _spread(clusters, lambda left: float(ticks.is_yes[left].mean()), value, len(ticks.is_yes))
    return Estimate(value, _interval(value, spread))


def preference(choices: Choices, kind: int, against: int, kinds: int) -> Estimate | None:
    """How often a picture of one kind is chosen over one of another, by Bradley and Terry's model of all pairs.

    `kinds`: how many there are. None where fewer than two raters or pictures took part, or the two kinds were never joined by pairs.
    """
    counts = _counts(choices, kinds)
    if not _are_joined(counts, kind, against):
        return None
    both = np.stack([choices.chosen_pictures, choices.other_pictures])
    raters = [choices.raters == each for each in np.unique(choices.raters)]
    pictures = [(both == each).any(axis=0) for each in np.unique(both)]
    if min(len(raters), len(pictures)) < 2:
        return None

    def probability(left: Mask) -> float:
        return _probability(_counts(choices, kinds, left), kind, against)

    value = probability(np.ones(len(choices.raters), bool))
    answers = int(counts[kind, against] + counts[against, kind])
    spread = _spread([raters, pictures], probability, value, max(answers, 1))
    return Estimate(value, _interval(value, spread))


def agreement(answers: NDArray[np.float64]) -> float | None:
    """Krippendorff's alpha of answers (raters × questions, NaN where one was not answered): 1 is the same, 0 is chance.

    None where fewer than two raters share a question, or all answers are the same, of which alpha says nothing.
    """
    answered = ~np.isnan(answers)
    if not (answered.sum(axis=0) > 1).any() or len(np.unique(answers[answered])) < 2:
        return None
    return float(krippendorff.alpha(answers, level_of_measurement="nominal"))


@dataclass(frozen=True)
class _Spread:
    """The variance of a share over raters and pictures, the degrees of freedom that it is known with, and the clusters there were."""

    variance: float
    degrees: float
    clusters: int


def _spread(clusters: list[list[Mask]], estimate: Callable[[Mask], float], value: float, answers: int) -> _Spread:
    """`answers`: on how many the share rests. Degrees of freedom by Satterthwaite, from those of each kind of cluster."""
    single = value * (1 - value) / answers
    parts = [_jackknife(masks, estimate) for masks in clusters]
    variance = max(sum(parts) - single, *parts, single)
    noise = sum(part**2 / (len(masks) - 1) for part, masks in zip(parts, clusters, strict=True))
    degrees = sum(parts) ** 2 / noise if sum(parts) > single else float(max(answers - 1, 1))
    return _Spread(variance, degrees, min(map(len, clusters)))


def _jackknife(masks: list[Mask], estimate: Callable[[Mask], float]) -> float:
    """The variance of an estimate that is computed again without each cluster."""
    left = [~mask for mask in masks if not mask.all()]
    without = np.array([estimate(mask) for mask in left if mask.any()])
    count = len(without)
    return float((count - 1) / count * ((without - without.mean()) ** 2).sum()) if count > 1 else 0.0


def _interval(value: float, spread: _Spread) -> tuple[float, float]:
    """Korn and Graubard's interval, with Jeffreys' limits: those of a binomial share at the effective number of answers."""
    if value in (0.0, 1.0) or spread.variance <= 0:  # nothing varies: as many independent answers as there are clusters
        effective = float(spread.clusters)
    else:
        effective = value * (1 - value) / spread.variance * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, spread.degrees)) ** 2
    yes = value * effective
    low = 0.0 if value <= 0 else float(stats.beta.ppf(0.025, yes + 0.5, effective - yes + 0.5))
    high = 1.0 if value >= 1 else float(stats.beta.ppf(0.975, yes + 0.5, effective - yes + 0.5))
    return low, high


def _counts(choices: Choices, kinds: int, left: Mask | None = None) -> NDArray[np.float64]:
    """How often each kind was chosen over each other."""
    found = np.zeros((kinds, kinds))
    chosen, other = (choices.chosen, choices.other) if left is None else (choices.chosen[left], choices.other[left])
    np.add.at(found, (chosen, other), 1.0)
    return found


def _probability(counts: NDArray[np.float64], kind: int, against: int) -> float:
    strengths = choix.ilsr_pairwise_dense(counts, alpha=_PRIOR)
    return float(1 / (1 + np.exp(strengths[against] - strengths[kind])))


def _are_joined(counts: NDArray[np.float64], kind: int, against: int) -> bool:
    """Whether pairs lead from one kind to the other."""
    met, reached = (counts + counts.T) > 0, {kind}
    while further := {int(each) for one in reached for each in np.flatnonzero(met[one])} - reached:
        reached |= further
    return against in reached
