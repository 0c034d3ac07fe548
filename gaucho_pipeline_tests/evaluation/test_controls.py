"""Controls: the same colours, and nothing of the subject."""

from __future__ import annotations

import numpy as np

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.evaluation.controls import shuffled
from gaucho_pipeline.images.decoding import square


def test_tiles_are_the_same_in_another_order() -> None:
    image = square(draw_subject("araucaria", 0, side=256), 256)
    mixed = shuffled(image, 1)
    before, after = (np.asarray(each) for each in (image, mixed))
    assert sorted(before.reshape(-1, 3).tolist()) == sorted(after.reshape(-1, 3).tolist())
    assert np.abs(before.astype(int) - after).mean() > 20
    tiles = {before[y : y + 64, x : x + 64].tobytes() for y in range(0, 256, 64) for x in range(0, 256, 64)}
    assert {after[y : y + 64, x : x + 64].tobytes() for y in range(0, 256, 64) for x in range(0, 256, 64)} == tiles


def test_the_order_is_that_of_the_seed() -> None:
    image = draw_subject("araucaria", 0, side=128)
    assert shuffled(image, 1).tobytes() == shuffled(image, 1).tobytes() != shuffled(image, 2).tobytes()
