"""How the loss changed on validation images, how sure that is, and whether it fell.

A loss falls by colours and light alone: whether the subject can be drawn is not said here, but by the evaluation's verdict. How the errors
come about is in `validation.py`.
"""

from __future__ import annotations

import math

import torch

from gaucho_pipeline.assets.verdicts import Word

_REPLICATES = 2000
MARGIN = 0.01
"""A gain below this share of the base model's loss is none worth the name."""


def change_interval(base: torch.Tensor, tuned: torch.Tensor) -> tuple[float, float] | None:
    """The 95 % interval of the mean of tuned minus base over images like these; None for one image, which says nothing of others.

    From errors of the same images under the same noises, both (images, noises). The noises are fixed, so that errors are averaged over them
    first; what is left is Student's interval over images (https://en.wikipedia.org/wiki/Student%27s_t-distribution). How often it holds
    what it promises: benchmarks/coverage.py.
    """
    by_image = (tuned - base).double().mean(dim=1)
    if len(by_image) < 2:
        return None
    from scipy.special import stdtrit

    mean, half = by_image.mean().item(), stdtrit(len(by_image) - 1, 0.975) * by_image.std().item() / math.sqrt(len(by_image))
    return mean - half, mean + half


def change_on_these_images(base: torch.Tensor, tuned: torch.Tensor) -> tuple[float, float]:
    """Between what the mean of tuned minus base lies when images and noises are drawn again, both with replacement.

    What a training asks of itself while it runs: whether anything moved on these images. Of other images it says too much.
    """
    difference, generator = tuned - base, torch.Generator().manual_seed(0)
    images, noises = difference.shape
    rows = torch.randint(0, images, (_REPLICATES, images, 1), generator=generator)
    columns = torch.randint(0, noises, (_REPLICATES, 1, noises), generator=generator)
    means = difference[rows, columns].double().mean(dim=(1, 2))
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def loss_fell(base_loss: float, change: tuple[float, float] | None, best_step: int, reported_apart: bool = True) -> Word:
    """`yes` if all of the interval of the change is a gain of more than a hundredth of the base model's loss, `no` if none of it is.

    Where the untouched weights were the best ones it is `no`, too; where there is no interval, `unclear`, and so where it would be a `yes`
    on the very images that chose the best weights: of twelve measurements of nothing, one in ten looks like a gain there.
    """
    if best_step == 0:
        return "no"
    if change is None:
        return "unclear"
    low, high = change
    if low > -MARGIN * base_loss:
        return "no"
    return "yes" if high < -MARGIN * base_loss and reported_apart else "unclear"
