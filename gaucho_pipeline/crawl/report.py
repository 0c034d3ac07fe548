"""What became of a crawl, as tables and counts: kept, refused, failed, gone, and by source.

Counts add up: found = kept + refused + failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gaucho_pipeline.assets.metrics import RawCrawlMetrics, SourceCounts
from gaucho_pipeline.crawl.engine import Crawl
from gaucho_pipeline.crawl.fetch_errors import OptedOut
from gaucho_pipeline.sources.records import Record
from gaucho_pipeline.store.store import Store

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class CrawlReport:
    """The rows of a crawl, each by key."""

    kept: Rows
    refused: Rows
    failed: Rows
    gone: Rows
    """What an earlier crawl kept and its source lists no longer."""
    sources: dict[str, SourceCounts]

    def metrics(self) -> RawCrawlMetrics:
        return RawCrawlMetrics(
            found=len(self.kept) + len(self.refused) + len(self.failed),
            kept=len(self.kept),
            refused=_counted(row["reason"] for row in self.refused),
            failed=_counted(row["reason"] for row in self.failed),
            licenses=_counted(row["license"] for row in self.kept),
            flags=_counted(flag for row in self.kept for flag in row["flags"]),
            sources=self.sources,
            failed_sources={origin: counts.failure for origin, counts in self.sources.items() if counts.failure},
            gone=len(self.gone),
            changed_licenses=sum("previous_license" in row for row in (*self.kept, *self.refused)),
        )


def report(crawl: Crawl, previous: Rows, previous_gone: Rows) -> CrawlReport:
    """The report of a crawl that has ended. `previous` is what the one before kept, `previous_gone` what it found gone."""
    licences = {row["key"]: row["license"] for row in previous}
    records = {record.key: record for record in crawl.order}
    kept = [_row(records[key], licences) | _bytes(crawl.store, sha) for key, sha in crawl.kept.items()]
    failures = {key: _row(records[key], licences) | {"reason": e.reason, "permanent": e.permanent} for key, e in crawl.failed.items()}
    refused = [_row(record, licences) | {"reason": reason} for record, reason in crawl.refused.values()]
    refused += [failures[key] for key, error in crawl.failed.items() if isinstance(error, OptedOut)]
    failed = [failures[key] for key, error in crawl.failed.items() if not isinstance(error, OptedOut)]
    listed = {row["key"] for row in (*kept, *refused, *failed)}
    refused += [row for listing in crawl.listings for key, row in listing.unusable.items() if key not in listed]
    gone = _gone(crawl, previous, previous_gone, listed | {row["key"] for row in refused})
    rows = (_sorted(kept), _sorted(_once(refused)), _sorted(failed), _sorted(gone))
    return CrawlReport(*rows, sources=_by_source(crawl, *rows))


def _row(record: Record, licences: dict[str, str]) -> dict[str, Any]:
    """A record's row; one whose licence has changed since it was kept says what it was."""
    row = record.to_row()
    earlier = licences.get(record.key)
    return row | ({"previous_license": earlier} if earlier is not None and earlier != row["license"] else {})


def _bytes(store: Store, sha256: str) -> dict[str, Any]:
    file = store.blob_path(sha256).relative_to(store.root).as_posix()
    return {"sha256": sha256, "bytes": store.blob_size(sha256), "file": file}


def _gone(crawl: Crawl, previous: Rows, previous_gone: Rows, listed: set[str]) -> Rows:
    """What a source that was read to its end, or asked for by id, lists no longer, now or since an earlier crawl."""
    complete = {listing.origin for listing in crawl.listings if listing.complete}
    missed = {key for listing in crawl.listings for key in listing.gone}
    origins = {listing.origin for listing in crawl.listings}
    gone = [row for row in previous if row["origin"] in complete or row["key"] in missed]
    gone += [row for row in previous_gone if row["origin"] in origins]
    return _once([row for row in gone if row["key"] not in listed])


def _by_source(crawl: Crawl, kept: Rows, refused: Rows, failed: Rows, gone: Rows) -> dict[str, SourceCounts]:
    tables = {"kept": kept, "refused": refused, "failed": failed, "gone": gone}
    counts = {name: Counter(row["origin"] for row in rows) for name, rows in tables.items()}
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


def _sorted(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: str(row["key"]))


def _once(rows: Rows) -> Rows:
    return list({row["key"]: row for row in reversed(rows)}.values())
