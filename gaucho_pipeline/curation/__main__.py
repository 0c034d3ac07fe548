"""Curation as a stage: makes `curated_set` of a concept.

Writes images/ (RGB PNGs without metadata), images.jsonl (what was kept), excluded.jsonl (what was not, and why) and
ATTRIBUTION.csv.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gaucho_pipeline.artifacts import Store, read_table, write_atomically, write_attribution, write_table
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import CurationSpec
from gaucho_pipeline.curation.filters import SENTENCES, Verdict, judge
from gaucho_pipeline.curation.measures import Measures, measure
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images import BadImage, decode, fit, png_bytes
from gaucho_pipeline.pipeline import Request
from gaucho_pipeline.stage import Made, Reporter, main

_IDENTITY = ("file", "pixels", "title", "author", "source", "license", "license_url")


def fill(request: Request, staging: Path, reporter: Reporter) -> Made:
    """Judges every image of the crawl. Raises GauchoError if none is left."""
    spec, store = CurationSpec.model_validate(request.spec), Store(request.data)
    rows = {row["sha256"]: row for row in reversed(read_table(request.inputs["raw_crawl"] / "images.jsonl"))}
    measures, pixels, verdicts = _measure_all(list(rows), store, staging / "images", spec, reporter)
    verdicts |= judge(measures, pixels, spec)
    table = [_row(rows[sha], verdicts[sha], measures.get(sha), pixels.get(sha)) for sha in sorted(rows)]
    repeated = _repeated_records(read_table(request.inputs["raw_crawl"] / "images.jsonl"), rows)
    kept = [row for row in table if row["kept"]]
    excluded = [row for row in table if not row["kept"]] + repeated
    reasons = dict(Counter(row["reason"] for row in excluded).most_common())
    if not kept:
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        raise GauchoError(f"every image of {request.concept} was excluded ({why}); relax curation in the concepts file or add sources")
    for row in excluded:
        if row.get("file"):
            (staging / row["file"]).unlink(missing_ok=True)
    write_table(staging / "images.jsonl", kept)
    write_table(staging / "excluded.jsonl", excluded)
    write_attribution(staging / "ATTRIBUTION.csv", kept)
    figures = {"read": len(table) + len(repeated), "kept": len(kept), "excluded": reasons}
    figures["licenses"] = dict(Counter(row["license"] for row in kept).most_common())
    reporter.say(f"read {figures['read']}: kept {len(kept)}, excluded {len(excluded)}")
    return Made(data_version=digest([{name: row[name] for name in _IDENTITY} for row in kept]), figures=figures)


def _measure_all(
    shas: list[str], store: Store, folder: Path, spec: CurationSpec, reporter: Reporter
) -> tuple[dict[str, Measures], dict[str, str], dict[str, Verdict]]:
    """Measures what can be read and writes it as PNG; gives a verdict on what cannot."""
    folder.mkdir(exist_ok=True)
    measures: dict[str, Measures] = {}
    pixels: dict[str, str] = {}
    verdicts: dict[str, Verdict] = {}
    progress = reporter.progress("measuring", len(shas), "images")
    for sha in sorted(shas):
        try:
            image = decode(store.blob_path(sha).read_bytes())
            measures[sha] = measure(image)
            content = png_bytes(fit(image, spec.max_side))
            pixels[sha] = hashlib.sha256(content).hexdigest()
            write_atomically(folder / f"{sha[:16]}.png", content)
        except BadImage as error:
            verdicts[sha] = Verdict(False, error.reason)
        progress.advance()
    return measures, pixels, verdicts


def _row(row: dict[str, Any], verdict: Verdict, measures: Measures | None, pixels: str | None) -> dict[str, Any]:
    public = {name: value for name, value in row.items() if name != "media"}  # a person's own folders stay in the crawl
    whole = public | verdict.described() | {"pixels": pixels, "file": f"images/{row['sha256'][:16]}.png" if measures else None}
    whole["measures"] = asdict(measures) if measures else None
    if not verdict.kept:
        whole["pt"], whole["en"] = SENTENCES[verdict.reason]
    return whole


def _repeated_records(records: list[dict[str, Any]], first: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Records whose bytes another record has already brought."""
    pt, en = SENTENCES["duplicate"]
    again = [r for r in records if first[r["sha256"]]["key"] != r["key"]]
    return [r | {"kept": False, "reason": "duplicate", "same_as": r["sha256"], "file": None, "pt": pt, "en": en} for r in again]


if __name__ == "__main__":
    main(fill)
