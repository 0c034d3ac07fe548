"""Overrides: what a curator writes is read, or told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.curation.overrides import Override, by_image, read_overrides
from gaucho_pipeline.errors import ConfigError


def test_overrides_are_read_as_spreadsheets_write_them(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text("﻿image;decision;caption;by;why\n0123456789abcdef;drop;;Anália;não é cuia\nfedcba9876543210;;uma cuia de prata;;\n")
    assert [(o.image[:4], o.decision, o.caption) for o in read_overrides(path)] == [("0123", "drop", ""), ("fedc", "", "uma cuia de prata")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,decision\n", ":1: the columns are image, decision, caption, by, why"),
        ("image,decision\n0123456789,maybe\n", ":2: 'maybe' is no decision; write keep, drop or nothing"),
        ("image,caption\n01234567,uma {cuia}\n", ":2: the caption has a brace; only {token} and {class_noun}"),
        ("image,decision\nphoto.jpg,drop\n", ":2: 'photo.jpg' names no image"),
        ("image,decision\n01234567,drop\n01234567,keep\n", ":3: 01234567 stands twice"),
    ],
)
def test_overrides_that_are_none_are_reported(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "overrides.csv").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_overrides(tmp_path / "overrides.csv")
    assert says in str(caught.value)


def test_an_override_that_names_no_image_any_more_is_reported() -> None:
    words = [Override("abcd1234", "keep", "", "", ""), Override("ffff0000", "drop", "", "", "")]
    found, lost = by_image(words, ["abcd1234" + "0" * 56, "1" * 64])
    assert list(found) == ["abcd1234" + "0" * 56]
    assert lost == ["ffff0000"]


def test_the_sign_that_keeps_a_cell_inert_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text("image,decision,caption,by,why\nsha256:01234567,'keep,'=uma cuia,'-Ana,'+\n")
    (found,) = read_overrides(path)
    assert (found.image, found.decision, found.caption, found.by, found.why) == ("01234567", "keep", "=uma cuia", "-Ana", "+")


def test_digits_that_two_images_begin_with_name_neither() -> None:
    names = ["abcd1234" + "0" * 56, "abcd1234" + "1" * 56]
    assert by_image([Override("abcd1234", "keep", "", "", "")], names) == ({}, ["abcd1234"])
    found, lost = by_image([Override("abcd12341", "drop", "", "", "")], names)
    assert (list(found), lost) == ([names[1]], [])
