"""Which of the listed images are wanted, in what order: pure decisions on records, without fetching.

The order is fair: one image of each source in turn, so that no source takes all of `max_images` and `max_bytes`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest

from gaucho_pipeline.concepts.crawl import CrawlSpec
from gaucho_pipeline.crawl.listing import Listing
from gaucho_pipeline.crawl.safety import is_listed
from gaucho_pipeline.errors import _
from gaucho_pipeline.rights.licenses import refusal
from gaucho_pipeline.sources.base import host_of
from gaucho_pipeline.sources.records import Record, has_words


def refusal_of(record: Record, spec: CrawlSpec, media_hosts: Collection[str]) -> str | None:
    """Why a record may not be fetched: its licence, its name, its host; None if it may."""
    if reason := refusal(record.license, spec.licenses):
        return reason
    for friend in spec.exclude:
        if any(has_words(text, friend) for text in (record.title, *record.labels)):
            return _("left out by name: {name}", name=friend)
    if not record.is_file and not is_listed(host_of(record.url), media_hosts):
        return _("its host is not one of media_hosts")
    return None


def round_robin(queues: Iterable[Sequence[Record]], previous: Collection[str]) -> list[Record]:
    """One of each queue in turn; within a queue those that were kept before come first. Every key once, from its first queue."""
    seen: set[str] = set()
    own: list[list[Record]] = []
    for queue in queues:
        fresh = [record for record in queue if record.key not in seen]
        seen |= {record.key for record in fresh}
        own.append(sorted(fresh, key=lambda record: record.key not in previous))
    return [record for turn in zip_longest(*own) for record in turn if record is not None]


def is_enough(listing: Listing, spec: CrawlSpec, media_hosts: Collection[str]) -> bool:
    """Whether a source has listed as many usable records as the whole concept may have."""
    return (
        len(listing.records) >= spec.max_images
        and sum(refusal_of(r, spec, media_hosts) is None for r in listing.records.values()) >= spec.max_images
    )
