"""The crawl as a stage: makes `raw_crawl` of a concept.

Writes images.jsonl (what was kept; the bytes are in DATA/blobs), refused.jsonl, failed.jsonl and ATTRIBUTION.csv.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from gaucho_pipeline.artifacts import Store, read_table, write_attribution, write_table
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import CrawlSpec
from gaucho_pipeline.crawl.engine import Crawl, crawl, previously_fetched
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.pipeline import Request
from gaucho_pipeline.stage import Made, Reporter, main

_IDENTITY = ("key", "sha256", "title", "author", "source", "license", "license_url")


def fill(request: Request, staging: Path, reporter: Reporter) -> Made:
    """Crawls, and writes what came of it.

    Raises GauchoError if nothing was found, or nothing of it could be kept.
    """
    spec, store = CrawlSpec.model_validate(request.spec), Store(request.data)
    before = store.current("raw_crawl", request.concept)
    run = crawl(spec, store, staging / "journal.jsonl", previously_fetched(before.folder if before else None), reporter)
    for row in read_table(before.folder / "images.jsonl") if before else ():
        if row["origin"] in run.failed_sources and row["key"] not in run.records and row["license_family"] in spec.licenses:
            run.kept[row["key"]] = row  # a source that failed today says nothing of what it gave before
    kept = [run.kept[key] | {"file": f"blobs/{run.kept[key]['sha256'][:2]}/{run.kept[key]['sha256']}"} for key in sorted(run.kept)]
    refused = sorted(run.refused, key=lambda row: str(row["key"]))
    failed = [run.failed[key] for key in sorted(run.failed)]
    if not kept:
        raise GauchoError(f"no image of {request.concept} could be kept: {_why(refused + failed) or 'nothing was found'}")
    write_table(staging / "images.jsonl", kept)
    write_table(staging / "refused.jsonl", refused)
    write_table(staging / "failed.jsonl", failed)
    write_attribution(staging / "ATTRIBUTION.csv", kept)
    (staging / "journal.jsonl").unlink(missing_ok=True)
    figures = _figures(run, kept, refused, failed)
    reporter.say(f"found {figures['found']}: kept {figures['kept']}, refused {len(refused)}, failed {len(failed)}")
    identity = [{name: row[name] for name in _IDENTITY} for row in kept]
    holds = [
        identity,
        _reasons(refused),
        _reasons(failed),
        run.failed_sources,
        request.made_from.spec_version,
        request.made_from.code_version,
    ]
    return Made(data_version=digest(identity), figures=figures, fingerprint=digest(holds))


def _figures(run: Crawl, kept: list[dict[str, Any]], refused: list[dict[str, Any]], failed: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts that add up: found = kept + refused + failed."""
    return {
        "found": len(kept) + len(refused) + len(failed),
        "kept": len(kept),
        "refused": dict(Counter(row["reason"] for row in refused).most_common()),
        "failed": dict(Counter(row["reason"] for row in failed).most_common()),
        "licenses": dict(Counter(row["license"] for row in kept).most_common()),
        "origins": dict(Counter(row["origin"] for row in kept).most_common()),
        "failed_sources": run.failed_sources,
        "requests": dict(run.requests),
    }


def _reasons(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [[str(row["key"]), str(row["reason"])] for row in rows]


def _why(rows: list[dict[str, Any]]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in Counter(row["reason"] for row in rows).most_common(4))


if __name__ == "__main__":
    main(fill)
