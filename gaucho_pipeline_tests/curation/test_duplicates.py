"""Duplicates: copies as the web makes them are found, and different pictures are not taken for copies."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.copies import COPIES, TURNED, cropped, jpeg, turned
from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation import duplicates
from gaucho_pipeline.curation.choosing import choose, scenes
from gaucho_pipeline.curation.duplicates import repeats
from gaucho_pipeline.curation.measures import measure
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.images.decoding import probe
from gaucho_pipeline_tests.curating import of

SPEC = CurationSpec()
ALIKE = {"radius": SPEC.near_duplicate_distance, "correlation": SPEC.near_duplicate_correlation}


@pytest.fixture(scope="module")
def photos(real: Path) -> tuple[list[Image.Image], dict[str, Measures]]:
    """Real photographs, and what is measured of them."""
    files = sorted((real / "openverse" / "images").glob("*"))[::3] + sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::4]
    originals = [probe(file.read_bytes(), 512).image for file in files]
    return originals, {f"original {n}": measure(jpeg(picture)) for n, picture in enumerate(originals)}


@pytest.mark.parametrize("kind", COPIES)
def test_planted_copies_of_real_photos_are_found_and_no_other_pair(
    kind: str, photos: tuple[list[Image.Image], dict[str, Measures]]
) -> None:
    originals, measures = photos
    copies = {f"copy {n}": measure(jpeg(COPIES[kind](picture))) for n, picture in enumerate(originals)}
    for names in ([*measures, *copies], [*copies, *measures]):
        found = repeats(names, measures | copies, **ALIKE)
        right = [name for name, repeat in found.items() if repeat.of.split()[1] == name.split()[1]]
        print(f"{kind}: found {len(right)} of {len(originals)}, false {len(found) - len(right)}")
        assert len(right) >= 0.8 * len(originals)
        assert len(found) == len(right)


def test_a_copy_of_a_copy_that_is_not_like_the_original_stays() -> None:
    wide = draw_subject("araucaria", 4, side=512)
    pictures = {"whole": of(wide), "left": of(cropped(wide, 0, 0, 0.9, 1)), "part of left": of(cropped(wide, 0.1, 0, 0.8, 1))}
    assert repeats(["left", "part of left"], pictures, **ALIKE).keys() == {"part of left"}
    assert repeats(["whole", "left", "part of left"], pictures, **ALIKE).keys() == {"left"}


def test_what_is_wanted_stays_and_others_repeat_it() -> None:
    picture = of(draw_subject("araucaria", 3, side=256))
    found = repeats(["wanted", "wanted too", "other"], dict.fromkeys(("wanted", "wanted too", "other"), picture), **ALIKE, wanted=2)
    assert {name: repeat.of for name, repeat in found.items()} == {"other": "wanted"}


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, real: Path) -> None:
    files = sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::4]
    originals = [probe(file.read_bytes(), 512).image for file in files]
    pictures = {f"{n} {kind}": of(COPIES[kind](p)) for kind in ("mirrored", "grey", "shifted") for n, p in enumerate(originals)}
    whole = repeats(list(pictures), pictures, **ALIKE)
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    told = Counter[str]()
    assert repeats(list(pictures), pictures, **ALIKE, tell=lambda count: told.update(compared=count)).keys() == whole.keys()
    assert len(whole) >= len(originals)
    assert told["compared"] == len(pictures)


def test_of_many_copies_of_one_picture_one_stays() -> None:
    picture = of(draw_subject("araucaria", 3, side=256))
    names = [str(n) for n in range(1000)]
    found = repeats(names, dict.fromkeys(names, picture), **ALIKE)
    assert {repeat.of for repeat in found.values()} == {"0"}
    assert len(found) == 999


# ------------------------------------------------------------------------------------------ copies that are turned


@pytest.mark.parametrize("kind", TURNED)
def test_copies_on_their_side_turned_or_negative_are_found_and_no_other_pair(kind: str, real: Path) -> None:
    files = sorted((real / "openverse" / "images").glob("*"))[::9] + sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::12]
    originals = [probe(file.read_bytes(), 512).image for file in files]
    measures = {f"original {n}": measure(jpeg(picture)) for n, picture in enumerate(originals)}
    copies = {f"copy {n}": measure(jpeg(TURNED[kind](picture), 85)) for n, picture in enumerate(originals)}
    found = repeats([*measures, *copies], measures | copies, **ALIKE)
    assert [name for name, repeat in found.items() if repeat.of.split()[1] != name.split()[1]] == []
    assert len(found) >= 0.85 * len(originals)


@pytest.mark.parametrize("kind", ["grey", "brown", "grey negative", "negative"])
def test_the_colour_original_stays_beside_a_larger_copy(kind: str, real: Path) -> None:
    photo = probe(sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[0].read_bytes(), 512).image
    copy = (COPIES | TURNED)[kind](photo).resize((photo.width * 6 // 5, photo.height * 6 // 5), Image.Resampling.LANCZOS)
    for order in ({"a": of(copy), "b": of(photo)}, {"b": of(copy), "a": of(photo)}):
        found = choose(order, CurationSpec(min_side=16, min_sharpness=0, min_detail=0))
        assert {order[name].width for name, decision in found.items() if decision.kept} == {photo.width}


def test_the_upright_original_stays_where_its_file_or_its_sky_tells() -> None:
    photo, exif = draw_subject("araucaria", 5, side=512), Image.Exif()
    exif[0x010F] = "A camera"
    side = photo.transpose(Image.Transpose.ROTATE_90)
    pairs = {
        "camera": (measure(jpeg(side)), measure(_jpeg(photo, 90, exif))),
        "saved again": (measure(jpeg(side, 75)), measure(jpeg(photo, 92))),
        "sky": (of(side), of(photo)),
        "upside down": (of(photo.transpose(Image.Transpose.ROTATE_180)), of(photo)),
    }
    for name, (copy, original) in pairs.items():
        for order in ({"a": copy, "b": original}, {"b": copy, "a": original}):
            decisions = choose(order, CurationSpec(min_side=64, min_sharpness=0, max_graphic=1))
            assert [order[key] is original for key, decision in decisions.items() if decision.kept] == [True], name


def _jpeg(picture: Image.Image, quality: int, exif: Image.Exif) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, exif=exif)
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------ objects of one shape on one backdrop

MOTIFS = ("cross", "star", "stripes", "rings", "squares", "dots")


def round_object(motif: str, strength: float, backdrop: int, is_medal: bool, share: float = 0.8) -> Image.Image:
    """A plate or a medal on a plain backdrop: its shape, its rim and its light are those of all others."""
    side = 600
    down, across = (np.mgrid[:side, :side] - side / 2) / (side / 2 * share)
    far, angle = np.hypot(across, down), np.arctan2(down, across)
    rim = 50 * np.cos(far * 9) * (far > 0.82) if is_medal else 20 * np.sin(far * 12) * (far > 0.66) - 25 * (far > 0.68)
    shapes = {
        "cross": np.minimum(abs(across), abs(down)) < 0.12,
        "star": far < 0.35 + 0.2 * np.cos(5 * angle),
        "stripes": np.sin(across * 30) > 0,
        "rings": np.sin(far * 30) > 0,
        "squares": np.sin(across * 14) * np.sin(down * 14) > 0,
        "dots": (np.sin(across * 25) > 0.6) & (np.sin(down * 25) > 0.6),
    }
    drawn = strength * 110 * (shapes[motif] - 0.5) * (far < 0.62)
    grey = (150 if is_medal else 190) + rim - 15 * down + drawn
    grey = np.where(far < 1, grey, backdrop) + np.random.default_rng(MOTIFS.index(motif)).normal(0, 2, (side, side))
    colour = np.where((far < 1)[..., None], (1.0, 0.88, 0.6) if is_medal else (1.0, 0.98, 0.93), (1.0, 1.0, 1.0))
    return Image.fromarray((grey[..., None] * colour).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("is_medal", [False, True])
@pytest.mark.parametrize("backdrop", [5, 128, 250])
def test_objects_of_one_shape_on_one_backdrop_all_stay(backdrop: int, is_medal: bool) -> None:
    for strength in (0.25, 0.4, 0.6):
        pictures = {motif: measure(jpeg(round_object(motif, strength, backdrop, is_medal), 92)) for motif in MOTIFS}
        assert {picture.ground for picture in pictures.values()} == {"backdrop"}
        found = choose(pictures, CurationSpec(min_sharpness=0.0003))
        assert {motif: decision.reason for motif, decision in found.items() if not decision.kept} == {}
        assert scenes(MOTIFS, pictures, CurationSpec()) == {}


@pytest.mark.parametrize("backdrop", [5, 250])
def test_a_copy_of_an_object_on_a_backdrop_is_one(backdrop: int) -> None:
    plate = round_object("cross", 0.25, backdrop, is_medal=False)
    half = plate.resize((plate.width // 2, plate.height // 2), Image.Resampling.LANCZOS)
    pictures = {"it": measure(jpeg(plate)), "half": measure(jpeg(half)), "again": measure(jpeg(plate, 40))}
    assert repeats(list(pictures), pictures, **ALIKE).keys() == {"half", "again"}


# ------------------------------------------------------------------------------------------ bursts


def test_photographs_of_a_burst_have_one_scene_and_others_none(real: Path) -> None:
    files = sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::12]
    photos = [probe(file.read_bytes(), 512).image for file in files]
    shots = {f"{n} {degrees}": measure(jpeg(turned(p, degrees, 0.93))) for n, p in enumerate(photos) for degrees in (-2, 0, 3, 5)}
    found = scenes(list(shots), shots, CurationSpec())
    for number in range(len(photos)):
        assert len({scene for name, scene in found.items() if name.startswith(f"{number} ")}) == 1
    assert len(set(found.values())) == len(photos)
    assert len(found) >= 0.95 * len(shots)
