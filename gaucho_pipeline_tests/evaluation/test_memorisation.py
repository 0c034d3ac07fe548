"""Copies of training images: what is more alike than two real images ever are."""

from __future__ import annotations

import numpy as np
import pytest

from gaucho_pipeline.evaluation.memorisation import line_of, nearest

TRAINING = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], np.float32)


def test_the_line_is_halfway_from_the_most_alike_real_images_to_a_copy() -> None:
    assert line_of(TRAINING) == pytest.approx(0.9)
    assert line_of(TRAINING[:1]) == 1.0


def test_a_copy_is_over_the_line_and_a_stranger_is_not() -> None:
    copy, stranger = nearest(np.array([[0.8, 0.6, 0], [0.1, 0.7, 0.7]], np.float32), TRAINING)
    assert (copy.picture, copy.image) == (0, 1)
    assert copy.cosine == pytest.approx(1)
    assert stranger.image == 2
    assert stranger.cosine < line_of(TRAINING)
