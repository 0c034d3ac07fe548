"""What is laid over a copy of a picture is told from being larger, sharper, or compressed otherwise."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter

from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.choosing import choose
from gaucho_pipeline.curation.measures import measure
from gaucho_pipeline.curation.overlays import edge_map, has_overlay
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.images.decoding import decode


def saved(image: Image.Image, quality: int = 85) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def with_text(image: Image.Image, text: str, place: tuple[int, int], size: int, alpha: int = 255) -> Image.Image:
    layer = Image.new("RGBA", image.size)
    ImageDraw.Draw(layer).text(place, text, fill=(255, 255, 255, alpha), font_size=size)
    return saved(Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB"))


LAID_OVER: dict[str, Callable[[Image.Image], Image.Image]] = {
    "a watermark": lambda image: with_text(image, "© BANCO DE IMAGENS", (40, 240), 42, 120),
    "a date": lambda image: with_text(image, "25/12/1999", (330, 460), 28),
    "a credit": lambda image: with_text(image, "Foto: João Silva", (280, 470), 24, 230),
}
NOT_LAID_OVER: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda image: saved(image.resize((360, 360))),
    "compressed": lambda image: saved(image, 40),
    "sharpened": lambda image: saved(image.filter(ImageFilter.UnsharpMask(2, 150, 2))),
    "lighter": lambda image: saved(image.point(lambda value: min(255, value * 1.2))),
}


@pytest.fixture(scope="module")
def photographs(real: Path) -> list[Image.Image]:
    paths = sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::2]
    return [decode(path.read_bytes()).resize((512, 512)) for path in paths]


def edges(image: Image.Image) -> bytes:
    return edge_map(image.convert("L"))


@pytest.mark.parametrize("what", LAID_OVER)
def test_what_is_laid_over_is_seen_and_its_absence_is_not_taken_for_it(what: str, photographs: list[Image.Image]) -> None:
    pairs = [(edges(LAID_OVER[what](image)), edges(saved(image, 90))) for image in photographs]
    assert sum(has_overlay(marked, clean) for marked, clean in pairs) >= 0.7 * len(pairs)
    assert not any(has_overlay(clean, marked) for marked, clean in pairs)


@pytest.mark.parametrize("what", NOT_LAID_OVER)
def test_no_other_copy_is_taken_for_a_marked_one(what: str, photographs: list[Image.Image]) -> None:
    pairs = [(edges(NOT_LAID_OVER[what](image)), edges(saved(image, 90))) for image in photographs]
    assert sum(has_overlay(other, clean) for other, clean in pairs) <= 0.1 * len(pairs)


def test_a_picture_that_shows_something_else_has_nothing_laid_over_it(photographs: list[Image.Image]) -> None:
    maps = [edges(image) for image in photographs]
    assert not any(has_overlay(one, other) for one in maps for other in maps)


def content(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_of_copies_the_clean_one_stays_and_not_the_larger_marked_one_unless_a_curator_says_so(cases: Path) -> None:
    folder = cases / "curation" / "watermark"
    measures = {name: measure((folder / f"{name}.jpg").read_bytes()) for name in ("marked_640", "clean_600")}
    verdicts = choose(measures, CurationSpec())
    assert {name: (verdict.kept, verdict.same_as) for name, verdict in verdicts.items()} == {
        "marked_640": (False, "clean_600"), "clean_600": (True, None),
    }  # fmt: skip
    wanted = {"marked_640": Override(image="marked_640", decision="keep", caption="", by="Ana", why="")}
    assert choose(measures, CurationSpec(), wanted)["clean_600"].same_as == "marked_640"


def test_of_copies_the_one_that_shows_most_stays_and_not_the_one_that_was_enlarged(photographs: list[Image.Image]) -> None:
    image = photographs[0]
    measures = {
        "original": measure(content(image)),
        "enlarged": measure(content(image.resize((200, 200)).resize((1000, 1000), Image.Resampling.BICUBIC))),
        "small": measure(content(image.resize((256, 256)))),
    }
    verdicts = choose(measures, CurationSpec(min_side=100, min_detail=0))
    assert [name for name, verdict in verdicts.items() if verdict.kept] == ["original"]


def test_all_copies_of_a_marked_picture_repeat_the_clean_one(photographs: list[Image.Image]) -> None:
    image = photographs[0]
    marked = LAID_OVER["a watermark"](image.resize((640, 640)).resize((512, 512)))
    measures = {
        "clean": measure(content(image.resize((480, 480)))), "marked": measure(content(marked.resize((640, 640)))),
        "marked too": measure(content(saved(marked, 60))),
    }  # fmt: skip
    verdicts = choose(measures, CurationSpec(min_side=100, min_detail=0))
    assert {name: verdict.same_as for name, verdict in verdicts.items()} == {"clean": None, "marked": "clean", "marked too": "clean"}
