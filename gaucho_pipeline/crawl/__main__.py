"""The crawl as a stage: makes `raw_crawl` of a concept.

Writes images.jsonl (what was kept; the bytes are in DATA/blobs), refused.jsonl, failed.jsonl, gone.jsonl and ATTRIBUTION.csv.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from gaucho_pipeline.artifacts import Artifact, Store, read_table, write_attribution, write_table
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import CrawlSpec
from gaucho_pipeline.crawl.account import Account, Rows, account
from gaucho_pipeline.crawl.build import build_sources
from gaucho_pipeline.crawl.engine import Crawl, gather, on_the_web, survey
from gaucho_pipeline.crawl.fetching import Web
from gaucho_pipeline.crawl.journal import Journal
from gaucho_pipeline.crawl.names import Names
from gaucho_pipeline.crawl.records import Record
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.pipeline import Request
from gaucho_pipeline.stage import Made, Reporter, main

_IDENTITY = ("key", "sha256", "title", "author", "source", "license", "license_url")


def fill(request: Request, staging: Path, reporter: Reporter) -> Made:
    """Crawls, and writes what came of it.

    Raises GauchoError if nothing was found, or nothing of it could be kept.
    """
    standing = Store(request.data).current("raw_crawl", request.concept)
    crawl = open_crawl(request, standing, reporter)
    journal = open_journal(request)

    async def work(web: Web | None) -> None:
        await survey(crawl, web)
        await gather(crawl, web, journal)

    requests = on_the_web(crawl, work)
    done = account(crawl, _table(standing, "images"), _table(standing, "gone"))
    if not done.kept:
        every = all(row["failure"] for row in done.sources.values())
        what = "every source failed" if every else f"no image of {request.concept} could be kept"
        raise GauchoError(f"{what}: {_why(done) or 'nothing was found'}")
    write_table(staging / "images.jsonl", done.kept)
    write_table(staging / "refused.jsonl", done.refused)
    write_table(staging / "failed.jsonl", done.failed)
    write_table(staging / "gone.jsonl", done.gone)
    write_attribution(staging / "ATTRIBUTION.csv", done.kept)
    figures = done.figures()
    reporter.say(_last_words(figures, requests))
    return Made(data_version=digest(_identity(done.kept)), figures=figures, fingerprint=digest(_holds(done, request)))


def open_crawl(request: Request, standing: Artifact | None, reporter: Reporter) -> Crawl:
    """A crawl that knows what stands. Raises ConfigError for a lock file or a table that cannot be read."""
    spec = CrawlSpec.model_validate(request.spec)
    rows = _table(standing, "images")
    before, stood = {row["key"]: Record.from_row(row) for row in rows}, {row["key"]: row["sha256"] for row in rows}
    lost = {row["key"]: Record.from_row(row) for row in _table(standing, "gone")}
    return Crawl(spec, build_sources(spec), Store(request.data), Names(request.names), reporter, before, stood, lost)


def _table(standing: Artifact | None, name: str) -> Rows:
    """A table of the crawl that stands; empty where there is none, or it is of an older layout."""
    path = standing.folder / f"{name}.jsonl" if standing else None
    rows = read_table(path) if path and path.exists() else []
    return [row for row in rows if "flags" in row]


def open_journal(request: Request) -> Journal:
    """What is known of the concept's images, whichever crawl learned it."""
    return Journal(Store(request.data).root / ".fetched" / f"{request.concept}.jsonl", request.made_from.spec_version)


def _identity(kept: Rows) -> list[dict[str, Any]]:
    return [{name: row[name] for name in _IDENTITY} for row in kept]


def _holds(done: Account, request: Request) -> list[Any]:
    """Everything that makes this crawl another one than the one that stands."""
    excuses = [[[row["key"], row.get("reason", "")] for row in rows] for rows in (done.refused, done.failed, done.gone)]
    flags = [[row["flags"], row.get("license_before")] for row in done.kept]
    return [_identity(done.kept), flags, excuses, done.sources, request.made_from.spec_version, request.made_from.code_version]


def _last_words(figures: dict[str, Any], requests: Counter[str]) -> str:
    asked = ", ".join(f"{count} {what}" for what, count in requests.items() if count) or "nobody"
    refused, failed = sum(figures["refused"].values()), sum(figures["failed"].values())
    gone = f", gone {figures['gone']}" if figures["gone"] else ""
    return f"found {figures['found']}: kept {figures['kept']}, refused {refused}, failed {failed}{gone} (asked: {asked})"


def _why(done: Account) -> str:
    reasons = Counter(row["reason"] for row in (*done.refused, *done.failed))
    failures = [f"{origin}: {row['failure']}" for origin, row in done.sources.items() if row["failure"]]
    notes = [row["note"] for row in done.sources.values() if row["note"]]
    return "; ".join([", ".join(f"{count} {reason}" for reason, count in reasons.most_common(4))] * bool(reasons) + failures + notes)


if __name__ == "__main__":
    main(fill)
