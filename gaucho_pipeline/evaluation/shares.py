"""How much of the way to the real images the pictures have come, and how sure that is: two shares of the same draws.

*Similarity*: the mean cosine with the real images, from what controls (or the base model) have to what real images have among them.
*Separation*: the same on the axis that tells real images best from controls and from the base model's pictures; it is fitted to other
images than those that it is asked about. A style is held against works of others in the place of controls. Colours alone come far on the
first and not on the second; another form in the right place comes far on the second and not on the first. How often the verdict of both is
right: benchmarks/verdicts.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaucho_pipeline.scorers.base import Vectors

Numbers = NDArray[np.float64]
_DRAWS = 1000
_FOLDS = 4
_RIDGE = 0.1
MIN_GAP = 0.02
"""Between what controls have and what real images have: below it the way is too short to say how much of it was covered."""


@dataclass(frozen=True)
class SubjectVectors:
    """What an encoder says of one concept: unit vectors, one a row."""

    real: Vectors
    """Images of the subject, training and validation, (n, width)."""
    controls: Sequence[Vectors]
    """Of each kind, one for each real image and in their order, (n, width); none of a style."""
    base: Vectors
    """The base model's pictures, (m, width)."""
    tuned: Vectors
    """Those with what was learned, of the same prompts and seeds, (m, width)."""
    works_of_others: Vectors | None = None
    """Works of others, which a style is held against instead of controls, (k, width); None of a subject."""


@dataclass(frozen=True)
class Estimate:
    """A share, with its 95 % interval and the quarter above which it lies with 75 %; shares are near 0 to 1, and may be beyond."""

    value: float
    low: float
    quarter: float
    high: float


@dataclass(frozen=True)
class Shares:
    """Both shares, and whether the encoder can tell the subject at all."""

    similarity: Estimate
    separation: Estimate
    lower_of_both: Estimate
    small_gaps: float
    """The share of draws in which real images are hardly more alike than controls or the base model's pictures are to them."""
    base_is_near: bool
    """Whether that is so because of the base model's pictures."""
    variance_of_pictures: float
    """Of `separation`, when pictures alone are drawn again: more pictures make this smaller, and nothing else."""
    variance: float
    """Of `separation`, when pictures and images are."""


def shares(vectors: SubjectVectors) -> Shares:
    """Both shares, drawing pictures (each a prompt and a seed, for base and tuned alike) and real images again together.

    Of at least two real images and two pictures; always the same for the same vectors.
    """
    measured, generator = _Measured(vectors), np.random.default_rng(0)
    n, m, k = len(vectors.real), len(vectors.tuned), len(measured.works_of_others)
    every_image, every_picture, every_work = np.ones(n), np.ones(m), np.ones(k)

    def again(count: int) -> Numbers:
        return np.bincount(generator.integers(0, count, count), minlength=count).astype(float) if count else np.ones(0)

    whole = measured.of(every_image, every_picture, every_work)
    drawn = np.array([found for _ in range(_DRAWS) if (found := measured.of(again(n), again(m), again(k)))])
    pictures_alone = np.array([found for _ in range(_DRAWS // 4) if (found := measured.of(every_image, again(m), every_work))])
    assert whole
    similarity, separation, gaps, near = drawn.T
    both = np.minimum(similarity, separation)
    small = gaps < MIN_GAP
    return Shares(
        similarity=_estimate(whole[0], similarity),
        separation=_estimate(whole[1], separation),
        lower_of_both=_estimate(min(whole[0], whole[1]), both),
        small_gaps=float(small.mean()),
        base_is_near=bool(small.any() and near[small].mean() > 0.5),
        variance_of_pictures=float(pictures_alone[:, 1].var()),
        variance=float(separation.var()),
    )


def _estimate(value: float, draws: Numbers) -> Estimate:
    low, quarter, high = np.quantile(draws, [0.025, 0.25, 0.975])
    return Estimate(*(round(float(each), 4) for each in (value, low, quarter, high)))


class _Measured:
    """What the shares are made of, computed once; each draw only weighs it anew."""

    def __init__(self, vectors: SubjectVectors) -> None:
        real, n = vectors.real.astype(np.float64), len(vectors.real)
        self._among, self._tuned, self._base = real @ real.T, vectors.tuned @ real.T, vectors.base @ real.T
        self.works_of_others = real[:0] if vectors.works_of_others is None else vectors.works_of_others
        self._controls, self._works_and_real = [control @ real.T for control in vectors.controls], self.works_of_others @ real.T
        for matrix in (self._among, *self._controls):
            np.fill_diagonal(matrix, 0)  # an image with itself, and with what was made of it
        self._on_axis: dict[str, Numbers] = {name: np.zeros(len(getattr(vectors, name))) for name in ("real", "base", "tuned")}
        self._control_on_axis = [np.zeros(n) for _ in vectors.controls]
        self._others_on_axis = np.zeros(len(self.works_of_others))
        fold, folds = np.arange(n) % min(_FOLDS, n), min(_FOLDS, n)
        fold_of_works = np.arange(len(self.works_of_others)) % folds
        for number in range(folds):
            own, rest, works = fold == number, fold != number, fold_of_works == number
            against = [*(control[rest] for control in vectors.controls), self.works_of_others[~works], vectors.base]
            axis = _Axis(real[rest], np.concatenate(against))
            self._on_axis["real"][own] = axis.of(real[own])
            self._others_on_axis[works] = axis.of(self.works_of_others[works])
            for found, control in zip(self._control_on_axis, vectors.controls, strict=True):
                found[own] = axis.of(control[own])
            for name in ("base", "tuned"):
                self._on_axis[name] += axis.of(getattr(vectors, name)) / folds

    def of(self, images: Numbers, pictures: Numbers, works: Numbers) -> tuple[float, float, float, float] | None:
        """Similarity, separation, the gap between start and ceiling, and whether the start is the base model's, by how often each is drawn.

        None where one image was drawn over and over.
        """
        pairs = images.sum() ** 2 - (images**2).sum()
        if not pairs:
            return None
        own, drawn = images / images.sum(), pictures / pictures.sum()
        ceiling = images @ self._among @ images / pairs
        of_others = works / works.sum() if len(works) else None
        controls = [images @ matrix @ images / pairs for matrix in self._controls]
        on_axis = [own @ found for found in self._control_on_axis]
        if of_others is not None:
            controls.append(of_others @ self._works_and_real @ own)
            on_axis.append(of_others @ self._others_on_axis)
        base, control = drawn @ self._base @ own, max(controls)
        start = max(base, control)
        similarity = (drawn @ self._tuned @ own - start) / _no_zero(ceiling - start)
        lowest = max(drawn @ self._on_axis["base"], *on_axis)
        reach = own @ self._on_axis["real"] - lowest
        separation = (drawn @ self._on_axis["tuned"] - lowest) / _no_zero(reach)
        return similarity, separation, min(ceiling - start, reach), float(base >= control)


class _Axis:
    """The direction that tells two sets of vectors apart, by least squares with a ridge; both sets weigh the same."""

    def __init__(self, real: Numbers, against: Numbers) -> None:
        rows = np.concatenate([real, against])
        sides = np.concatenate([np.ones(len(real)), -np.ones(len(against))])
        weights = np.concatenate([np.full(len(real), 0.5 / len(real)), np.full(len(against), 0.5 / len(against))])
        self._centre = weights @ rows
        rows = rows - self._centre
        scatter = (rows * weights[:, None]).T @ rows
        self._direction = np.linalg.solve(scatter + 0.5 * _RIDGE * np.eye(len(scatter)), rows.T @ (weights * sides))

    def of(self, vectors: Numbers) -> Numbers:
        """Where vectors are on it, (n,)."""
        found: Numbers = (vectors - self._centre) @ self._direction
        return found


def _no_zero(value: float) -> float:
    """A way of no length, or the wrong way round, is as short as can be: what lies beyond it is far beyond."""
    return value if value > 1e-3 else 1e-3


def found_again(real: Vectors, look_alikes: Vectors) -> float:
    """How often a real image is nearer to another real one than to a look-alike, over all pairs, 0 to 1: by chance half."""
    among, beside = real @ real.T, real @ look_alikes.T
    shares_ = [(np.delete(among[row], row)[:, None] > beside[row][None]).mean() for row in range(len(real))]
    return float(np.mean(shares_))
