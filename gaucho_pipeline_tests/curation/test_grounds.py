"""Plain grounds: frames are cut off, objects are given some room, and what is neither is left alone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.grounds import Ground, find_ground
from gaucho_pipeline.curation.measures import measure
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import crop_of, first_failure
from gaucho_pipeline.images.decoding import decode

WHITE, GREY, BLACK = (253, 253, 252), (128, 126, 124), (4, 4, 4)


def texture(width: int, height: int) -> Image.Image:
    """Something with many tones, as a photograph has: clouds of noise, in red."""
    noise = np.random.default_rng(1).integers(40, 220, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def on(colour: tuple[int, int, int], size: tuple[int, int], shape: str, box: tuple[int, int, int, int]) -> Image.Image:
    """A textured ellipse or rectangle on a plain ground, with the noise of a camera and of a JPEG."""
    picture, mask = Image.new("RGB", size, colour), Image.new("L", size)
    getattr(ImageDraw.Draw(mask), shape)((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    picture.paste(texture(*size), mask=mask)
    grain = np.random.default_rng(2).normal(0, 2, (*picture.size[::-1], 1))
    buffer = io.BytesIO()
    Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return Image.open(buffer).convert("RGB")


def found(picture: Image.Image) -> Ground | None:
    return find_ground(np.asarray(picture))


def measured(picture: Image.Image) -> Measures:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return measure(buffer.getvalue())


@pytest.mark.parametrize("colour", [WHITE, GREY, BLACK])
def test_an_object_on_a_backdrop_is_kept_and_given_a_margin(colour: tuple[int, int, int]) -> None:
    measures = measured(on(colour, (1200, 900), "ellipse", (450, 200, 800, 700)))
    assert measures.ground == "backdrop"
    assert first_failure(measures, CurationSpec(min_sharpness=0)) is None
    left, top, right, bottom = crop_of(measures, CurationSpec())
    assert 0.25 < left < 450 / 1200 < 800 / 1200 < right < 0.8
    assert 0.1 < top < 200 / 900 < 700 / 900 < bottom < 0.95


def test_as_much_of_a_backdrop_is_left_as_makes_the_sides_long_enough() -> None:
    measures = measured(on(WHITE, (600, 600), "ellipse", (440, 200, 580, 340)))
    left, top, right, bottom = crop_of(measures, CurationSpec(min_side=400))
    assert min(right - left, bottom - top) == pytest.approx(400 / 600, abs=0.005)
    assert right == 1.0  # it stands at the side, and the ground goes no further


@pytest.mark.parametrize("colour", [WHITE, BLACK])
def test_a_frame_of_one_colour_goes_on_all_sides_also_where_one_is_wider(colour: tuple[int, int, int]) -> None:
    polaroid = on(colour, (600, 740), "rectangle", (40, 40, 560, 600))
    ImageDraw.Draw(polaroid).text((60, 650), "Verão de 1987, Pelotas", fill=(90, 90, 90), font_size=24)
    ground = found(polaroid)
    assert ground
    assert ground.kind == "frame"
    assert ground.box == pytest.approx((40 / 600, 40 / 740, 560 / 600, 600 / 740), abs=0.006)


def test_a_page_of_text_a_drawing_and_a_speck_are_no_objects() -> None:
    page = Image.new("RGB", (512, 512), "white")
    for line in range(20):
        ImageDraw.Draw(page).text((30, 20 + 22 * line), "Os farrapos e a República Rio-Grandense", fill="black", font_size=18)
    sign = Image.new("RGB", (512, 512), "white")
    ImageDraw.Draw(sign).ellipse((100, 100, 400, 400), fill=(200, 0, 0))
    assert found(page) is None
    assert found(sign) is None
    assert found(on(WHITE, (512, 512), "ellipse", (250, 250, 270, 270))) is None


def test_a_photograph_a_plain_area_and_a_tiny_picture_have_no_ground() -> None:
    assert found(texture(512, 400)) is None
    assert found(Image.new("RGB", (512, 512), "white")) is None
    assert found(texture(2, 2)) is None


def test_the_cases_of_museums_and_polaroids_come_out_right(cases: Path) -> None:
    for name in ("white", "black"):
        measures = measure((cases / "curation" / "studio_backdrop" / f"vase_on_{name}.jpg").read_bytes())
        assert first_failure(measures, CurationSpec()) is None
        assert crop_of(measures, CurationSpec()) != (0.0, 0.0, 1.0, 1.0)
    polaroid = measure((cases / "curation" / "border" / "polaroid.jpg").read_bytes())
    assert crop_of(polaroid, CurationSpec()) == pytest.approx((0.0675, 0.0547, 0.9325, 0.7578), abs=0.005)
    assert first_failure(polaroid, CurationSpec()) is None
    assert (first_failure(polaroid, CurationSpec(min_side=540)) or pytest.fail("it is not framed")).reason == "framed"


@pytest.mark.parametrize("colour", [WHITE, GREY, BLACK])
def test_a_book_or_a_textile_on_a_backdrop_is_kept(colour: tuple[int, int, int]) -> None:
    measures = measured(on(colour, (1600, 1200), "rectangle", (400, 250, 1200, 950)))
    assert first_failure(measures, CurationSpec(min_sharpness=0)) is None
    assert crop_of(measures, CurationSpec()) == pytest.approx((0.25, 250 / 1200, 0.75, 950 / 1200), abs=0.01)


def test_an_object_that_one_side_cuts_off_is_one(cases: Path) -> None:
    bust = on(WHITE, (1200, 900), "ellipse", (350, 250, 850, 1300))
    ground = found(bust)
    assert ground
    assert (ground.kind, ground.box[3]) == ("backdrop", 1.0)


def test_an_objects_outline_makes_it_no_drawing(real: Path) -> None:
    for path in sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::3]:
        photo = decode(path.read_bytes())
        photo.thumbnail((1000, 1000))
        picture, mask = Image.new("RGB", photo.size, WHITE), Image.new("L", photo.size)
        ImageDraw.Draw(mask).ellipse((photo.width * 0.2, photo.height * 0.2, photo.width * 0.8, photo.height * 0.8), fill=255)
        picture.paste(photo, mask=mask)
        assert first_failure(measured(picture), CurationSpec(min_side=300)) is None
