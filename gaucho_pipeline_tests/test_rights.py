"""Licences: what is let in, and why the rest is not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from gaucho_pipeline.rights import DEFAULT_LICENSES, openverse_license, parse_license, refusal


@pytest.mark.parametrize(
    ("code", "version", "known_as"),
    [
        ("by", "2.0", "CC-BY-2.0"),
        ("by-sa", "4.0", "CC-BY-SA-4.0"),
        ("CC-BY-SA-3.0", None, "CC-BY-SA-3.0"),
        ("cc by 4.0", None, "CC-BY-4.0"),
        ("cc0", "1.0", "CC0-1.0"),
        ("CC0-1.0", None, "CC0-1.0"),
        ("pdm", "1.0", "PDM-1.0"),
        ("pd", None, "PD"),
    ],
)
def test_free_licences_are_known_by_their_names(code: str, version: str | None, known_as: str) -> None:
    verdict = parse_license(code, version)
    assert verdict.id == known_as
    assert refusal(verdict, DEFAULT_LICENSES) is None
    assert verdict.url.startswith("https://creativecommons.org/")


@pytest.mark.parametrize(
    "code", ["by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "cc-by-nc-4.0", "sampling+", "gfdl", "", None, 7, "all rights reserved"]
)
def test_what_forbids_the_use_or_is_unknown_is_refused_with_a_reason(code: object) -> None:
    assert refusal(parse_license(code), DEFAULT_LICENSES)


def test_a_concept_may_allow_less() -> None:
    assert refusal(parse_license("by-sa", "4.0"), ("cc0",)) == "the concept does not allow cc-by-sa"


def test_a_code_that_its_address_contradicts_is_unknown() -> None:
    record = {"license": "by", "license_version": "2.0", "license_url": "https://creativecommons.org/licenses/by-nc/2.0/"}
    assert openverse_license(record).family is None


def test_the_recorded_records_are_allowed_exactly_where_their_file_was_kept(real: Path) -> None:
    records = json.loads((real / "openverse" / "images.json").read_text())
    allowed = [refusal(openverse_license(r), DEFAULT_LICENSES) is None for r in records]
    assert allowed == [r["file"] is not None for r in records]
    assert Counter(allowed) == {True: 78, False: 60}


@pytest.mark.parametrize(
    ("code", "address"),
    [
        ("cc0", "https://creativecommons.org/licenses/by-nc/4.0/"),
        ("by", "https://creativecommons.org/licenses/BY-NC/4.0"),
        ("pdm", "https://creativecommons.org/licenses/by-nd/4.0/"),
    ],
)
def test_every_contradiction_is_refused(code: str, address: str) -> None:
    assert refusal(openverse_license({"license": code, "license_version": "1.0", "license_url": address}), DEFAULT_LICENSES)


def test_both_addresses_of_cc0_are_known() -> None:
    for address in ("https://creativecommons.org/licenses/cc0/1.0/", "https://creativecommons.org/publicdomain/zero/1.0/"):
        assert openverse_license({"license": "cc0", "license_version": "1.0", "license_url": address}).id == "CC0-1.0"
