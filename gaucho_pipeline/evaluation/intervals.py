"""How sure a figure's change is: pictures and images are drawn again and again, and the figure is taken of each draw.

The same pictures (prompt and seed) and the same images are drawn for the base model and the tuned one, because they are pairs.
"""

from __future__ import annotations

import numpy as np

from gaucho_pipeline.scorers import Features, Scorer

_REPLICATES = 1000


def change_interval(scorer: Scorer, base: Features, tuned: Features) -> tuple[float, float] | None:
    """The 95 % interval of tuned minus base, by a percentile bootstrap over pictures and over images; None where too few are there.

    https://en.wikipedia.org/wiki/Bootstrapping_(statistics). With few images it is too narrow rather than too wide. Always the same for
    the same features.
    """
    count, images = base.rows(scorer.of), len(base.images)
    if count < 2 or (scorer.uses_images and images < 2):
        return None  # one says nothing of the others
    generator, changes = np.random.default_rng(0), []
    for _ in range(_REPLICATES):
        rows, columns = generator.integers(0, count, count), generator.integers(0, images, images)
        changes.append(scorer.score(tuned, rows, columns) - scorer.score(base, rows, columns))
    found = np.array(changes)
    found = found[np.isfinite(found)]  # a draw of the same picture over and over has no variety
    if len(found) < _REPLICATES / 2:
        return None
    low, high = np.quantile(found, [0.025, 0.975]).round(4).tolist()
    return low, high
