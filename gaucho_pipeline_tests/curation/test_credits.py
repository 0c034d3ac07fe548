"""Pictures of which several records say different things: all are credited, and the strictest licence counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.curation.crawled import Crawled
from gaucho_pipeline.curation.credits import credits_of
from gaucho_pipeline.filters.registry import NEAR_DUPLICATE, ImageDecision
from gaucho_pipeline.rights.licenses import License, own_license, restriction
from gaucho_pipeline_tests.samples import crawled_image, sha


def stated(number: int, key: str, author: str, code: str, **keys: Any) -> Any:
    verdict = own_license(code)
    own = {"license": verdict.id, "license_family": verdict.family, "license_url": verdict.url}
    return crawled_image(number, key=key, author=author, source=f"https://a.example/{key}", **own | keys)


def credited(tmp_path: Path, rows: list[Any], decisions: dict[str, ImageDecision]) -> dict[str, dict[str, Any]]:
    write_rows(tmp_path / "images.jsonl", rows)
    return credits_of(Crawled(tmp_path / "images.jsonl"), decisions)


STAYS = ImageDecision(True)


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_statements_on_the_same_bytes_the_stricter_counts_and_both_are_credited(order: int, tmp_path: Path) -> None:
    rows = [stated(1, "a", "Museu", "cc0"), stated(1, "b", "Ana", "cc-by-sa-4.0", flags=("personality",))][::order]
    (found,) = credited(tmp_path, rows, {sha(1): STAYS}).values()
    assert (found["license"], found["license_family"]) == ("CC-BY-SA-4.0", "cc-by-sa")
    assert sorted(found["author"].split("; ")) == ["Ana", "Museu"]
    assert set(found["flags"]) == {"personality", "stated by several"}
    assert set(found["statements"]) == {"Museu, CC0-1.0: https://a.example/a", "Ana, CC-BY-SA-4.0: https://a.example/b"}


def test_so_does_what_is_stated_of_a_near_copy(tmp_path: Path) -> None:
    rows = [stated(1, "a", "Museu", "cc0"), stated(2, "b", "Ana", "cc-by-4.0"), stated(3, "c", "Rui", "cc-by-sa-4.0")]
    decisions = {sha(1): STAYS, sha(2): ImageDecision(False, NEAR_DUPLICATE, same_as=sha(1)), sha(3): STAYS}
    found = credited(tmp_path, rows, decisions)
    assert found.keys() == {sha(1)}
    assert (found[sha(1)]["license"], found[sha(1)]["author"]) == ("CC-BY-4.0", "Museu; Ana")


def test_what_all_say_alike_is_left_as_it_is(tmp_path: Path) -> None:
    rows = [stated(1, "a", "Ana", "cc0"), stated(1, "b", "Ana", "cc0")]
    assert credited(tmp_path, rows, {sha(1): STAYS}) == {}


def test_nobody_is_not_credited_beside_somebody(tmp_path: Path) -> None:
    rows = [stated(1, "a", "unknown", "cc0"), stated(1, "b", "Ana", "cc0")]
    assert credited(tmp_path, rows, {sha(1): STAYS})[sha(1)]["author"] == "Ana"


def test_licences_are_ordered_by_what_they_ask_for() -> None:
    codes = ["pd", "cc0", "cc-by-4.0", "cc-by-sa-4.0", "gfdl", "own"]
    assert sorted(map(own_license, reversed(codes)), key=restriction) == [own_license(code) for code in codes]
    assert restriction(License("CC-BY-NC-4.0", None, "", "")) > restriction(own_license("own"))
