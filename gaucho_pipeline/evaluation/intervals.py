"""How sure a figure's change is: pictures and images are drawn again and again, and the figure is taken of each draw.

The same pictures (prompt and seed) and the same images are drawn for the base model and the tuned one, because they are pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gaucho_pipeline.scorers import Features, Scorer
from gaucho_pipeline.scorers.base import Rows

_REPLICATES = 400


def change_interval(scorer: Scorer, base: Features, tuned: Features) -> tuple[float, float] | None:
    """The 95 % interval of tuned minus base, over pictures and over images; None where too few are there.

    What drawing pictures again and drawing images again each add to the variance (https://en.wikipedia.org/wiki/Bootstrapping_(statistics))
    is made as large as small numbers need, and Student's distribution is taken with Welch's degrees of freedom. How often that holds is
    shown by benchmarks/coverage.py. Always the same for the same features.
    """
    count, images = base.rows(scorer.of), len(base.images)
    if count < 2 or (scorer.uses_images and images < 2):
        return None  # one says nothing of the others
    every_row, every_column = np.arange(count), np.arange(images)

    def change(rows: Rows, columns: Rows) -> float:
        return scorer.score(tuned, rows, columns) - scorer.score(base, rows, columns)

    of_pictures = _variance(lambda rows: change(rows, every_column), count)
    of_images = _variance(lambda columns: change(every_row, columns), images) if scorer.uses_images else 0.0
    if of_pictures is None or of_images is None:
        return None
    from scipy.special import stdtrit

    variance = of_pictures + of_images
    freedom = variance**2 / (of_pictures**2 / (count - 1) + of_images**2 / max(images - 1, 1)) if variance else 1.0
    middle, half = change(every_row, every_column), float(stdtrit(freedom, 0.975)) * variance**0.5
    return round(middle - half, 4), round(middle + half, 4)


def _variance(change: Callable[[Rows], float], count: int) -> float | None:
    """What one of the two adds to the variance, unbiased; None where most draws give no number, as of one picture over and over."""
    generator = np.random.default_rng(0)
    found: NDArray[np.float64] = np.array([change(generator.integers(0, count, count)) for _ in range(_REPLICATES)])
    found = found[np.isfinite(found)]
    return float(found.var()) * count / (count - 1) if len(found) >= _REPLICATES / 3 else None
