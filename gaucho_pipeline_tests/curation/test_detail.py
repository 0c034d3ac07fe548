"""How fine a picture really is: enlarged and shaken ones are told from sharp ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

from gaucho_pipeline.curation.detail import finest_share
from gaucho_pipeline.images.decoding import decode


@pytest.fixture(scope="module")
def photographs(real: Path) -> list[Image.Image]:
    found = []
    for path in sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::2]:
        image = decode(path.read_bytes())
        image.thumbnail((800, 800))
        found.append(image)
    return found


def share(image: Image.Image) -> float:
    return finest_share(np.asarray(image.convert("L")))


def shaken(image: Image.Image, kernel: np.ndarray) -> Image.Image:
    values = np.asarray(image, np.float32)
    return Image.fromarray(np.stack([ndimage.convolve(values[..., c], kernel / kernel.sum()) for c in range(3)], 2).astype(np.uint8))


def test_sharp_photographs_show_what_they_have(photographs: list[Image.Image]) -> None:
    assert min(map(share, photographs)) > 0.6


def test_an_enlarged_thumbnail_shows_what_it_was_enlarged_from(photographs: list[Image.Image]) -> None:
    shares = [share(image.resize((160, 160)).resize((800, 800), Image.Resampling.BICUBIC)) for image in photographs]
    assert np.median(shares) < 0.4
    again = [share(image.resize((480, 480)).resize((800, 800), Image.Resampling.BICUBIC)) for image in photographs]
    assert np.median(again) > 0.6


@pytest.mark.parametrize("kernel", [np.ones((1, 14)), np.ones((14, 1)), np.eye(10), np.eye(10)[::-1]])
def test_a_shaken_photograph_shows_less_whatever_the_direction(kernel: np.ndarray, photographs: list[Image.Image]) -> None:
    assert np.median([share(shaken(image, kernel)) for image in photographs]) < 0.4


def test_a_blurred_background_takes_nothing_from_what_is_in_focus(photographs: list[Image.Image]) -> None:
    for image in photographs:
        portrait = image.filter(ImageFilter.GaussianBlur(6))
        portrait.paste(image.crop((250, 250, 550, 550)), (250, 250))
        assert share(portrait) > 0.5


def test_what_has_no_edges_is_not_judged_by_them() -> None:
    assert share(Image.new("RGB", (300, 300), "grey")) == 1.0
    assert share(Image.new("RGB", (10, 10), "grey")) == 1.0
