"""Measures: what is read from a picture's bytes, whatever is decided by it."""

from __future__ import annotations

from pathlib import Path

import imagehash
import pytest
from PIL import Image, ImageFilter

from benchmarks.copies import jpeg
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.filters.measures import FINGERPRINTS, Measures
from gaucho_pipeline.images.decoding import decode, probe
from gaucho_pipeline_tests.curating import of


def test_a_blurred_picture_is_less_sharp_and_a_larger_copy_is_not_sharper() -> None:
    picture = draw_subject("araucaria", 2, side=256)
    assert of(picture.filter(ImageFilter.GaussianBlur(8))).sharpness < of(picture).sharpness / 5
    large = of(picture.resize((1024, 1024), Image.Resampling.LANCZOS)).sharpness
    assert abs(large - of(picture).sharpness) < 0.5 * of(picture).sharpness


def test_hashes_are_those_of_imagehash(real: Path) -> None:
    picture = (
        decode(sorted((real / "openverse" / "images").glob("*"))[1].read_bytes()).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    )
    assert int.from_bytes(of(picture.convert("RGB")).hashes[:8], "little") == int(str(imagehash.phash(picture)), 16)


@pytest.mark.parametrize("quality", [25, 40, 75, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int) -> None:
    assert probe(jpeg(draw_subject("araucaria", 1), quality), 64).quality == pytest.approx(quality, abs=1)


def test_content_box_are_found_and_cut_off() -> None:
    framed = Image.new("RGB", (300, 240), "black")
    framed.paste(draw_subject("araucaria", 1, side=200), (40, 20))
    left, top, right, bottom = of(framed).content_box
    assert (left * 300, top * 240, right * 300, bottom * 240) == pytest.approx((40, 20, 240, 220), abs=3)


def test_measures_are_read_back_as_they_were() -> None:
    measures = of(draw_subject("araucaria", 1))
    assert Measures.from_parts(measures.numbers(), [getattr(measures, name) for name in FINGERPRINTS]) == measures
