"""The crawl itself: lists the sources, decides what is wanted, fetches it once, and keeps a journal.

What a source says is in its module, which images are wanted in `selection.py`, how hosts are asked in `fetching.py`. Scrapy's reactor
starts once in a process, so a process crawls once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import scrapy
from scrapy.crawler import AsyncCrawlerProcess

from gaucho_pipeline.concepts.crawl import CrawlSpec
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.crawl.contact import allowed_private_hosts
from gaucho_pipeline.crawl.fetch_errors import FetchError, OptedOut
from gaucho_pipeline.crawl.fetching import Web, settings
from gaucho_pipeline.crawl.file_rights import GENERATED, FileRights, read_file_rights, refusal_by_file
from gaucho_pipeline.crawl.journal import Journal
from gaucho_pipeline.crawl.listing import Listing, list_source, refuse_losses
from gaucho_pipeline.crawl.rate_limits import PRIVATE
from gaucho_pipeline.crawl.safety import bound_headers
from gaucho_pipeline.crawl.same_bytes import drop_placeholders, drop_restricted_elsewhere
from gaucho_pipeline.crawl.selection import is_enough, refusal_of, round_robin
from gaucho_pipeline.errors import ForgottenError, GauchoError, _
from gaucho_pipeline.images.files import is_image
from gaucho_pipeline.sources.base import ImageSource
from gaucho_pipeline.sources.records import Record
from gaucho_pipeline.stage.reporter import Progress, Reporter
from gaucho_pipeline.store.forgotten import FORGOTTEN, Forgotten
from gaucho_pipeline.store.store import Store


@dataclass
class Crawl:
    """One crawl of one concept: what it starts from, and what it has found so far."""

    spec: CrawlSpec
    sources: Sequence[ImageSource]
    store: Store
    lock_file: LockFile
    reporter: Reporter
    forgotten: Forgotten = field(default_factory=Forgotten)
    """What must not come back."""
    previous_records: dict[str, Record] = field(default_factory=dict)
    """What the crawl that stands has kept, by key."""
    previous_sha256: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the bytes of each, by key."""
    previous_gone: dict[str, Record] = field(default_factory=dict)
    """What it has found gone, by key."""
    listings: list[Listing] = field(default_factory=list)
    refused: dict[str, tuple[Record, str]] = field(default_factory=dict)
    order: list[Record] = field(default_factory=list)
    """What may be fetched, in a fair order."""
    kept: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the bytes, by key."""
    failed: dict[str, FetchError] = field(default_factory=dict)
    accept_losses: bool = False
    """Whether somebody has said that a source may lose more than half of its images at once."""
    flags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What files say of themselves beside their rights, by key."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where this crawl may go."""
        return tuple(sorted({h for s in self.sources for h in (*s.api_hosts, *s.media_hosts)} | set(self.spec.media_hosts)))

    @property
    def access(self) -> WebAccess:
        """What its visit to the web is bound by."""
        return WebAccess(self.sources, self.hosts, self.store.root, self.spec.timeout, self.spec.max_image_bytes, self.reporter.info)

    def media_hosts(self, origin: str) -> tuple[str, ...]:
        """Where images of a source may come from: a private host only where the source itself names it, for its list or for its images."""
        source = next(source for source in self.sources if source.origin == origin)
        own = [host for host in source.api_hosts if host in allowed_private_hosts()]
        return (*source.media_hosts, *self.spec.media_hosts, *own)

    def failed_origin(self, origin: str) -> bool:
        return any(listing.failure for listing in self.listings if listing.origin == origin)

    def add(self, listing: Listing) -> None:
        """Takes in what a source listed. A source that failed, or was not read to its end, says nothing of what it gave before."""
        if not listing.complete:
            for key, record in self.previous_records.items():
                if record.origin == listing.origin and key not in listing.gone and key not in listing.unusable:
                    listing.records.setdefault(key, record)
        self.listings.append(listing)

    def decide(self) -> None:
        """Sorts what was listed into what may be fetched, in order, and what may not, with the reason."""
        queues: list[list[Record]] = []
        for listing in self.listings:
            queues.append([])
            hosts = self.media_hosts(listing.origin)
            for record in listing.records.values():
                if reason := FORGOTTEN if self.forgotten.is_listed((record.key, record.bytes_id)) else refusal_of(record, self.spec, hosts):
                    self.refused.setdefault(record.key, (record, reason))
                else:
                    queues[-1].append(record)
        self.order = round_robin(queues, self.previous_records)
        for record in self.order:
            self.refused.pop(record.key, None)

    def cut(self) -> None:
        """Leaves what is beyond max_images and max_bytes, in order, so that it does not matter what arrived first."""
        count = total = 0
        full = ""
        for record in self.order:
            if record.key in self.refused:
                continue  # it was known by its bytes only
            if not full and record.key in self.kept:
                size = self.store.blob_size(self.kept[record.key])
                if count == self.spec.max_images:
                    full = "more than max_images"
                elif total + size > self.spec.max_bytes:
                    full = "more than max_bytes"
                else:
                    count, total = count + 1, total + size
            elif not full and record.key not in self.failed:
                full = "more than max_images" if count == self.spec.max_images else "more than max_bytes"
            if full:
                self.kept.pop(record.key, None)
                self.failed.pop(record.key, None)
                self.refused[record.key] = (record, full)


async def list_sources(crawl: Crawl, web: Web | None, refresh_lock: bool = False) -> None:
    """Lists the sources and decides, and fetches no image. With `refresh_lock`, names are asked again and compared."""
    if web and web.api_hosts:
        crawl.reporter.info(
            _("asking {api_hosts} (APIs: robots.txt is for pages, and is not asked for them)", api_hosts=", ".join(sorted(web.api_hosts)))
        )
    for source in crawl.sources:
        previous = _of_origin(crawl.previous_records, source.origin)
        previous_gone = _of_origin(crawl.previous_gone, source.origin)
        ask = web.ask if web else _nobody
        enough = partial(is_enough, spec=crawl.spec, media_hosts=crawl.media_hosts(source.origin))
        listing = await list_source(source, ask, crawl.lock_file, enough, previous, previous_gone, refresh_lock)
        if source.api_hosts and not crawl.accept_losses:
            refuse_losses(listing, previous)
        crawl.reporter.info(_summary(listing))
        crawl.add(listing)
    crawl.decide()


def _of_origin(records: Mapping[str, Record], origin: str) -> dict[str, Record]:
    return {key: record for key, record in records.items() if record.origin == origin}


def _summary(listing: Listing) -> str:
    of_all = f" of {listing.total}" if listing.total is not None else ""
    why = listing.failure or listing.note
    return f"{listing.origin}: {len(listing.records)}{of_all} records, {listing.requests} requests{f'; {why}' if why else ''}"


async def download(crawl: Crawl, web: Web | None, journal: Journal) -> None:
    """Fetches what is wanted, in order: no more at once than may still be kept, so that nothing is fetched in vain."""
    waiting = [record for record in crawl.order[: crawl.spec.max_images] if record.is_file or record.bytes_id not in journal.fetched]
    progress = crawl.reporter.progress("fetching", len(waiting), "images")
    downloads = _Downloads(crawl, web, journal, progress)
    remaining, pending = iter(crawl.order), set[asyncio.Task[None]]()
    while True:
        while len(pending) < PRIVATE.connections and downloads.has_room(len(pending)) and (record := next(remaining, None)):
            downloads.expect(record)
            pending.add(asyncio.create_task(downloads.take(record)))
        if not pending:
            break
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if trouble := next((error for task in done if (error := task.exception())), None):
            for task in pending:
                task.cancel()
            await asyncio.gather(*done, *pending, return_exceptions=True)
            raise trouble  # a full disk, say, ends the crawl
    drop_placeholders(crawl, journal)
    drop_restricted_elsewhere(crawl, journal)
    crawl.cut()


class _Downloads:
    """Takes single records: from the disk, from the journal, or from the web."""

    def __init__(self, crawl: Crawl, web: Web | None, journal: Journal, progress: Progress) -> None:
        self._crawl, self._web, self._journal, self._progress = crawl, web, journal, progress
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._bytes = 0

    def expect(self, record: Record) -> None:
        """Counts what is known to come, so that it does not matter when it comes."""
        known = self._known(record)
        self._bytes += self._crawl.store.blob_size(known) if known else 0

    def _known(self, record: Record) -> str | None:
        sha256 = None if record.is_file else self._journal.fetched.get(record.bytes_id)
        return sha256 if sha256 and self._crawl.store.blob_path(sha256).exists() else None

    def has_room(self, pending: int) -> bool:
        return len(self._crawl.kept) + pending < self._crawl.spec.max_images and self._bytes < self._crawl.spec.max_bytes

    async def take(self, record: Record) -> None:
        expected = self._known(record)
        try:
            async with self._locks[record.bytes_id]:  # two records of the same bytes cost one request
                sha256 = self._from_disk(record) if record.is_file else await self._from_journal_or_web(record)
        except ForgottenError:
            self._crawl.refused[record.key] = (record, FORGOTTEN)
        except FetchError as error:
            self._crawl.failed[record.key] = error
            self._bytes -= self._crawl.store.blob_size(expected) if expected else 0
        else:
            self._crawl.kept[record.key] = sha256
            self._bytes += 0 if expected else self._crawl.store.blob_size(sha256)

    def _from_disk(self, record: Record) -> str:
        path = Path(record.url)
        self._progress.advance()
        try:
            if path.stat().st_size > self._crawl.spec.max_image_bytes:
                raise FetchError(_("too large"))
            content = path.read_bytes()
        except OSError:
            previous = self._crawl.previous_sha256.get(record.key)
            if previous and self._crawl.failed_origin(record.origin) and self._crawl.store.blob_path(previous).exists():
                return previous  # the folder is not there today, and what it gave before is kept
            raise FetchError(_("cannot be read")) from None
        if not is_image(content):
            raise FetchError(_("not an image"))
        self._check_file(record, read_file_rights(content))
        return self._crawl.store.add_blob(content)

    def _check_file(self, record: Record, rights: FileRights) -> None:
        """Raises OptedOut if the file itself forbids the use, or contradicts what its source says of it."""
        if reason := refusal_by_file(rights, record.license, self._crawl.spec.allow_generated):
            raise OptedOut(reason, retry=False)
        if rights.generated:
            self._crawl.flags[record.key] = (GENERATED,)

    async def _from_journal_or_web(self, record: Record) -> str:
        assert self._web is not None  # only files come without the web
        if self._journal.fetched.get(record.bytes_id) in self._crawl.forgotten.sha256:
            raise ForgottenError(_("it was fetched once, and is not again"))
        rights = self._journal.rights.get(record.bytes_id)
        if rights:
            self._check_file(record, rights)
        if known := self._known(record):
            if rights is None:  # an earlier version has fetched it
                rights = read_file_rights(self._crawl.store.blob_path(known).read_bytes())
                self._journal.add(record.bytes_id, known, rights)
                self._check_file(record, rights)
            if reason := await self._web.opted_out(record.url):
                raise OptedOut(reason)
            return known
        if error := self._journal.failed.get(record.bytes_id):
            raise error
        try:
            content = await self._web.image(record.url, self._crawl.media_hosts(record.origin))
        except FetchError as error:
            if error.permanent:
                self._journal.add_failure(record.bytes_id, error)
            raise
        finally:
            self._progress.advance()
        rights = read_file_rights(content)
        self._journal.add(record.bytes_id, hashlib.sha256(content).hexdigest(), rights)
        self._check_file(record, rights)
        return self._crawl.store.add_blob(content)


async def _nobody(url: str, parse: Callable[[bytes], Any]) -> Any:
    raise GauchoError(_("{url} cannot be asked", url=url))


@dataclass(frozen=True)
class WebAccess:
    """What a visit to the web is bound by."""

    sources: Sequence[ImageSource]
    hosts: tuple[str, ...]
    """Where it may go."""
    data: Path
    """The data folder, which keeps how often hosts were asked, and what they answered."""
    timeout: float
    """Seconds that one answer may take."""
    max_image_bytes: int
    tell: Callable[[str], None]
    """Is told once of a host that is left alone."""


def on_the_web(access: WebAccess, work: Callable[[Web | None], Awaitable[None]]) -> Counter[str]:
    """Does some work, with Scrapy's engine if it may go anywhere on the web; returns how often what was asked for.

    Raises ConfigError without a contact for public sites, and whatever the work raises.
    """
    if not access.hosts:
        asyncio.run(_awaited(work(None)))
        return Counter()
    bound_headers()
    process = AsyncCrawlerProcess(settings(access.sources, access.hosts, access.timeout))
    outcome: dict[str, Any] = {}
    process.crawl(CrawlSpider, access=access, work=work, outcome=outcome)
    process.start(install_signal_handlers=False)
    if trouble := outcome.get("trouble"):
        raise trouble
    return outcome["requests"]


async def _awaited(work: Awaitable[None]) -> None:
    await work


class CrawlSpider(scrapy.Spider):
    """Lends Scrapy's engine to the work; it has no requests of its own."""

    name = "gaucho"

    def __init__(self, access: WebAccess, work: Callable[[Web | None], Awaitable[None]], outcome: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._access, self._work, self._outcome = access, work, outcome

    async def start(self) -> AsyncIterator[scrapy.Request]:
        count_file = self._access.data / ".asked" / "today.json"
        web = Web(self.crawler, self._access.sources, count_file, self._access.max_image_bytes, self._access.tell)
        try:
            await self._work(web)
        except BaseException as error:  # the reactor would swallow it
            self._outcome["trouble"] = error
        self._outcome["requests"] = web.requests
        nothing: tuple[scrapy.Request, ...] = ()
        for request in nothing:
            yield request
