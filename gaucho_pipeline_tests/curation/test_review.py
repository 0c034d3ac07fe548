"""What the review page is told of an image, before a browser shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.assets.rows import CuratedImage
from gaucho_pipeline.curation.review import _SCRIPTS, _asset, _margin, _number, _words, advice, refused_for_rights
from gaucho_pipeline.files.tables import write_table
from gaucho_pipeline.filters.registry import FilterSpec
from gaucho_pipeline.spec import JsonObject
from gaucho_pipeline_tests.samples import train_image


def excluded(score: float | None, threshold: float | None) -> CuratedImage:
    value = train_image().model_dump(exclude={"token"}) | {"kept": False, "score": score, "threshold": threshold}
    return CuratedImage.model_validate(value)


@pytest.mark.parametrize(
    ("score", "threshold", "margin"),
    [(100, 200, 0.5), (300, 200, 0.5), (200, 200, 0.0), (0.5, -0.25, 3.0), (None, 200, 1.0), (100, None, 1.0), (2e-6, 0, 2.0)],
)
def test_what_is_near_its_threshold_has_a_small_margin(score: float | None, threshold: float | None, margin: float) -> None:
    assert _margin(excluded(score, threshold), None, FilterSpec()) == pytest.approx(margin)


def test_what_was_kept_and_never_measured_is_far_from_everything() -> None:
    assert _margin(train_image(), None, FilterSpec()) == 1.0


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0.123456, "0.1235"), (512.0, "512"), (0.0, "0")])
def test_numbers_have_four_digits(value: float | None, text: str) -> None:
    assert _number(value) == text


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"by day": 9, "at night": 0}, ["at night", "by day"]),
        ({"by day": 5, "at night": 4}, []),
        ({"by day": 8, "at night": 2}, []),
        ({"by day": 81, "at night": 19}, ["by day"]),
    ],
)
def test_what_is_missing_and_what_is_nearly_all_is_said(counts: dict[str, int], said: list[str]) -> None:
    lines: list[Any] = advice({"light": counts}, sum(counts.values()))
    text = " ".join(line.en for line in lines)
    assert [phrase for phrase in ("at night", "by day") if phrase in text] == said
    assert all(line.pt for line in lines)


def test_what_was_refused_for_its_rights_is_listed_for_the_curator(tmp_path: Path) -> None:
    rows = [
        {
            "key": "a",
            "title": "Cuia",
            "author": "Ana",
            "source": "https://m.example/1",
            "reason": "opted out: plus:DataMining DMI-PROHIBITED",
        },
        {
            "key": "b",
            "title": "Bomba",
            "author": "Rui",
            "source": "",
            "reason": "the licence is contradictory: CC0-1.0, and in the file CC-BY-NC-4.0",
        },
        {"key": "c", "title": "Mate", "author": "Ana", "source": "", "reason": "the concept does not allow gfdl"},
        {"key": "d", "origin": "x", "reason": "the record names no image"},
    ]
    write_table(tmp_path / "refused.jsonl", [JsonObject(row) for row in rows])
    assert [row["title"] for row in refused_for_rights(tmp_path / "refused.jsonl")] == ["Cuia", "Bomba"]
    assert refused_for_rights(tmp_path / "none.jsonl") == []


def test_every_word_of_the_page_is_in_both_languages_with_the_same_placeholders() -> None:
    portuguese, english = _words("pt"), _words("en")
    assert portuguese.keys() == english.keys()
    for key, text in portuguese.items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", english[key])), key
        assert text.strip()
    script = "".join(_asset(f"{name}.js") for name in _SCRIPTS) + _asset("review.html")
    used = set(re.findall(r'word\("(\w+)"', script)) | set(re.findall(r'data-(?:word|label)="(\w+)"', script))
    dynamic = {key for key in english if key.startswith(("mask_by_", "caption_by_"))} | {
        "copy_name",
        "copy_hash",
        "painted_button",
        "paint_button",
    }
    assert used - english.keys() == set()
    assert english.keys() - used - dynamic == set()
