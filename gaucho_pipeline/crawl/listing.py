"""What a source lists now: its questions are asked one after the other, until there is enough, no more, or no sense in it.

Asking is given as a function, so that nothing here knows how. A source that fails keeps what it listed before it failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gaucho_pipeline.crawl.commons import Unclear
from gaucho_pipeline.crawl.names import Names
from gaucho_pipeline.crawl.records import Record
from gaucho_pipeline.crawl.sources import Name, Page, Source
from gaucho_pipeline.errors import GauchoError

Ask = Callable[[str, Callable[[bytes], Any]], Awaitable[Any]]
"""Asks an address and has the answer read, again if the API is busy. Raises GauchoError if it cannot."""

MOST_QUESTIONS = 500
"""To one source in one crawl; Commons' largest search needs 200."""
FRUITLESS_QUESTIONS = 100
"""In a row without a new record, after which a source goes on for ever."""
PATIENCE = 5
"""Questions more, when there is enough, to see whether what was kept before is still there."""


@dataclass
class Listing:
    """What one source listed."""

    origin: str
    records: dict[str, Record] = field(default_factory=dict)
    unusable: dict[str, dict[str, Any]] = field(default_factory=dict)
    questions: int = 0
    total: int | None = None
    """How many the source says there are."""
    complete: bool = False
    """Whether it was read to its end, and gave as many as it says there are: what it did not list is gone."""
    gone: set[str] = field(default_factory=set)
    """Keys that it listed once and, asked for them by their ids, does not know now."""
    failure: str = ""
    note: str = ""

    def take(self, page: Page) -> int:
        """Takes a page in; returns how many of its records are new."""
        before = len(self.records) + len(self.unusable)
        for record in page.records:
            self.records.setdefault(record.key, record)
        for row in page.unusable:
            self.unusable.setdefault(row["key"], row)
        self.total = page.total if page.total is not None else self.total
        return len(self.records) + len(self.unusable) - before


async def list_source(
    source: Source,
    ask: Ask,
    names: Names,
    is_enough: Callable[[Listing], bool],
    known: Mapping[str, Record],
    lost: Mapping[str, Record] | None = None,
    again: bool = False,
) -> Listing:
    """Asks a source for what it lists, and what became of `known`, which it listed before, by key.

    `lost` is what was gone before and may be back. With `again`, names are asked anew and compared.

    What goes wrong with the source is its `failure`: the others' images stand.
    """
    listing, unasked = Listing(source.origin), ""
    try:
        answer = await _id_of(source.name, ask, names, again) if source.name and source.name.is_needed else None
        await _list(source.start(answer), listing, ask, is_enough, known)
        if source.name and not source.name.is_needed:
            answer = await _id_of(source.name, ask, names, again or (listing.complete and not listing.records))
            if listing.complete and not listing.records and answer:
                listing.note = f"{source.name.text} exists and holds no files"
        if not listing.complete:
            sought = [r for key, r in {**(lost or {}), **known}.items() if key not in listing.records and key not in listing.unusable]
            unasked = await _look_again(source, sought, listing, ask)
    except Unclear as error:
        listing.note, listing.complete = str(error), listing.complete and bool(listing.records)
    except GauchoError as error:
        listing.failure, listing.complete = str(error), False
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:  # an answer of a shape that no API would give
        listing.failure, listing.complete = f"{listing.origin} answered what its API would not ({type(error).__name__})", False
    unseen = sum(all(key not in told for told in (listing.records, listing.unusable, listing.gone)) for key in known)
    if unseen and not listing.complete and not listing.failure:
        why = f" ({unasked})" if unasked else ""
        listing.note = f"{unseen} images that were kept before were not seen again within reach{why}, and stay"
    return listing


async def _list(page: Page, listing: Listing, ask: Ask, is_enough: Callable[[Listing], bool], known: Collection[str]) -> None:
    questions, asked, fruitless, beyond = deque(page.next), set[str](), 0, 0
    listing.take(page)
    while questions:
        if is_enough(listing):
            if all(key in listing.records for key in known) or beyond >= PATIENCE:
                return
            beyond += 1
        question = questions.popleft()
        if question.address in asked or fruitless >= FRUITLESS_QUESTIONS or len(asked) >= MOST_QUESTIONS:
            raise GauchoError(f"{listing.origin} goes on for ever; {len(listing.records)} records were read")
        asked.add(question.address)
        listing.questions += 1
        page = await ask(question.address, question.read)
        fruitless = 0 if listing.take(page) else fruitless + 1
        questions.extend(page.next)
    listed = len(listing.records) + len(listing.unusable)
    listing.complete = page.is_end and (listing.total is None or listed >= listing.total)


async def _look_again(source: Source, unseen: Sequence[Record], listing: Listing, ask: Ask) -> str:
    """Asks for images by their ids, because the list is longer than what was read of it; why not for all of them, if so."""
    try:
        for again in source.again(unseen):
            questions, asked = deque([again.question]), 0
            while questions:
                if listing.questions >= MOST_QUESTIONS or asked > len(again.keys) + PATIENCE:
                    return "too many questions"
                question, asked = questions.popleft(), asked + 1
                listing.questions += 1
                page = await ask(question.address, question.read)
                listing.records |= {record.key: record for record in page.records if record.key in again.keys}
                listing.unusable |= {row["key"]: row for row in page.unusable if row["key"] in again.keys}
                listing.gone |= page.missing & again.keys
                questions.extend(page.next)
    except GauchoError as error:
        return str(error)
    return ""


async def _id_of(name: Name, ask: Ask, names: Names, again: bool) -> dict[str, Any]:
    """The answer to a name: the one that is kept, or a new one, which is kept then.

    Raises GauchoError if the new answer has another id than the one that is kept: it is never silently used.
    """
    kept = names.get(name.kind, name.text)
    if kept is not None and not again:
        return kept
    answer = await ask(name.address, name.read)
    if kept is None:
        names.keep(name.kind, name.text, name.address, answer)
    elif kept["id"] != answer["id"]:
        raise GauchoError(
            f"{name.kind} {name.text!r} was {kept['id']} on {kept.get('answered_on', 'an earlier day')} and is {answer['id']} now; "
            f"if that is right, remove its entry from {names.path.name if names.path else 'the lock file'}"
        )
    return answer if kept is None else kept
