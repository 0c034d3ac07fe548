"""How sure a change is: certain where every picture says so, uncertain where they differ, the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gaucho_pipeline.evaluation.intervals import change_interval
from gaucho_pipeline.scorers import SCORERS, Features


def features(pictures: Any, images: Any = ((1.0, 0.0), (1.0, 0.0))) -> Features:
    pictures = np.array(pictures, np.float32)
    none = np.zeros((0, 2), np.float32)
    return Features(pictures, np.zeros(len(pictures), np.intp), None, pictures, np.array(images, np.float32), none)


X, Y = (1.0, 0.0), (0.0, 1.0)
SCORER = SCORERS["clip_i"]


def test_what_every_picture_gains_is_certain() -> None:
    assert change_interval(SCORER, features([Y, Y, Y]), features([X, X, X])) == (1.0, 1.0)


def test_what_one_picture_gains_is_not() -> None:
    low, high = change_interval(SCORER, features([Y, Y, Y, Y]), features([X, Y, Y, Y])) or (9, 9)
    assert -1 < low < 0 < 0.25 < high
    assert low + high == pytest.approx(0.5, abs=1e-3)  # a quarter of the pictures, give or take


def test_pictures_are_pairs() -> None:
    same = features([X, Y, X, Y])
    assert change_interval(SCORER, same, same) == (0.0, 0.0)


def test_images_are_drawn_again_too() -> None:
    low, high = change_interval(SCORER, features([Y, Y], (X, Y)), features([X, X], (X, Y))) or (9, 9)
    assert low < -1
    assert high > 1  # what is gained on one of two images is lost on the other: of such, two say next to nothing


@pytest.mark.parametrize("images", [2, 4, 12])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(images: int) -> None:
    generator = np.random.default_rng(1)

    def around(axis: int, count: int) -> Any:
        rows = 0.3 * generator.normal(size=(count, 16))
        rows[:, axis] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    truth = float((around(0, 2000) @ around(0, 2000).T).mean() - (around(1, 2000) @ around(0, 2000).T).mean())
    held = 0
    for _ in range(60):
        real = around(0, images)
        low, high = change_interval(SCORER, features(around(1, 8), real), features(around(0, 8), real)) or (9, 9)
        held += low < truth < high
    assert held >= 52


def test_it_is_the_same_every_time() -> None:
    one, other = features([X, Y, X]), features([Y, Y, X])
    assert change_interval(SCORER, one, other) == change_interval(SCORER, one, other)


def test_one_image_says_nothing_of_the_others() -> None:
    one = [(1.0, 0.0)]
    assert change_interval(SCORER, features([X, X], one), features([Y, Y], one)) is None
    assert change_interval(SCORERS["variety"], features([X, Y], one), features([X, X], one)) is not None  # which looks at no image


def test_one_picture_says_nothing_of_itself() -> None:
    assert change_interval(SCORER, features([X]), features([Y])) is None
    assert change_interval(SCORERS["class_drift"], features([X]), features([Y])) is None
