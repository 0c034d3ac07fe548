"""Listing a source: what is asked, when it stops, and how names are kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.crawl.listing import MAX_REQUESTS, PATIENCE, Listing, list_source, refuse_losses
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.rights.licenses import parse_license
from gaucho_pipeline.sources.base import ApiPage, ApiRequest, Lookup, Recheck, StatusError
from gaucho_pipeline.sources.records import Record


def record(key: str) -> Record:
    return Record(key, "here", f"https://a.b/{key}", key, "a", "https://a.b", parse_license("cc0"))


class Paged:
    """A source of so many pages of one record, with a name that must be known first."""

    origin, api_hosts, media_hosts = "here", ("a.b",), ("a.b",)

    def __init__(self, pages: int, answer: dict[str, Any] | GauchoError | None = None) -> None:
        self.pages = pages
        self.lookup = (
            None if answer is None else Lookup("taxon", "Leopardus guttulus", "https://a.b/name", lambda _: _given(answer), required=True)
        )

    def start(self, answer: Any) -> ApiPage:
        return ApiPage(next=(self.request(1),))

    def request(self, number: int) -> ApiRequest:
        return ApiRequest(f"https://a.b/{number}", lambda _: self.page(number))

    def page(self, number: int) -> ApiPage:
        return ApiPage((record(str(number)),), next=(self.request(number + 1),) if number < self.pages else ())

    def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
        return ()


class Answering(Paged):
    """A source that answers by id too: that these keys are there, and one that was not asked for, and that 99 is missing."""

    def __init__(self, pages: int, *there: str) -> None:
        super().__init__(pages)
        self.there = there

    def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
        page = ApiPage(tuple(record(key) for key in (*self.there, "another")), missing=frozenset({"99", "another too"}))
        return (Recheck(ApiRequest("https://a.b/again", lambda _: page), frozenset(record.key for record in records)),)


def _given(answer: dict[str, Any] | GauchoError) -> dict[str, Any]:
    if isinstance(answer, GauchoError):
        raise answer
    return answer


def listed(
    source: Paged,
    lock_file: LockFile | None = None,
    enough: int = 10**6,
    previous: tuple[str, ...] = (),
    previous_gone: tuple[str, ...] = (),
    refresh_lock: bool = False,
) -> tuple[Listing, list[str]]:
    asked: list[str] = []

    async def ask(url: str, parse: Callable[[bytes], Any]) -> Any:
        asked.append(url)
        return parse(b"")

    def is_enough(listing: Listing) -> bool:
        return len(listing.records) >= enough

    known, gone = ({key: record(key) for key in keys} for keys in (previous, previous_gone))
    return asyncio.run(list_source(source, ask, lock_file or LockFile(None), is_enough, known, gone, refresh_lock)), asked


def test_a_source_is_read_to_its_end() -> None:
    listing, asked = listed(Paged(7))
    assert listing.complete
    assert len(listing.records) == len(asked) == 7


def test_listing_stops_when_there_is_enough() -> None:
    listing, asked = listed(Paged(100), enough=5)
    assert not listing.complete
    assert len(asked) == 5


def test_listing_goes_on_a_little_to_see_whether_what_was_kept_before_is_still_there() -> None:
    assert len(listed(Paged(100), enough=5, previous=("8",))[1]) == 8
    assert len(listed(Paged(100), enough=5, previous=("99",))[1]) == 5 + PATIENCE


def test_a_source_that_goes_on_for_ever_fails_and_keeps_what_it_listed() -> None:
    listing, asked = listed(Paged(10**6))
    assert "goes on for ever" in listing.failure
    assert len(asked) == len(listing.records) == MAX_REQUESTS
    assert not listing.complete


def test_a_name_is_asked_once_and_kept_beside_the_concepts(tmp_path: Path) -> None:
    path = tmp_path / "concepts.lock.json"
    _, asked = listed(Paged(1, {"id": 41, "name": "Leopardus guttulus"}), LockFile(path))
    assert asked[0] == "https://a.b/name"
    entry = json.loads(path.read_text())["names"]["taxon: Leopardus guttulus"]
    assert entry["id"] == 41
    assert entry["asked"] == "https://a.b/name"
    _, asked = listed(Paged(1, {"id": 42}), LockFile(path))
    assert asked == ["https://a.b/1"]


def test_a_changed_answer_is_reported_and_never_used(tmp_path: Path) -> None:
    path = tmp_path / "concepts.lock.json"
    listed(Paged(1, {"id": 41}), LockFile(path))
    before = path.read_bytes()
    listing, asked = listed(Paged(1, {"id": 42}), LockFile(path), refresh_lock=True)
    assert "was 41" in listing.failure
    assert "is 42 now; if that is right, remove its entry from concepts.lock.json" in listing.failure
    assert asked == ["https://a.b/name"]
    assert path.read_bytes() == before


def test_an_answer_of_a_shape_that_no_api_would_give_fails_its_source_alone() -> None:
    class Odd(Paged):
        def page(self, number: int) -> ApiPage:
            return ApiPage(tuple(5))  # type: ignore[arg-type]

    assert listed(Odd(3))[0].failure == "here answered what its API would not (TypeError)"


def test_a_list_that_ends_before_its_total_says_nothing_of_what_it_did_not_list() -> None:
    class Cut(Paged):
        def page(self, number: int) -> ApiPage:
            return replace(super().page(number), total=10_000)

    listing, _ = listed(Cut(3), previous=("99",))
    assert not listing.complete
    assert listing.note == "1 images that were kept before were not seen again within reach, and stay"


def test_what_is_beyond_what_is_read_is_asked_for_by_id_and_is_there_or_gone() -> None:
    listing, asked = listed(Answering(100, "98", "97"), enough=5, previous=("1", "98", "99"), previous_gone=("97", "96"))
    assert asked[-1] == "https://a.b/again"
    assert {"97", "98"} <= listing.records.keys()
    assert listing.gone == {"99"}
    assert "another" not in listing.records
    assert (listing.note, listing.failure, listing.complete) == ("", "", False)


def test_what_an_answer_by_id_does_not_speak_of_stays() -> None:
    listing, _ = listed(Answering(100), enough=5, previous=("98",))
    assert listing.gone == set()
    assert listing.note == "1 images that were kept before were not seen again within reach, and stay"


def test_what_left_a_list_that_is_whole_is_asked_for_by_id_before_it_leaves() -> None:
    listing, asked = listed(Answering(3, "98"), previous=("1", "98", "99"), previous_gone=("96",))
    assert asked == ["https://a.b/1", "https://a.b/2", "https://a.b/3", "https://a.b/again"]
    assert listing.complete
    assert listing.gone == {"99"}
    assert "98" in listing.records
    assert listing.note == "1 images are not on this list any more and still there, and stay"
    assert listed(Answering(3), previous=("1", "2"))[1] == ["https://a.b/1", "https://a.b/2", "https://a.b/3"]


def test_what_cannot_be_asked_for_by_id_does_not_leave() -> None:
    class Failing(Answering):
        def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
            return (Recheck(ApiRequest("https://a.b/again", lambda _: _fail()), frozenset({"99"})),)

    listing, _ = listed(Failing(3), previous=("1", "99"))
    assert not listing.complete
    assert listing.note == "1 images that were kept before were not seen again within reach (a.b answered 500), and stay"


class Empty(Paged):
    """A source that lists nothing."""

    def page(self, number: int) -> ApiPage:
        return ApiPage()


def test_nothing_goes_on_the_word_of_a_source_that_lists_nothing() -> None:
    listing, _ = listed(Empty(1), previous=("1", "2"))
    assert not listing.complete
    assert "2 images that were kept before were not seen again within reach, and stay" in listing.note


def test_the_id_of_a_name_that_lists_nothing_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "concepts.lock.json"
    listed(Paged(1, {"id": 77}), LockFile(path))
    same, asked = listed(Empty(1, {"id": 77}), LockFile(path), previous=("1",))
    assert asked == ["https://a.b/1", "https://a.b/name"]
    assert same.note.startswith("Leopardus guttulus exists and lists nothing; 1 images that were kept before")
    moved, _ = listed(Empty(1, {"id": 88}), LockFile(path), previous=("1",))
    assert "was 77" in moved.failure
    assert "is 88 now" in moved.failure


def test_a_list_of_which_one_page_is_in_doubt_is_not_whole() -> None:
    class Doubtful(Paged):
        def page(self, number: int) -> ApiPage:
            return replace(super().page(number), doubt="partial results" if number == 1 else "")

    listing, _ = listed(Doubtful(3), previous=("99",))
    assert not listing.complete
    assert listing.note.startswith("the list is not whole: partial results; 1 images that were kept before were not seen again")


def test_a_total_that_shrinks_while_it_is_read_makes_a_list_that_is_not_whole() -> None:
    class Shrinking(Paged):
        def page(self, number: int) -> ApiPage:
            return replace(super().page(number), total=4 - number)

    assert not listed(Shrinking(2), previous=("99",))[0].complete


def test_answers_by_id_that_go_on_for_ever_or_fail_say_nothing() -> None:
    class Endless(Answering):
        def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
            question = ApiRequest("https://a.b/again", lambda _: ApiPage(next=(question,)))
            return (Recheck(question, frozenset({"99"})),)

    listing, _ = listed(Endless(100), enough=5, previous=("99",))
    assert listing.note == "1 images that were kept before were not seen again within reach (too many requests), and stay"
    assert (listing.failure, listing.gone) == ("", set())

    class Failing(Answering):
        def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
            return (Recheck(ApiRequest("https://a.b/again", lambda _: _fail()), frozenset({"99"})),)

    listing, _ = listed(Failing(100), enough=5, previous=("99",))
    assert "(a.b answered 500), and stay" in listing.note
    assert (listing.failure, listing.gone) == ("", set())


@pytest.mark.parametrize(("is_answer", "gone"), [(True, {"99"}), (False, set())])
def test_a_status_says_that_something_is_gone_only_where_its_source_reads_it_so(is_answer: bool, gone: set[str]) -> None:
    class Deleted(Answering):
        def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
            return (Recheck(ApiRequest("https://a.b/again", lambda _: _refuse()), frozenset({"99"}), lambda error: is_answer),)

    listing, _ = listed(Deleted(100), enough=5, previous=("99",))
    assert listing.gone == gone
    assert ("answered 404" in listing.note) == (not is_answer)


def _refuse() -> ApiPage:
    raise StatusError("a.b", 404, b"")


def _fail() -> ApiPage:
    raise GauchoError("a.b answered 500")


def test_a_name_that_nobody_has_fails_its_source() -> None:
    assert listed(Paged(1, GauchoError("there is no taxon")))[0].failure == "there is no taxon"


@pytest.mark.parametrize("content", ["", "[]", '{"names": []}', '{"names": {"taxon: x": 7}}', '{"names": {"taxon: x": {}}}'])
def test_a_lock_file_that_is_none_is_reported(content: str, tmp_path: Path) -> None:
    (tmp_path / "concepts.lock.json").write_text(content)
    with pytest.raises(ConfigError, match=r"concepts\.lock\.json: is not a file of names and ids"):
        LockFile(tmp_path / "concepts.lock.json")


class BrokenOff(Paged):
    """A source whose last page says that the list is not at its end."""

    def page(self, number: int) -> ApiPage:
        return replace(super().page(number), is_end=False)


def test_a_list_that_breaks_off_is_not_whole() -> None:
    listing, _ = listed(BrokenOff(2), previous=("99",))
    assert not listing.complete
    assert not listing.gone


def test_two_crawls_keep_each_others_ids(tmp_path: Path) -> None:
    one, other = LockFile(tmp_path / "lock.json"), LockFile(tmp_path / "lock.json")
    one.add("taxon", "a", "https://a", {"id": 1})
    other.add("taxon", "b", "https://b", {"id": 2})
    assert set(json.loads((tmp_path / "lock.json").read_text())["names"]) == {"taxon: a", "taxon: b"}


@pytest.mark.parametrize(
    ("previous", "fails"),
    [(("1", "2", "97", "98", "99"), True), (("1", "2", "3", "97", "98", "99"), False), (("1", "98", "99"), False), ((), False)],
)
def test_a_source_that_loses_more_than_half_at_once_fails_and_loses_nothing(previous: tuple[str, ...], fails: bool) -> None:
    listing, _ = listed(Answering(3), previous=previous)
    refuse_losses(listing, previous)
    assert bool(listing.failure) is fails
    assert listing.complete is not fails
    if fails:
        assert "3 of 5 images that it had are gone at once" in listing.failure
        assert "--accept-losses" in listing.failure
        assert listing.gone == set()
