"""What a source lists now: its requests are made one after the other, until there is enough, no more, or no sense in it.

Asking is given as a function, so that nothing here knows how. A source that fails keeps what it listed before it failed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.sources.base import ApiPage, ApiRequest, ImageSource, Lookup, Recheck, StatusError, UnclearAnswer, UnusableRecord
from gaucho_pipeline.sources.records import Record
from gaucho_pipeline.spec import JsonObject

Ask = Callable[[str, Callable[[bytes], Any]], Awaitable[Any]]
"""Asks an address and has the answer parsed, again if the API is busy. Raises GauchoError if it cannot."""

MAX_REQUESTS = 500
"""To one source in one crawl; Commons' largest search needs 200."""
MAX_EMPTY_ANSWERS = 100
"""In a row without a new record, after which a source goes on for ever."""
MIN_LOSSES = 3
"""Fewer images may leave at once without anybody's word."""
PATIENCE = 5
"""Requests more, when there is enough, to see whether what was kept before is still there."""


@dataclass
class Listing:
    """What one source listed."""

    origin: str
    records: dict[str, Record] = field(default_factory=dict)
    unusable: dict[str, UnusableRecord] = field(default_factory=dict)
    requests: int = 0
    total: int | None = None
    """How many the source says there are."""
    complete: bool = False
    """Whether it was read to its end, and gave as many as it says there are: what it did not list is gone."""
    gone: set[str] = field(default_factory=set)
    """Keys that it listed once and, asked for them by their ids, does not know now."""
    failure: str = ""
    note: str = ""
    doubt: str = ""
    """Why it may list more than it gave, in its own words."""

    def add(self, page: ApiPage) -> int:
        """Takes a page in; returns how many of its records are new."""
        count = len(self.records) + len(self.unusable)
        for record in page.records:
            self.records.setdefault(record.key, record)
        for each in page.unusable:
            self.unusable.setdefault(each.key, each)
        self.total = max(page.total, self.total or 0) if page.total is not None else self.total  # one that shrinks lacks something
        self.doubt = self.doubt or page.doubt
        return len(self.records) + len(self.unusable) - count

    def tell(self, note: str) -> None:
        """Adds what a person should know of it."""
        self.note = f"{self.note}; {note}" if self.note else note


async def list_source(
    source: ImageSource,
    ask: Ask,
    lock_file: LockFile,
    is_enough: Callable[[Listing], bool],
    previous: Mapping[str, Record],
    previous_gone: Mapping[str, Record] | None = None,
    refresh_lock: bool = False,
) -> Listing:
    """Asks a source for what it lists, and what became of `previous`, which it listed before, by key.

    `previous_gone` is what was gone before and may be back. With `refresh_lock`, names are asked again and compared.

    What goes wrong with the source is its `failure`: the others' images are kept.
    """
    listing, unasked = Listing(source.origin), ""
    try:
        answer = await _id_of(source.lookup, ask, lock_file, refresh_lock) if source.lookup and source.lookup.required else None
        await _list(source.start(answer), listing, ask, is_enough, previous)
        if source.lookup:
            await _ask_of_name(source.lookup, listing, ask, lock_file, refresh_lock)
        unasked = await _seek(source, listing, ask, previous, previous_gone or {})
    except GauchoError as error:
        listing.failure, listing.complete = str(error), False
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:  # an answer of a shape that no API would give
        listing.failure, listing.complete = f"{listing.origin} answered what its API would not ({type(error).__name__})", False
    unseen = sum(all(key not in seen for seen in (listing.records, listing.unusable, listing.gone)) for key in previous)
    if unseen and not listing.complete and not listing.failure:
        why = f" ({unasked})" if unasked else ""
        listing.tell(f"{unseen} images that were kept before were not seen again within reach{why}, and stay")
    return listing


def refuse_losses(listing: Listing, previous: Collection[str]) -> None:
    """Has a source fail that would lose more than half of what it had at once: then what it gave before stays, and its check says so."""
    listed = {**listing.records, **listing.unusable}
    leaving = [key for key in previous if key in listing.gone or (listing.complete and key not in listed)]
    if len(leaving) >= MIN_LOSSES and 2 * len(leaving) > len(previous):
        listing.failure = _(
            "{origin}: {number} of {count} images that it had are gone at once; nothing goes until somebody says that this is right: "
            "gaucho run CONCEPT --select raw_crawl --accept-losses",
            origin=listing.origin,
            number=len(leaving),
            count=len(previous),
        )
        listing.complete = False
        listing.gone.clear()


async def _list(page: ApiPage, listing: Listing, ask: Ask, is_enough: Callable[[Listing], bool], previous: Collection[str]) -> None:
    requests, asked, fruitless, beyond = deque(page.next), set[str](), 0, 0
    listing.add(page)
    while requests:
        if is_enough(listing):
            if all(key in listing.records for key in previous) or beyond >= PATIENCE:
                return
            beyond += 1
        request = requests.popleft()
        if request.url in asked or fruitless >= MAX_EMPTY_ANSWERS or len(asked) >= MAX_REQUESTS:
            raise GauchoError(_("{origin} goes on for ever; {count} records were read", origin=listing.origin, count=len(listing.records)))
        asked.add(request.url)
        listing.requests += 1
        page = await ask(request.url, request.parse)
        fruitless = 0 if listing.add(page) else fruitless + 1
        requests.extend(page.next)
    listed = len(listing.records) + len(listing.unusable)
    listing.complete = page.is_end and not listing.doubt and (listing.total is None or listed >= listing.total)
    if listing.doubt:
        listing.tell(f"the list is not whole: {listing.doubt}")


async def _ask_of_name(lookup: Lookup, listing: Listing, ask: Ask, lock_file: LockFile, refresh_lock: bool) -> None:
    """Tells what is missing from what is empty: the name of an empty list is asked again, since it may be another one's now.

    Raises GauchoError if its id is another one.
    """
    is_empty = listing.complete and not listing.records and not listing.unusable
    if lookup.required and not is_empty:
        return
    try:
        await _id_of(lookup, ask, lock_file, refresh_lock or is_empty)
    except UnclearAnswer as error:
        listing.tell(str(error))
        listing.complete = listing.complete and not is_empty
    else:
        if is_empty:
            if lookup.required:
                listing.tell(_("{what} exists and lists nothing", what=lookup.text))
            else:
                listing.tell(_("{what} exists and holds no files", what=lookup.text))


async def _seek(source: ImageSource, listing: Listing, ask: Ask, previous: Mapping[str, Record], gone: Mapping[str, Record]) -> str:
    """Asks by their ids for images that were listed before and are not now; why not for all of them, if so.

    What is still there stays, also where the list is whole: a file that was moved to another category, say. Nothing goes on the word
    of an API that lists nothing at all.
    """
    listed, was_whole, was_empty = {**listing.records, **listing.unusable}, listing.complete, not listing.records
    sought = [record for key, record in (previous if was_whole else {**gone, **previous}).items() if key not in listed]
    unasked = await _recheck(source, sought, listing, ask) if sought else ""
    listing.complete = was_whole and not unasked and not (was_empty and source.api_hosts)
    still = [listing.records[record.key] for record in sought if was_whole and record.key in listing.records]
    if still:
        labels = Counter(label for record in still for label in record.labels[1:])
        where = f" (now in: {', '.join(label for label, _unused in labels.most_common(3))})" if labels else ""
        listing.tell(f"{len(still)} images are not on this list any more and still there, and stay{where}")
    return unasked


async def _recheck(source: ImageSource, unseen: Sequence[Record], listing: Listing, ask: Ask) -> str:
    """Asks for images by their ids, because the list is longer than what was read of it; why not for all of them, if so."""
    try:
        for recheck in source.recheck_by_id(unseen):
            requests, asked = deque([recheck.request]), 0
            while requests:
                if listing.requests >= MAX_REQUESTS or asked > len(recheck.keys) + PATIENCE:
                    return "too many requests"
                request, asked = requests.popleft(), asked + 1
                listing.requests += 1
                page = await _asked_again(recheck, request, ask)
                listing.records |= {record.key: record for record in page.records if record.key in recheck.keys}
                listing.unusable |= {each.key: each for each in page.unusable if each.key in recheck.keys}
                listing.gone |= page.missing & recheck.keys
                requests.extend(page.next)
    except GauchoError as error:
        return str(error)
    return ""


async def _asked_again(recheck: Recheck, request: ApiRequest, ask: Ask) -> ApiPage:
    try:
        found: ApiPage = await ask(request.url, request.parse)
    except StatusError as error:
        if not recheck.says_gone(error):
            raise
        return ApiPage(missing=recheck.keys)
    return found


async def _id_of(lookup: Lookup, ask: Ask, lock_file: LockFile, refresh_lock: bool) -> JsonObject:
    """The answer to a look-up: the one that is kept, or a new one, which is kept then.

    Raises GauchoError if the new answer has another id than the one that is kept: it is never silently used.
    """
    kept = lock_file.get(lookup.kind, lookup.text)
    if kept is not None and not refresh_lock:
        return kept
    answer = await ask(lookup.url, lookup.parse)
    if kept is None:
        lock_file.add(lookup.kind, lookup.text, lookup.url, answer)
    elif kept["id"] != answer["id"]:
        raise GauchoError(
            _(
                "{kind} {text!r} was {kept} on {answered_on} and is {answer} now; if that is right, remove its entry from {file}",
                kind=lookup.kind,
                text=lookup.text,
                kept=kept["id"],
                answered_on=kept.get("answered_on", "an earlier day"),
                answer=answer["id"],
                file=lock_file.path.name if lock_file.path else "the lock file",
            )
        )
    return answer if kept is None else kept
