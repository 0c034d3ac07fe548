"""What became of a crawl, as tables and counts: kept, refused, failed, gone, and by source.

Counts add up: found = kept + refused + failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gaucho_pipeline.assets.metrics import RawCrawlMetrics, SourceCounts
from gaucho_pipeline.assets.rows import CrawledImage, Listed, NotFetched, Unusable
from gaucho_pipeline.crawl.engine import Crawl
from gaucho_pipeline.crawl.fetch_errors import OptedOut
from gaucho_pipeline.rights.licenses import License
from gaucho_pipeline.sources.records import Record
from gaucho_pipeline.store.store import Store

R = TypeVar("R", bound=Listed | Unusable)


@dataclass(frozen=True)
class CrawlReport:
    """The rows of a crawl, each by key."""

    kept: Sequence[CrawledImage]
    refused: Sequence[NotFetched | Unusable]
    failed: Sequence[NotFetched]
    gone: Sequence[CrawledImage]
    """What an earlier crawl kept and its source lists no longer."""
    sources: dict[str, SourceCounts]

    def metrics(self) -> RawCrawlMetrics:
        changed = [row for row in (*self.kept, *self.refused) if isinstance(row, Listed) and row.previous_license is not None]
        return RawCrawlMetrics(
            found=len(self.kept) + len(self.refused) + len(self.failed),
            kept=len(self.kept),
            refused=_counted(row.reason for row in self.refused),
            failed=_counted(row.reason for row in self.failed),
            licenses=_counted(row.license for row in self.kept),
            flags=_counted(flag for row in self.kept for flag in row.flags),
            sources=self.sources,
            failed_sources={origin: counts.failure for origin, counts in self.sources.items() if counts.failure},
            gone=len(self.gone),
            changed_licenses=len(changed),
        )


def report(crawl: Crawl, previous: Sequence[CrawledImage], previous_gone: Sequence[CrawledImage]) -> CrawlReport:
    """The report of a crawl that has ended. `previous` is what the one before kept, `previous_gone` what it found gone."""
    licences = {row.key: row.license for row in previous}
    records = {record.key: record for record in crawl.order}
    flagged = {key: replace(record, flags=(*record.flags, *crawl.flags.get(key, ()))) for key, record in records.items()}
    kept = [CrawledImage(**_fields(flagged[key], licences), **_file(crawl.store, sha)) for key, sha in crawl.kept.items()]
    failures = {
        key: NotFetched(**_fields(records[key], licences), reason=error.reason, permanent=error.permanent)
        for key, error in crawl.failed.items()
    }
    refused: list[NotFetched | Unusable] = [
        NotFetched(**_fields(record, licences), reason=reason) for record, reason in crawl.refused.values()
    ]
    refused += [failures[key] for key, error in crawl.failed.items() if isinstance(error, OptedOut)]
    failed = [failures[key] for key, error in crawl.failed.items() if not isinstance(error, OptedOut)]
    listed = {row.key for row in (*kept, *refused, *failed)}
    unusable = [each for listing in crawl.listings for each in listing.unusable.values() if each.key not in listed]
    refused += [Unusable(key=each.key, origin=each.origin, reason=each.reason) for each in unusable]
    gone = _gone(crawl, previous, previous_gone, listed | {row.key for row in refused})
    tables = _sorted(kept), _sorted(_once(refused)), _sorted(failed), _sorted(gone)
    return CrawlReport(*tables, sources=_by_source(crawl, dict(zip(("kept", "refused", "failed", "gone"), tables, strict=True))))


def record_of(row: Listed) -> Record:
    """The record that a row was made of."""
    license_ = License(row.license, row.license_family, row.license_url or "", "")
    return Record(
        row.key, row.origin, row.url, row.title, row.author, row.source, license_, row.flags, row.sha1, row.labels, row.is_file,
        tuple(row.fields.items()),
    )  # fmt: skip


def _fields(record: Record, licences: dict[str, str]) -> dict[str, Any]:
    """A record's fields as a row has them; one whose licence has changed since it was kept says what it was."""
    own: dict[str, Any] = {
        "key": record.key, "origin": record.origin, "url": record.url, "title": record.title, "author": record.author,
        "source": record.source, "license": record.license.id, "license_family": record.license.family,
        "license_url": record.license.url, "flags": record.flags, "sha1": record.sha1, "labels": record.labels, "is_file": record.is_file,
    }  # fmt: skip
    own |= {"fields": dict(record.fields)} if record.fields else {}
    earlier = licences.get(record.key)
    return own | ({"previous_license": earlier} if earlier is not None and earlier != record.license.id else {})


def _file(store: Store, sha256: str) -> dict[str, Any]:
    file = store.blob_path(sha256).relative_to(store.root).as_posix()
    return {"sha256": sha256, "bytes": store.blob_size(sha256), "file": file}


def _gone(crawl: Crawl, previous: Sequence[CrawledImage], previous_gone: Sequence[CrawledImage], listed: set[str]) -> list[CrawledImage]:
    """What a source that was read to its end, or asked for by id, lists no longer, now or since an earlier crawl."""
    complete = {listing.origin for listing in crawl.listings if listing.complete}
    missed = {key for listing in crawl.listings for key in listing.gone}
    origins = {listing.origin for listing in crawl.listings}
    gone = [row for row in previous if row.origin in complete or row.key in missed]
    gone += [row for row in previous_gone if row.origin in origins]
    return _once([row for row in gone if row.key not in listed])


def _by_source(crawl: Crawl, tables: Mapping[str, Sequence[Listed | Unusable]]) -> dict[str, SourceCounts]:
    counts = {name: Counter(row.origin for row in rows) for name, rows in tables.items()}
    return {
        listing.origin: SourceCounts(
            listed=len(listing.records) + len(listing.unusable),
            **{name: count[listing.origin] for name, count in counts.items()},
            there_are=listing.total,
            failure=listing.failure,
            note=listing.note,
        )
        for listing in crawl.listings
    }


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _sorted(rows: Sequence[R]) -> list[R]:
    return sorted(rows, key=lambda row: row.key)


def _once(rows: Sequence[R]) -> list[R]:
    return list({row.key: row for row in reversed(rows)}.values())
