"""The crawl as a stage: makes `raw_crawl` of a concept.

Writes images.jsonl (what was kept; the bytes are in DATA/blobs), refused.jsonl, failed.jsonl, gone.jsonl and ATTRIBUTION.csv.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gaucho_pipeline.assets.crawls import crawl_name, crawl_version
from gaucho_pipeline.assets.metrics import RawCrawlMetrics
from gaucho_pipeline.assets.rows import CrawledImage, parse_rows, to_json, write_rows
from gaucho_pipeline.concepts.crawl import CrawlSpec
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.crawl.engine import Crawl, download, list_sources, on_the_web
from gaucho_pipeline.crawl.fetching import Web
from gaucho_pipeline.crawl.journal import Journal
from gaucho_pipeline.crawl.report import CrawlReport, record_of, report
from gaucho_pipeline.errors import GauchoError, TransientError, _
from gaucho_pipeline.files.tables import read_table, write_attribution
from gaucho_pipeline.images.files import IN_HIDDEN_FOLDER
from gaucho_pipeline.sources.registry import build_sources
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import FORGOTTEN, Forgotten
from gaucho_pipeline.store.store import Store

_MAX_NAMED = 10


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Crawls, and writes what came of it.

    Raises GauchoError if nothing was found, or nothing of it could be kept.
    """
    previous = Store(request.data).current("raw_crawl", request.concept)
    crawl = open_crawl(request, previous, reporter)
    journal = open_journal(request)

    async def work(web: Web | None) -> None:
        await list_sources(crawl, web)
        await download(crawl, web, journal)

    requests = on_the_web(crawl.access, work)
    done = report(crawl, _table(previous, "images"), _table(previous, "gone"))
    for line in _left_out(crawl, done):
        reporter.info(line)
    if not done.kept:
        every = all(counts.failure for counts in done.sources.values())
        what = "every source failed" if every else f"no image of {request.concept} could be kept"
        raise (TransientError if every else GauchoError)(f"{what}: {_why(done) or 'nothing was found'}")
    write_rows(staging / "images.jsonl", done.kept)
    write_rows(staging / "refused.jsonl", done.refused)
    write_rows(staging / "failed.jsonl", done.failed)
    write_rows(staging / "gone.jsonl", done.gone)
    write_attribution(staging / "ATTRIBUTION.csv", map(to_json, done.kept))
    metrics = done.metrics()
    reporter.info(_summary(metrics, requests))
    return StageResult(data_version=crawl_version(done.kept), metrics=metrics, fingerprint=_name(done, request))


def open_crawl(request: StageRequest, previous: Artifact | None, reporter: Reporter) -> Crawl:
    """A crawl that knows what exists. Raises ConfigError for a lock file or a table that cannot be read."""
    spec = CrawlSpec.model_validate(request.spec)
    rows = _table(previous, "images")
    records, sha256 = {row.key: record_of(row) for row in rows}, {row.key: row.sha256 for row in rows}
    gone = {row.key: record_of(row) for row in _table(previous, "gone")}
    sources, lock_file = build_sources(spec.sources, spec.exclude), LockFile(request.lock_file)
    forgotten = Forgotten(request.forgotten)
    store = Store(request.data, forgotten.sha256)
    known = (records, sha256, gone)
    return Crawl(spec, sources, store, lock_file, reporter, forgotten, *known, accept_losses=request.accept_losses)


def _table(previous: Artifact | None, name: str) -> list[CrawledImage]:
    """A table of the crawl that exists; empty where there is none, or it is of an older layout."""
    path = previous.folder / f"{name}.jsonl" if previous else None
    if path is None or not path.exists():
        return []
    return list(parse_rows([row for row in read_table(path) if "is_file" in row], CrawledImage, path))


def open_journal(request: StageRequest) -> Journal:
    """What is known of the concept's images, whichever crawl learned it."""
    return Journal(Store(request.data).root / ".fetched" / f"{request.concept}.jsonl", request.provenance.spec_version)


def _name(done: CrawlReport, request: StageRequest) -> str:
    excuses = [[(row.key, getattr(row, "reason", "")) for row in rows] for rows in (done.refused, done.failed, done.gone)]
    return crawl_name(done.kept, excuses, done.sources, request.provenance.spec_version, request.provenance.code_version)


def _summary(metrics: RawCrawlMetrics, requests: Counter[str]) -> str:
    asked = ", ".join(f"{count} {what}" for what, count in requests.items() if count) or "nobody"
    refused, failed = sum(metrics.refused.values()), sum(metrics.failed.values())
    gone = f", gone {metrics.gone}" if metrics.gone else ""
    return f"found {metrics.found}: kept {metrics.kept}, refused {refused}, failed {failed}{gone} (asked: {asked})"


def _left_out(crawl: Crawl, done: CrawlReport) -> Iterator[str]:
    """The first images of folders and tables that were left out, by their names: a person put them there, or wrote their rows."""
    names = {source.origin for source in crawl.sources if not source.api_hosts}
    rows = [row for row in (*done.refused, *done.failed) if row.origin in names and row.reason != FORGOTTEN]
    rows.sort(key=lambda row: row.reason == IN_HIDDEN_FOLDER)  # of which there may be thousands, and nobody put them there
    for row in rows[:_MAX_NAMED]:
        yield _("left out: {name}: {reason}", name=row.key.partition(":")[2], reason=row.reason)
    if len(rows) > _MAX_NAMED:
        yield _("and {count} more, in refused.jsonl and failed.jsonl", count=len(rows) - _MAX_NAMED)


def _why(done: CrawlReport) -> str:
    reasons = Counter(row.reason for row in (*done.refused, *done.failed))
    failures = [f"{origin}: {counts.failure}" for origin, counts in done.sources.items() if counts.failure]
    notes = [counts.note for counts in done.sources.values() if counts.note]
    return "; ".join([", ".join(f"{count} {reason}" for reason, count in reasons.most_common(4))] * bool(reasons) + failures + notes)


if __name__ == "__main__":
    main(run)
