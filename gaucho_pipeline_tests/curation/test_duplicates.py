"""Duplicates: copies as the web makes them are found, and different pictures are not taken for copies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.copies import COPIES, cropped, jpeg
from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation import duplicates
from gaucho_pipeline.curation.duplicates import repeats
from gaucho_pipeline.curation.measures import measure
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.images.decoding import probe
from gaucho_pipeline_tests.curating import of

SPEC = CurationSpec()
ALIKE = {"radius": SPEC.near_duplicate_distance, "correlation": SPEC.near_duplicate_correlation}


@pytest.mark.parametrize("kind", COPIES)
def test_planted_copies_of_real_photos_are_found_and_no_other_pair(kind: str, real: Path) -> None:
    files = sorted((real / "openverse" / "images").glob("*"))[::3] + sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::4]
    originals = [probe(file.read_bytes(), 512).image for file in files]
    measures = {f"original {n}": measure(jpeg(picture)) for n, picture in enumerate(originals)}
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
