"""How the loss changed: an interval over images that holds as often as it says, and a word that can be a no."""

from __future__ import annotations

import pytest
import torch

from gaucho_pipeline.training.loss_change import change_interval, change_on_these_images, loss_fell


def errors(seed: int, images: int = 6, noises: int = 8) -> torch.Tensor:
    return torch.rand(images, noises, generator=torch.Generator().manual_seed(seed))


def test_what_every_image_gains_alike_is_sure_however_much_they_differ_themselves() -> None:
    base = errors(1)
    for interval in (change_interval(base, base - 0.25), change_on_these_images(base, base - 0.25)):
        assert interval == pytest.approx((-0.25, -0.25))


def test_the_interval_is_students_of_tuned_minus_base_over_images() -> None:
    by_image = torch.tensor([-0.5, -0.2, -0.3])
    mean, error = -1 / 3, float(by_image.std()) / 3**0.5
    assert change_interval(torch.zeros(3, 8), by_image[:, None].expand(3, 8)) == pytest.approx(
        (mean - 4.3027 * error, mean + 4.3027 * error), abs=1e-4
    )


def test_noises_are_fixed_and_make_no_images() -> None:
    """They are averaged over first: eight noises of an image are no eight images, and how noises differ is no uncertainty."""
    of_image, of_noise = torch.tensor([[-1.0], [0.0], [0.2], [-0.1]]), torch.linspace(-5, 5, 8)[None]
    assert change_interval(torch.zeros(4, 8), of_image + of_noise) == pytest.approx(change_interval(torch.zeros(4, 1), of_image), abs=1e-6)


def test_one_image_says_nothing_of_others() -> None:
    assert change_interval(errors(1, 1), errors(2, 1)) is None
    assert loss_fell(1.0, None, 40) == "unclear"


@pytest.mark.parametrize("images", [2, 3, 4, 6, 12])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(images: int) -> None:
    covered = 0
    for seed in range(400):
        generator = torch.Generator().manual_seed(seed)
        of_images, of_noises = torch.randn(images, 1, generator=generator), torch.linspace(-1, 1, 8)[None]
        low, high = change_interval(torch.zeros(images, 8), of_images + of_noises - 0.5) or (9, 9)
        covered += low < -0.5 < high
    assert 0.92 * 400 <= covered <= 0.98 * 400


def test_what_one_image_moves_over_and_over_is_no_more_than_that_images() -> None:
    """Eight noises of an image are no eight images: were they, the spread would be narrower by more than a half."""
    of_image = torch.tensor([[-1.0], [0.0], [0.2], [-0.1], [0.1], [0.0]])
    low, high = change_on_these_images(torch.zeros(6, 8), of_image.expand(6, 8))
    assert (low, high) == pytest.approx(change_on_these_images(torch.zeros(6, 1), of_image), abs=0.03)
    assert low < -0.3
    assert high > 0


def test_two_measurements_of_the_same_give_the_same() -> None:
    assert change_on_these_images(errors(1), errors(2)) == change_on_these_images(errors(1), errors(2))


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
def test_the_word_follows_from_the_interval_and_the_step(change: tuple[float, float], best_step: int, expected: str) -> None:
    assert loss_fell(1.0, change, best_step) == expected


def test_on_the_images_that_chose_the_weights_there_is_no_yes() -> None:
    assert loss_fell(1.0, (-0.2, -0.1), 40, reported_apart=False) == "unclear"
    assert loss_fell(1.0, (0.1, 0.2), 40, reported_apart=False) == "no"


def test_the_margin_is_a_share_of_the_loss() -> None:
    assert loss_fell(0.1, (-0.004, -0.002), 40) == "yes"
