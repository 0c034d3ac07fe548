"""Controls: something of a real image, and nothing of the subject."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.images.controls import CONTROLS, finely_shuffled, in_colours_of, phase_scrambled, recoloured, shuffled
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


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(float)


def test_fine_tiles_are_a_quarter_as_large() -> None:
    image = square(draw_subject("araucaria", 0, side=256), 256)
    before, after = np.asarray(image), np.asarray(finely_shuffled(image, 1))
    tiles = {before[y : y + 32, x : x + 32].tobytes() for y in range(0, 256, 32) for x in range(0, 256, 32)}
    assert {after[y : y + 32, x : x + 32].tobytes() for y in range(0, 256, 32) for x in range(0, 256, 32)} == tiles


def test_scrambled_phases_keep_the_spectrum_and_lose_the_form() -> None:
    image = square(draw_subject("araucaria", 0, side=256), 256)
    scrambled = pixels(phase_scrambled(image, 1))
    assert scrambled.mean() == pytest.approx(pixels(image).mean(), rel=0.1)
    spectra = [np.abs(np.fft.fft2(each[..., 1] - each[..., 1].mean())).ravel() for each in (pixels(image), scrambled)]
    assert np.corrcoef(*spectra)[0, 1] > 0.9
    assert abs(np.corrcoef(pixels(image)[..., 1].ravel(), scrambled[..., 1].ravel())[0, 1]) < 0.5


def test_exchanged_channels_keep_the_form() -> None:
    image = square(draw_subject("chimarrao", 0, side=256), 256)
    for seed in (0, 1):
        before, after = np.asarray(image), np.asarray(recoloured(image, seed))
        assert sorted(before[0, 0].tolist()) == sorted(after[0, 0].tolist())
        assert np.abs(before.astype(int) - after).mean() > 20


def test_a_picture_in_the_colours_of_an_image_has_that_images_colours_in_its_own_form() -> None:
    picture, image = (square(draw_subject(name, 0, side=256), 256) for name in ("chimarrao", "araucaria"))
    found = in_colours_of(picture, image)
    for channel in range(3):
        own, wanted = (np.sort(np.asarray(each)[..., channel].ravel()) for each in (found, image))
        assert np.array_equal(own, wanted)
    assert np.corrcoef(pixels(found)[..., 0].ravel(), pixels(picture)[..., 0].ravel())[0, 1] > 0.5


@pytest.mark.parametrize("make", CONTROLS)
def test_a_control_is_the_same_for_the_same_seed_and_of_one_size(make: Any) -> None:
    image = draw_subject("araucaria", 0, side=100)
    assert make(image, 3).tobytes() == make(image, 3).tobytes()
    assert make(image, 3).size == (256, 256)
