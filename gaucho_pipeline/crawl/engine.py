"""The crawl itself: asks the sources, decides what may be fetched, fetches it once, and keeps a journal.

A source turns its part of the specification into addresses and answers into records; politeness, retries, rights,
files and resuming are here. Scrapy's reactor starts once in a process, so a process crawls once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import scrapy
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response
from twisted.python.failure import Failure

from gaucho_pipeline.artifacts import Store, read_table
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import CrawlSpec, FolderSource, OpenverseSource
from gaucho_pipeline.crawl import folder, openverse
from gaucho_pipeline.crawl.contact import user_agent
from gaucho_pipeline.crawl.records import Record
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.rights import refusal
from gaucho_pipeline.stage import Progress, Reporter

API_DELAY_SECONDS = {"api.openverse.org": 3.2}
"""20 requests a minute without a key: https://docs.openverse.org/api/reference/made_with_ov.html"""

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP", b"P5", b"P6")


def looks_like_an_image(content: bytes) -> bool:
    """Whether bytes begin as a known image format does."""
    return content.startswith(_MAGIC) or content[8:12] == b"WEBP" or content[4:12] in (b"ftypavif", b"ftypavis")


class Journal:
    """What a crawl has done so far, on disk, so that a killed one goes on where it stopped."""

    def __init__(self, path: Path, known: dict[str, str]) -> None:
        self._path = path
        self.finished: dict[str, str] = dict(known)
        """SHA-256 of the bytes by the record's key and address."""
        if path.exists():
            whole = path.read_text(encoding="utf-8").splitlines()
            for line in whole:
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the last line of a killed run
                self.finished[row["key"]] = row["sha256"]

    def add(self, key: str, sha256: str) -> None:
        self.finished[key] = sha256
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"key": key, "sha256": sha256}))


class Crawl:
    """One crawl of one concept: what was found, and what became of each record."""

    def __init__(self, spec: CrawlSpec, store: Store, journal: Journal, reporter: Reporter) -> None:
        self.spec, self.store, self.journal, self.reporter = spec, store, journal, reporter
        self.records: dict[str, Record] = {}
        self.kept: dict[str, dict[str, Any]] = {}
        self.refused: list[dict[str, Any]] = []
        self.failed: dict[str, dict[str, Any]] = {}
        self.failed_sources: dict[str, str] = {}
        self.requests = Counter({"api": 0, "media": 0})
        self.trouble: Exception | None = None
        """What went wrong inside the reactor, which would swallow it; a full disk, say."""

    @property
    def max_bytes(self) -> int:
        return self.spec.max_megabytes * 1_000_000

    def wanted(self) -> list[Record]:
        """The records that may be fetched, in the order of the sources, at most max_images."""
        return [r for r in self.records.values() if refusal(r.license, self.spec.licenses) is None][: self.spec.max_images]

    def list_records(self, records: Iterable[Record], unusable: Iterable[dict[str, Any]]) -> None:
        """Takes a page of records in; one that another source has listed already is not taken twice."""
        for record in map(self._with_own_key, records):
            self.records.setdefault(record.key, record)
        known = {row["key"] for row in self.refused}
        self.refused += [row for row in unusable if row["key"] not in known]

    def _with_own_key(self, record: Record) -> Record:
        """Two folders may hold files of the same name: the second is told apart by its path."""
        other = self.records.get(record.key)
        if other is None or other.media == record.media or not record.key.startswith("folder:"):
            return record
        return replace(record, key=f"{record.key}#{digest(record.media)[:8]}")

    def keep(self, record: Record, content: bytes) -> None:
        if not looks_like_an_image(content):
            self.fail(record, "not an image")
            return
        sha = self.store.add_blob(content)
        self.journal.add(journal_key(record), sha)
        self.keep_known(record, sha)

    def keep_known(self, record: Record, sha: str) -> None:
        size = self.store.blob_path(sha).stat().st_size
        self.kept[record.key] = record.described() | {"sha256": sha, "bytes": size}

    def fail(self, record: Record, reason: str) -> None:
        self.failed[record.key] = {**record.described(), "reason": reason}

    def settle(self) -> None:
        """Names the reason of every record that was not fetched."""
        wanted = {r.key for r in self.wanted()}
        for record in self.records.values():
            if record.key not in wanted:
                reason = refusal(record.license, self.spec.licenses) or "more than max_images"
                self.refused.append({**record.described(), "reason": reason})


def journal_key(record: Record) -> str:
    return f"{record.key} {record.media}"


def crawl(spec: CrawlSpec, store: Store, journal_path: Path, known: dict[str, str], reporter: Reporter) -> Crawl:
    """Runs a crawl to its end.

    `known` gives the SHA-256 of images that were fetched before. Raises ConfigError where it must not start, and
    GauchoError if every source failed.
    """
    user_agent(spec)
    run = Crawl(spec, store, Journal(journal_path, known), reporter)
    if not any(s.openverse for s in spec.sources):
        for source in spec.sources:
            if source.folder:
                _list_folder(run, source.folder)
    else:
        process = AsyncCrawlerProcess(_settings(spec))
        process.crawl(_Spider, run=run)
        process.start(install_signal_handlers=False)
        if run.trouble:
            raise run.trouble
    if run.failed_sources and not run.records:
        raise GauchoError("every source failed: " + "; ".join(f"{k}: {v}" for k, v in run.failed_sources.items()))
    for record in run.wanted():
        if record.key in run.kept or record.key in run.failed:
            continue
        if record.key.startswith("folder:"):
            _take_file(run, record)
        else:
            run.fail(record, "was not fetched")
    run.settle()
    return run


def _list_folder(run: Crawl, source: FolderSource) -> None:
    listing = folder.read_folder(source)
    run.list_records(listing.records, listing.unusable)


def _take_file(run: Crawl, record: Record) -> None:
    known = run.journal.finished.get(journal_key(record))
    try:
        content = folder.read_bytes(record, run.max_bytes)
    except ValueError as error:
        run.fail(record, str(error))
    except OSError:
        run.fail(record, "cannot be read")
    else:
        if known and run.store.add_blob(content) == known:
            run.keep_known(record, known)
        else:
            run.keep(record, content)


def _settings(spec: CrawlSpec) -> dict[str, Any]:
    public_delays = {host: {"concurrency": 1, "delay": delay, "randomize_delay": False} for host, delay in API_DELAY_SECONDS.items()}
    return {
        "USER_AGENT": user_agent(spec),
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS": 8,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 2,
        "DOWNLOAD_SLOTS": public_delays,
        "DOWNLOAD_TIMEOUT": 60,
        "DOWNLOAD_MAXSIZE": spec.max_megabytes * 1_000_000,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "REDIRECT_MAX_TIMES": 5,
        "RETRY_TIMES": 3,
        "COOKIES_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "DNS_RESOLVER": "gaucho_pipeline.crawl.safety.PublicResolver",
        "DOWNLOADER_MIDDLEWARES": {
            "gaucho_pipeline.crawl.safety.OnlyAllowedAddresses": 10,
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
            "gaucho_pipeline.crawl.safety.RobotsObeyed": 100,
        },
        "HTTPERROR_ALLOW_ALL": True,
        "LOG_LEVEL": "ERROR",
        "LOG_INSTALL_ROOT_HANDLER": False,
    }


class _Spider(scrapy.Spider):
    """Asks the APIs in series, then fetches what may be fetched."""

    name = "gaucho"

    def __init__(self, run: Crawl, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_ = run
        self.progress: Progress | None = None

    async def start(self) -> AsyncIterator[scrapy.Request]:
        try:
            for source in self.run_.spec.sources:
                if source.folder:
                    _list_folder(self.run_, source.folder)
                elif source.openverse:
                    await self._list(source.openverse)
            requests = self._media_requests()
        except Exception as error:
            self.run_.trouble, requests = error, []
        for request in requests:
            yield request

    async def _list(self, source: OpenverseSource) -> None:
        """Asks page after page until there are enough images, or no more."""
        origin, page = f"openverse: {source.query}", 1
        address: str | None = openverse.page_address(source, page)
        seen: set[str] = set()
        self.run_.reporter.say(f"asking {source.endpoint} for {source.query!r} (an API: its robots.txt is for pages, and is not asked)")
        while address and len(self.run_.wanted()) < self.run_.spec.max_images:
            try:
                content = await self._ask(address)
                listing = openverse.read_page(source, content, page)
            except GauchoError as error:
                self.run_.failed_sources[origin] = str(error)
                self.run_.reporter.say(f"{origin} failed: {error}")
                return
            self.run_.list_records(listing.records, listing.unusable)
            new = {record.key for record in listing.records} - seen
            seen |= new
            address, page = (listing.next_page if new else None), page + 1

    async def _ask(self, address: str) -> bytes:
        request = scrapy.Request(address, meta={"dont_obey_robotstxt": True}, dont_filter=True)
        self.run_.requests["api"] += 1
        try:
            response = await self.crawler.engine.download_async(request)
        except Exception as error:  # whatever the network does, it is this source's failure alone
            raise GauchoError(f"{urlsplit(address).hostname} {_named(error)}") from None
        if response.status != 200:
            raise GauchoError(f"{urlsplit(address).hostname} answered {response.status}")
        return bytes(response.body)

    def _media_requests(self) -> list[scrapy.Request]:
        run, requests = self.run_, []
        for record in run.wanted():
            if record.key.startswith("folder:"):
                continue
            known = run.journal.finished.get(journal_key(record))
            if known and run.store.blob_path(known).exists():
                run.keep_known(record, known)
            else:
                requests.append(self._media_request(record))
        self.progress = run.reporter.progress("fetching", len(requests), "images")
        return requests

    def _media_request(self, record: Record) -> scrapy.Request:
        def ended(act: Callable[[], None]) -> None:
            try:
                act()
            except Exception as error:
                self.run_.trouble = self.run_.trouble or error
            if self.progress:
                self.progress.advance()

        def arrived(response: Response) -> None:
            self.run_.requests["media"] += 1
            if response.status != 200:
                ended(lambda: self.run_.fail(record, f"HTTP {response.status}"))
            else:
                ended(lambda: self.run_.keep(record, response.body))

        def failed(failure: Failure) -> None:
            ended(lambda: self.run_.fail(record, _named(failure.value)))

        return scrapy.Request(record.media, callback=arrived, errback=failed, dont_filter=True)


def _named(error: BaseException) -> str:
    """A failure in a few words."""
    from gaucho_pipeline.crawl.safety import ForbiddenAddress

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddress):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    text = f"{type(error).__name__} {error}".lower()
    for sign, name in (
        ("robots", "forbidden by robots.txt"), ("timeout", "timed out"), ("refused", "refused the connection"),
        ("dnslookup", "cannot be found"), ("resolver", "cannot be found"), ("cancel", "too large"), ("maxsize", "too large"),
        ("dataloss", "was cut off"), ("responsefailed", "was cut off"), ("ssl", "has a bad certificate"),
    ):  # fmt: skip
        if sign in text:
            return name
    return f"failed ({type(error).__name__})"


def previously_fetched(folder_: Path | None) -> dict[str, str]:
    """What the crawl that stands has fetched: SHA-256 by journal key."""
    if folder_ is None:
        return {}
    return {f"{row['key']} {row['media']}": row["sha256"] for row in read_table(folder_ / "images.jsonl")}
