"""What is learned from bytes that come more than once: a host's placeholder, and a licence that somebody else states for them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Protocol

from gaucho_pipeline.concepts.crawl import CrawlSpec
from gaucho_pipeline.crawl.fetch_errors import FetchError
from gaucho_pipeline.crawl.journal import Journal
from gaucho_pipeline.rights.licenses import refusal
from gaucho_pipeline.sources.base import host_of
from gaucho_pipeline.sources.records import Record
from gaucho_pipeline.store.store import Store

PLACEHOLDER = 3
"""From so many addresses of one host, shown on as many pages, the same bytes are no photograph, but what stands for one that is gone."""


class Downloaded(Protocol):
    """A crawl whose images are there."""

    spec: CrawlSpec
    store: Store
    order: list[Record]
    kept: dict[str, str]
    refused: dict[str, tuple[Record, str]]
    failed: dict[str, FetchError]


def drop_placeholders(crawl: Downloaded, journal: Journal) -> None:
    """Takes away what a host gave for several addresses alike. It is asked for again the next time: the image may be back then."""
    found: defaultdict[tuple[str, str], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in crawl.order:
        if record.key in crawl.kept and not record.is_file:
            found[host_of(record.url), crawl.kept[record.key]][record.url].append(record)
    for by_address in found.values():
        records = [record for each in by_address.values() for record in each]
        if min(len(by_address), len({(record.source, record.author) for record in records})) >= PLACEHOLDER:
            for record in records:
                del crawl.kept[record.key]
                reason = f"a placeholder: the same bytes come from {len(by_address)} addresses"
                crawl.failed[record.key] = FetchError(reason, retry=False)
                journal.discard(record.bytes_id)


def drop_restricted_elsewhere(crawl: Downloaded, journal: Journal) -> None:
    """Takes away bytes that another record states to be under a licence for which it was refused: the stricter of two statements counts.

    The bytes of what was refused are known where they are on this disk, were fetched once, or have a SHA-1 that their source gives.
    """
    restricted = {
        name: record
        for record, _reason in crawl.refused.values()
        if record.license.is_known and refusal(record.license, crawl.spec.licenses)
        for name in _names_of(record, journal, crawl.spec.max_image_bytes)
    }
    for record in crawl.order if restricted else ():
        if (sha256 := crawl.kept.get(record.key)) is None:
            continue
        names = [sha256, record.bytes_id]
        if not record.sha1 and any(name.startswith("sha1:") for name in restricted):
            names.append(f"sha1:{hashlib.sha1(crawl.store.blob_path(sha256).read_bytes(), usedforsecurity=False).hexdigest()}")
        if other := next((restricted[name] for name in names if name in restricted), None):
            del crawl.kept[record.key]
            crawl.refused[record.key] = (record, f"the same bytes are {other.license.id} elsewhere ({other.key})")


def _names_of(record: Record, journal: Journal, most_bytes: int) -> list[str]:
    """What the bytes of a record that was not taken may be known by."""
    known = [record.bytes_id, *filter(None, [journal.fetched.get(record.bytes_id)])]
    path = Path(record.url)
    try:
        if record.is_file and path.stat().st_size <= most_bytes:
            known.append(hashlib.sha256(path.read_bytes()).hexdigest())
    except OSError:
        pass
    return known
