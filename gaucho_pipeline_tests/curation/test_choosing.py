"""Choosing: which filter takes what, which copies stay, variety, and that a curator's word wins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.copies import jpeg
from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.choosing import choose, farthest_point_sampling
from gaucho_pipeline.curation.measures import measure
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import SENTENCES, border, crop_of
from gaucho_pipeline_tests.curating import of

LOOSE = CurationSpec(min_side=64, min_images=2, min_sharpness=0.0)


@pytest.fixture(scope="module")
def recorded(real: Path) -> dict[str, Measures]:
    """The recorded images, measured, by the first digits of their names."""
    return {file.name[:8]: measure(file.read_bytes()) for file in sorted((real / "openverse" / "images").glob("*"))}


JUDGED = {
    "06f2ae25": "text or graphics", "0a44e589": "text or graphics", "21aa7e9a": "text or graphics", "366eb553": "text or graphics",
    "cfa45160": "text or graphics",
    "c927bbc0": "", "036b1a0b": "monochrome", "5ca5cc9b": "monochrome",
    "5cd28780": "monochrome",
    # only a text-image model could tell that these are a record's sleeve, posters and signs: they stay
    "72223351": "", "a51d90a5": "", "cbff4e67": "", "4e922bf8": "", "ff3d7e40": "", "d866d24d": "",
    # photographs, of which none may be lost
    "04c22c8b": "", "07c003ba": "", "0814ab37": "", "0d66dd5c": "", "162547b4": "", "19e2e417": "", "1df7313e": "", "1ecc6b8d": "",
    "2103a0c5": "", "2538e3b1": "", "2dd07999": "", "2f6c1be8": "", "3645ad45": "", "39072c2d": "", "55b1ada4": "", "599f9989": "",
    "7ea455b5": "", "8a95b528": "", "945d3433": "", "e801d837": "", "f4c5b396": "", "feb91b13": "",
}  # fmt: skip
"""Chosen by looking at them: the reason that each is excluded for, or nothing."""


def test_the_verdicts_on_recorded_images_are_those_of_an_eye(recorded: dict[str, Measures]) -> None:
    found = choose(recorded, CurationSpec(min_side=250, allow_monochrome=False, max_images=100))
    assert len(JUDGED) >= 30
    assert {name: found[name].reason for name in JUDGED} == JUDGED


def test_each_filter_names_itself_with_score_and_threshold() -> None:
    ramp = np.tile(np.linspace(0, 255, 512, dtype=np.uint8), (512, 1))
    rough = np.random.default_rng(1).integers(0, 255, (512, 512, 3), np.uint8)
    page = Image.new("RGB", (512, 512), "white")
    for line in range(24):
        ImageDraw.Draw(page).text((20, 8 + 20 * line), "Os farrapos e a República Rio-Grandense, 1835", fill="black", font_size=18)
    pictures = {
        "too small": Image.fromarray(rough[:40]),
        "too long": Image.fromarray(np.concatenate([rough, rough], 1)[:200]),
        "too dark": Image.fromarray(np.where(rough[..., :1] > 200, rough // 3, 3)),
        "too bright": Image.fromarray(np.where(rough[..., :1] < 55, rough, 253)),
        "low contrast": Image.fromarray(rough // 16 + 100),
        "blurred": Image.fromarray(ramp).convert("RGB"),
        "text or graphics": page,
    }
    spec = CurationSpec(min_side=100, max_bright=0.77)
    verdicts = choose({name: of(picture) for name, picture in pictures.items()}, spec)
    assert {name: verdict.reason for name, verdict in verdicts.items()} == {name: name for name in pictures}
    assert (verdicts["too small"].score, verdicts["too small"].threshold) == (40, 100)
    assert choose({"a": measure(jpeg(Image.fromarray(rough), 8))}, spec)["a"].reason == "heavily compressed"
    assert choose({"a": of(Image.new("RGB", (600, 600), "#808080"))}, spec)["a"].reason == "low contrast"
    assert all(sentence for pair in SENTENCES.values() for sentence in pair)


def test_a_frame_that_is_most_of_the_picture_excludes_it_where_the_rest_is_too_small() -> None:
    framed = Image.new("RGB", (600, 600), "white")
    framed.paste(draw_subject("araucaria", 1, side=300), (150, 150))
    spec = LOOSE.model_copy(update={"min_side": 400})
    assert choose({"a": of(framed)}, spec)["a"].reason == "framed"
    assert crop_of(of(framed), LOOSE) == pytest.approx((0.25, 0.25, 0.75, 0.75), abs=0.005)  # large enough by itself


def test_the_order_of_the_input_does_not_matter(recorded: dict[str, Measures]) -> None:
    backwards = dict(reversed(recorded.items()))
    assert choose(recorded, CurationSpec(min_side=250, max_images=20)) == choose(backwards, CurationSpec(min_side=250, max_images=20))


def test_of_too_many_the_most_varied_stay() -> None:
    noise = Image.effect_noise((128, 128), 90).convert("RGB")
    colours = {"red 1": "red", "red 2": "#f01010", "blue": "blue", "green": "green"}
    pictures = {name: of(Image.blend(Image.new("RGB", noise.size, colour), noise, 0.3)) for name, colour in colours.items()}
    assert {name.split()[0] for name in farthest_point_sampling(list(pictures), pictures, 3, near=[])} == {"red", "blue", "green"}
    assert {name.split()[0] for name in farthest_point_sampling(["red 2", "blue", "green"], pictures, 2, near=["red 1"])} == {
        "blue",
        "green",
    }


def test_what_is_seen_elsewhere_or_in_another_light_stays_before_more_of_the_same() -> None:
    """Ten dishes of nearly the same colours, two of them at night: colours alone would pass over both."""
    pictures = {f"day {n}": of(Image.new("RGB", (64, 64), (90 + 12 * n, 120, 90))) for n in range(8)}
    pictures |= {f"night {n}": of(Image.new("RGB", (64, 64), (126 + 12 * n, 120, 90))) for n in range(2)}
    said = {name: ("photo", "", name.split()[0], "") for name in pictures}
    assert not any(name.startswith("night") for name in farthest_point_sampling(list(pictures), pictures, 3, near=[]))
    chosen = farthest_point_sampling(list(pictures), pictures, 3, near=[], contexts=said)
    assert {name.split()[0] for name in chosen} == {"day", "night"}


def test_how_pictures_are_seen_is_asked_only_where_not_all_can_stay() -> None:
    asked: list[list[str]] = []
    pictures = {f"{n}": of(draw_subject("chimarrao", n, side=256)) for n in range(4)}

    def seen(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        asked.append(list(names))
        return {name: ("by day" if int(name) < 3 else "at night",) for name in names}

    choose(pictures, LOOSE, seen=seen)
    assert asked == []
    kept = choose(pictures, LOOSE.model_copy(update={"max_images": 2}), seen=seen)
    assert sorted(asked[0]) == ["0", "1", "2", "3"]
    assert kept["3"].kept


def test_of_copies_the_larger_stays_and_the_others_point_to_it() -> None:
    picture = draw_subject("araucaria", 3, side=512)
    pictures = {
        "large": picture,
        "small": picture.resize((200, 200)),
        "mirrored": picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((300, 300)),
    }
    found = choose({name: of(p) for name, p in pictures.items()} | {"other": of(draw_subject("chimarrao", 5, side=256))}, LOOSE)
    assert {name for name, verdict in found.items() if verdict.kept} == {"large", "other"}
    assert {found[name].same_as for name in ("small", "mirrored")} == {"large"}


def test_a_curators_word_wins_and_is_recorded(tmp_path: Path) -> None:
    measures = {name: of(draw_subject("araucaria", n, side=128)) for n, name in enumerate("abcd")}
    words = {"a": Override("a", "drop", "", "Anália", "é um galpão"), "b": Override("b", "keep", "", "Anália", "a única de inverno")}
    found = choose(measures, CurationSpec(min_side=500, min_images=2), words)
    assert (found["a"].reason, found["a"].by, found["a"].why) == ("dropped", "Anália", "é um galpão")
    assert (found["b"].kept, found["b"].by) == (True, "Anália")
    assert found["c"].reason == "too small"


def test_every_filter_takes_a_picture_that_shows_its_reason() -> None:
    """Those that need a picture of their own; with the others, every filter is shown to exclude."""
    rough = np.random.default_rng(1).integers(0, 255, (512, 512, 3), np.uint8)
    two_greys = np.where(np.arange(512)[:, None] % 64 < 32, 60, 190).astype(np.uint8).repeat(512, 1)
    spec = CurationSpec(min_side=100, max_graphic=1.0, allow_monochrome=False)
    found = choose({"two greys": of(Image.fromarray(two_greys)), "grey": of(Image.fromarray(rough).convert("L"))}, spec)
    assert {name: verdict.reason for name, verdict in found.items()} == {"two greys": "little to see", "grey": "monochrome"}
    assert choose({"grey": of(Image.fromarray(rough).convert("L"))}, spec.model_copy(update={"allow_monochrome": True}))["grey"].kept


def test_no_more_than_max_images_stay_with_what_a_curator_keeps_counted() -> None:
    measures = {name: of(draw_subject("araucaria", n, side=128)) for n, name in enumerate("abcd")}
    loose = LOOSE.model_copy(update={"max_images": 2, "near_duplicate_correlation": 1.0})
    found = choose(measures, loose, {"d": Override("d", "keep", "", "Anália", "")})
    assert sum(verdict.kept for verdict in found.values()) == 2
    assert found["d"].kept
    assert {verdict.reason for verdict in found.values() if not verdict.kept} == {"more than max_images"}
    all_wanted = {name: Override(name, "keep", "", "Anália", "") for name in "abc"}
    found = choose(measures, loose, all_wanted)
    assert {name for name, verdict in found.items() if verdict.kept} == set("abc")


def test_of_copies_of_one_size_the_sharp_one_stays() -> None:
    sharp = draw_subject("araucaria", 3, side=256)
    pictures = {"a blurred": of(sharp.filter(ImageFilter.GaussianBlur(1.2))), "b sharp": of(sharp)}
    found = choose(pictures, LOOSE)
    assert [name for name, verdict in found.items() if verdict.kept] == ["b sharp"]
    assert found["a blurred"].same_as == "b sharp"


def test_what_is_chosen_is_far_from_what_a_curator_keeps() -> None:
    noise = Image.effect_noise((128, 128), 90).convert("RGB")
    colours = {"red": "red", "red too": "#f01010", "blue": "blue"}
    measures = {name: of(Image.blend(Image.new("RGB", noise.size, colour), noise, 0.3)) for name, colour in colours.items()}
    loose = CurationSpec(min_side=64, min_images=2, max_images=2, near_duplicate_correlation=1.0, max_graphic=1.0)
    found = choose(measures, loose, {"red": Override("red", "keep", "", "Anália", "")})
    assert {name for name, verdict in found.items() if verdict.kept} == {"red", "blue"}


def test_variety_begins_with_the_sharpest() -> None:
    picture = draw_subject("araucaria", 3, side=256)
    measures = {
        "a": of(picture.filter(ImageFilter.GaussianBlur(3))),
        "b": of(picture),
        "c": of(picture.filter(ImageFilter.GaussianBlur(1))),
    }
    assert farthest_point_sampling(list(measures), measures, 1, near=[]) == ["b"]


@pytest.mark.parametrize(("share", "reason"), [(0.30, ""), (0.40, "framed")])
def test_a_border_is_cut_off_up_to_max_border_and_excludes_beyond(share: float, reason: str) -> None:
    side = round(600 * (1 - share) ** 0.5)
    framed = Image.new("RGB", (600, 600), "white")
    framed.paste(draw_subject("araucaria", 1, side=256).resize((side, side)), ((600 - side) // 2, (600 - side) // 2))
    measures, spec = of(framed), CurationSpec(min_side=480, min_sharpness=0.0, max_border=0.35, max_graphic=1.0)
    assert border(measures) == pytest.approx(share, abs=0.02)
    assert choose({"a": measures}, spec)["a"].reason == reason
    cut = crop_of(measures, spec)
    assert (cut != (0.0, 0.0, 1.0, 1.0)) is (not reason)
