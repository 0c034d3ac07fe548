"""Listing a source: what is asked, when it stops, and how names are kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.crawl.listing import MOST_QUESTIONS, PATIENCE, Listing, list_source
from gaucho_pipeline.crawl.names import Names
from gaucho_pipeline.crawl.records import Record
from gaucho_pipeline.crawl.sources import Again, Name, Page, Question
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.rights import parse_license


def record(key: str) -> Record:
    return Record(key, "here", f"https://a.b/{key}", key, "a", "https://a.b", parse_license("cc0"))


class Paged:
    """A source of so many pages of one record, with a name that must be known first."""

    origin, api_hosts, media_hosts = "here", ("a.b",), ("a.b",)

    def __init__(self, pages: int, answer: dict[str, Any] | GauchoError | None = None) -> None:
        self.pages = pages
        self.name = (
            None if answer is None else Name("taxon", "Leopardus guttulus", "https://a.b/name", lambda _: _given(answer), is_needed=True)
        )

    def start(self, answer: Any) -> Page:
        return Page(next=(self.question(1),))

    def question(self, number: int) -> Question:
        return Question(f"https://a.b/{number}", lambda _: self.page(number))

    def page(self, number: int) -> Page:
        return Page((record(str(number)),), next=(self.question(number + 1),) if number < self.pages else ())

    def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
        return ()


class Answering(Paged):
    """A source that answers by id too: that these keys are there, and one that was not asked for, and that 99 is missing."""

    def __init__(self, pages: int, *there: str) -> None:
        super().__init__(pages)
        self.there = there

    def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
        page = Page(tuple(record(key) for key in (*self.there, "another")), missing=frozenset({"99", "another too"}))
        return (Again(Question("https://a.b/again", lambda _: page), frozenset(record.key for record in records)),)


def _given(answer: dict[str, Any] | GauchoError) -> dict[str, Any]:
    if isinstance(answer, GauchoError):
        raise answer
    return answer


def listed(
    source: Paged,
    names: Names | None = None,
    enough: int = 10**6,
    known: tuple[str, ...] = (),
    lost: tuple[str, ...] = (),
    again: bool = False,
) -> tuple[Listing, list[str]]:
    asked: list[str] = []

    async def ask(address: str, read: Callable[[bytes], Any]) -> Any:
        asked.append(address)
        return read(b"")

    def is_enough(listing: Listing) -> bool:
        return len(listing.records) >= enough

    before, gone = ({key: record(key) for key in keys} for keys in (known, lost))
    return asyncio.run(list_source(source, ask, names or Names(None), is_enough, before, gone, again)), asked


def test_a_source_is_read_to_its_end() -> None:
    listing, asked = listed(Paged(7))
    assert listing.complete
    assert len(listing.records) == len(asked) == 7


def test_listing_stops_when_there_is_enough() -> None:
    listing, asked = listed(Paged(100), enough=5)
    assert not listing.complete
    assert len(asked) == 5


def test_listing_goes_on_a_little_to_see_whether_what_was_kept_before_is_still_there() -> None:
    assert len(listed(Paged(100), enough=5, known=("8",))[1]) == 8
    assert len(listed(Paged(100), enough=5, known=("99",))[1]) == 5 + PATIENCE


def test_a_source_that_goes_on_for_ever_fails_and_keeps_what_it_listed() -> None:
    listing, asked = listed(Paged(10**6))
    assert "goes on for ever" in listing.failure
    assert len(asked) == len(listing.records) == MOST_QUESTIONS
    assert not listing.complete


def test_a_name_is_asked_once_and_kept_beside_the_concepts(tmp_path: Path) -> None:
    path = tmp_path / "concepts.lock.json"
    _, asked = listed(Paged(1, {"id": 41, "name": "Leopardus guttulus"}), Names(path))
    assert asked[0] == "https://a.b/name"
    entry = json.loads(path.read_text())["names"]["taxon: Leopardus guttulus"]
    assert entry["id"] == 41
    assert entry["asked"] == "https://a.b/name"
    _, asked = listed(Paged(1, {"id": 42}), Names(path))
    assert asked == ["https://a.b/1"]


def test_a_changed_answer_is_told_and_never_used(tmp_path: Path) -> None:
    path = tmp_path / "concepts.lock.json"
    listed(Paged(1, {"id": 41}), Names(path))
    before = path.read_bytes()
    listing, asked = listed(Paged(1, {"id": 42}), Names(path), again=True)
    assert "was 41" in listing.failure
    assert "is 42 now; if that is right, remove its entry from concepts.lock.json" in listing.failure
    assert asked == ["https://a.b/name"]
    assert path.read_bytes() == before


def test_an_answer_of_a_shape_that_no_api_would_give_fails_its_source_alone() -> None:
    class Odd(Paged):
        def page(self, number: int) -> Page:
            return Page(tuple(5))  # type: ignore[arg-type]

    assert listed(Odd(3))[0].failure == "here answered what its API would not (TypeError)"


def test_a_list_that_ends_before_its_total_says_nothing_of_what_it_did_not_list() -> None:
    class Cut(Paged):
        def page(self, number: int) -> Page:
            return replace(super().page(number), total=10_000)

    listing, _ = listed(Cut(3), known=("99",))
    assert not listing.complete
    assert listing.note == "1 images that were kept before were not seen again within reach, and stay"


def test_what_is_beyond_what_is_read_is_asked_for_by_id_and_is_there_or_gone() -> None:
    listing, asked = listed(Answering(100, "98", "97"), enough=5, known=("1", "98", "99"), lost=("97", "96"))
    assert asked[-1] == "https://a.b/again"
    assert {"97", "98"} <= listing.records.keys()
    assert listing.gone == {"99"}
    assert "another" not in listing.records
    assert (listing.note, listing.failure, listing.complete) == ("", "", False)


def test_what_an_answer_by_id_does_not_speak_of_stays() -> None:
    listing, _ = listed(Answering(100), enough=5, known=("98",))
    assert listing.gone == set()
    assert listing.note == "1 images that were kept before were not seen again within reach, and stay"


def test_a_list_that_was_read_to_its_end_is_not_asked_again() -> None:
    listing, asked = listed(Answering(3), known=("99",))
    assert asked == ["https://a.b/1", "https://a.b/2", "https://a.b/3"]
    assert listing.complete


def test_answers_by_id_that_go_on_for_ever_or_fail_say_nothing() -> None:
    class Endless(Answering):
        def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
            question = Question("https://a.b/again", lambda _: Page(next=(question,)))
            return (Again(question, frozenset({"99"})),)

    listing, _ = listed(Endless(100), enough=5, known=("99",))
    assert listing.note == "1 images that were kept before were not seen again within reach (too many questions), and stay"
    assert (listing.failure, listing.gone) == ("", set())

    class Failing(Answering):
        def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
            return (Again(Question("https://a.b/again", lambda _: _fail()), frozenset({"99"})),)

    listing, _ = listed(Failing(100), enough=5, known=("99",))
    assert "(a.b answered 500), and stay" in listing.note
    assert (listing.failure, listing.gone) == ("", set())


def _fail() -> Page:
    raise GauchoError("a.b answered 500")


def test_a_name_that_nobody_has_fails_its_source() -> None:
    assert listed(Paged(1, GauchoError("there is no taxon")))[0].failure == "there is no taxon"


@pytest.mark.parametrize("content", ["", "[]", '{"names": []}', '{"names": {"taxon: x": 7}}', '{"names": {"taxon: x": {}}}'])
def test_a_lock_file_that_is_none_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "concepts.lock.json").write_text(content)
    with pytest.raises(ConfigError, match=r"concepts\.lock\.json: is not a file of names and ids"):
        Names(tmp_path / "concepts.lock.json")
