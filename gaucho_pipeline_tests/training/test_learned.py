"""Whether anything was learned: an interval that is as wide as images and noises differ, and a verdict that can be a no."""

from __future__ import annotations

import pytest
import torch

from gaucho_pipeline.training.learned import interval, verdict


def errors(seed: int, images: int = 6, noises: int = 8) -> torch.Tensor:
    return torch.rand(images, noises, generator=torch.Generator().manual_seed(seed))


def test_what_every_image_gains_alike_is_sure_however_much_they_differ_themselves() -> None:
    base = errors(1)
    assert interval(base, base - 0.25) == pytest.approx((-0.25, -0.25))


def test_the_interval_is_of_tuned_minus_base() -> None:
    low, high = interval(torch.full((4, 8), 1.0), torch.full((4, 8), 0.7) + errors(1, 4) * 0.1)
    assert -0.3 < low < high < -0.2


def test_what_one_image_gains_over_and_over_is_no_more_than_that_images() -> None:
    """Eight noises of an image are no eight images: were they, the interval would be narrower by more than a half."""
    of_image = torch.tensor([[-1.0], [0.0], [0.2], [-0.1], [0.1], [0.0]])
    low, high = interval(torch.zeros(6, 8), of_image.expand(6, 8))
    alone = interval(torch.zeros(6, 1), of_image)
    assert (low, high) == pytest.approx(alone, abs=0.03)
    assert low < -0.3
    assert high > 0


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        of_images, of_noises = torch.randn(20, 1, generator=generator), torch.randn(20, 8, generator=generator)
        low, high = interval(torch.zeros(20, 8), of_images + of_noises - 0.5)
        covered += low < -0.5 < high
    assert 175 <= covered <= 199


def test_two_measurements_of_the_same_give_the_same() -> None:
    assert interval(errors(1), errors(2)) == interval(errors(1), errors(2))


@pytest.mark.parametrize(
    ("change", "best_step", "expected"),
    [
        ((-0.2, -0.1), 40, "yes"),
        ((-0.2, 0.1), 40, "unclear"),
        ((-0.2, -0.001), 40, "unclear"),
        ((0.1, 0.2), 40, "no"),
        ((-0.004, -0.002), 40, "no"),  # sure, and next to nothing
        ((0.0, 0.0), 40, "no"),
        ((-0.2, -0.1), 0, "no"),  # by luck of the noises: nothing was kept of what was learned
    ],
)
def test_the_verdict_follows_from_the_interval_and_the_step(change: tuple[float, float], best_step: int, expected: str) -> None:
    assert verdict(1.0, change, best_step) == expected


def test_the_margin_is_a_share_of_the_loss() -> None:
    assert verdict(0.1, (-0.004, -0.002), 40) == "yes"
