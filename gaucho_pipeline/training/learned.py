"""Whether anything was learned: the interval of what changed on validation images, and the verdict that follows from it.

How the errors come about is in `validation.py`.
"""

from __future__ import annotations

from typing import Literal

import torch

_REPLICATES = 2000
MARGIN = 0.01
"""A gain below this share of the base model's loss is none worth the name."""


def interval(base: torch.Tensor, tuned: torch.Tensor) -> tuple[float, float]:
    """The 95 % interval of the mean of tuned minus base, from errors of the same images under the same noises, both (images, noises).

    A percentile bootstrap that draws images and noises, each with replacement (https://en.wikipedia.org/wiki/Bootstrapping_(statistics)):
    what one image gains over and over is no more than that image's. With few images it is too narrow rather than too wide.
    """
    difference, generator = tuned - base, torch.Generator().manual_seed(0)
    images, noises = difference.shape
    rows = torch.randint(0, images, (_REPLICATES, images, 1), generator=generator)
    columns = torch.randint(0, noises, (_REPLICATES, 1, noises), generator=generator)
    means = difference[rows, columns].double().mean(dim=(1, 2))
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def verdict(base_loss: float, change: tuple[float, float], best_step: int) -> Literal["yes", "no", "unclear"]:
    """`yes` if all of the interval of the change is a gain of more than a hundredth of the base model's loss, `no` if none of it is.

    Where the untouched weights were the best ones it is `no`, too.
    """
    low, high = change
    if best_step == 0 or low > -MARGIN * base_loss:
        return "no"
    return "yes" if high < -MARGIN * base_loss else "unclear"
