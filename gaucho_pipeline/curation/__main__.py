"""Curation as a stage: makes `curated_set` of a concept.

Writes images/ (RGB PNGs without metadata), images.jsonl (what was kept, with captions), excluded.jsonl (what was not, and why),
review.html (for the curator) and ATTRIBUTION.csv.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gaucho_pipeline.artifacts import Store, read_table, write_atomically, write_attribution, write_table
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import CurationSpec
from gaucho_pipeline.curation.captions import captioning_model, captions_of
from gaucho_pipeline.curation.choosing import choose, if_relaxed
from gaucho_pipeline.curation.filters import DUPLICATE, SENTENCES, Verdict, first_failure
from gaucho_pipeline.curation.measures import Measures
from gaucho_pipeline.curation.overrides import Override, by_image, read_overrides
from gaucho_pipeline.curation.reading import MeasuresCache, measure_all, small_pictures
from gaucho_pipeline.curation.relevance import model_digest, relevance_model
from gaucho_pipeline.curation.review import review_page
from gaucho_pipeline.curation.writing import picture_name, write_pictures
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images import BadImage
from gaucho_pipeline.pipeline import Request
from gaucho_pipeline.stage import Made, Reporter, main

_JUDGED_SIDE = 512
_IDENTITY = ("file", "pixels", "caption", "title", "author", "source", "license", "license_url")


def fill(request: Request, staging: Path, reporter: Reporter) -> Made:
    """Judges every image of the crawl. Raises GauchoError if none is left."""
    spec, store = CurationSpec.model_validate(request.spec), Store(request.data)
    records = read_table(request.inputs["raw_crawl"] / "images.jsonl")
    rows = {row["sha256"]: row for row in reversed(records)}
    paths = {sha: store.blob_path(sha) for sha in sorted(rows)}
    said = read_overrides(spec.overrides)
    overrides, lost = by_image(said, rows)
    cache = MeasuresCache(store.root / ".measures")
    measures, verdicts = _measured(paths, cache, reporter)
    relevance = _relevance(measures, paths, spec, cache, reporter)
    verdicts |= choose(measures, spec, overrides, relevance)
    pixels = write_pictures({sha: measures[sha] for sha, v in verdicts.items() if v.kept}, paths, staging / "images", spec, reporter)
    for sha, outcome in pixels.items():
        if isinstance(outcome, BadImage):
            verdicts[sha] = Verdict(False, outcome.reason)
    captions = _captions(rows, verdicts, overrides, paths, spec)
    table = [_row(rows[sha], verdicts[sha], measures.get(sha), relevance.get(sha), overrides.get(sha)) for sha in sorted(rows)]
    kept = [row | {"pixels": pixels[row["sha256"]], "caption": captions[row["sha256"]]} for row in table if row["kept"]]
    excluded = [row for row in table if not row["kept"]] + _repeated_records(records, rows)
    reasons = dict(sorted(Counter(row["reason"] for row in excluded).items(), key=lambda item: (-item[1], item[0])))
    useless = lost + [override.image for sha, override in overrides.items() if override.decision == "keep" and not verdicts[sha].kept]
    figures: dict[str, Any] = {"read": len(records), "kept": len(kept), "excluded": reasons}
    figures["licenses"] = dict(Counter(row["license"] for row in kept).most_common())
    figures["overrides"] = {"applied": len(said) - len(useless), "name_no_usable_image": sorted(useless)}
    if len(kept) < spec.min_images:
        figures["if_relaxed"] = if_relaxed(measures, spec, overrides, relevance)
    if not kept:
        raise GauchoError(f"every image of {request.concept} was excluded ({_why(figures)}); relax curation, or add sources")
    write_table(staging / "images.jsonl", kept)
    write_table(staging / "excluded.jsonl", excluded)
    write_attribution(staging / "ATTRIBUTION.csv", kept)
    vanished = [override for override in said if override.image in lost]
    write_atomically(staging / "review.html", review_page(request.concept, kept, excluded, list(overrides.items()), vanished, paths))
    if useless:
        reporter.say(f"overrides that name no image that can be used: {', '.join(sorted(useless))}")
    reporter.say(f"read {figures['read']}: kept {len(kept)}, excluded {len(excluded)}")
    return Made(data_version=digest([{name: row[name] for name in _IDENTITY} for row in kept]), figures=figures)


def _why(figures: dict[str, Any]) -> str:
    parts = [f"{count} {reason}" for reason, count in figures["excluded"].items()]
    relaxed = [f"{count} would stay without {name}" for name, count in figures.get("if_relaxed", {}).items() if count]
    return ", ".join(parts) + (f"; {', '.join(relaxed)}" if relaxed else "")


def _measured(paths: dict[str, Path], cache: MeasuresCache, reporter: Reporter) -> tuple[dict[str, Measures], dict[str, Verdict]]:
    """The measures of what can be read, and a verdict on what cannot."""
    new = sum(not cache.has(sha) for sha in paths)
    progress = reporter.progress("measuring", new, "images")
    measures: dict[str, Measures] = {}
    verdicts: dict[str, Verdict] = {}
    for sha, outcome in measure_all(paths, cache, progress.advance):
        if isinstance(outcome, BadImage):
            verdicts[sha] = Verdict(False, outcome.reason)
        else:
            measures[sha] = outcome
    reporter.say(f"measured {new} images now, {len(paths) - new} before")
    return measures, verdicts


def _relevance(
    measures: Mapping[str, Measures], paths: Mapping[str, Path], spec: CurationSpec, cache: MeasuresCache, reporter: Reporter
) -> dict[str, float]:
    """How likely each picture that passes the filters shows the concept; empty where that is not asked for."""
    if spec.relevance is None:
        return {}
    model = model_digest(spec.relevance.model)
    version = f"relevance {digest([spec.relevance.model_dump(mode='json', exclude={'least'}), model])}"
    found = {sha: cache.get_score(sha, version) for sha in sorted(measures) if first_failure(measures[sha], spec) is None}
    new = [sha for sha, score in found.items() if score is None]
    progress = reporter.progress("judging relevance", len(new), "images")
    judge = relevance_model(spec.relevance) if new else None
    for sha, picture in small_pictures({sha: paths[sha] for sha in new}, _JUDGED_SIDE):
        if picture and judge:
            found[sha] = judge(picture)
            cache.put_score(sha, version, found[sha] or 0.0)
        progress.advance()
    return {sha: score for sha, score in found.items() if score is not None}


def _captions(
    rows: Mapping[str, dict[str, Any]],
    verdicts: Mapping[str, Verdict],
    overrides: Mapping[str, Override],
    paths: Mapping[str, Path],
    spec: CurationSpec,
) -> dict[str, str]:
    kept = {sha: row for sha, row in rows.items() if verdicts[sha].kept}
    written = {sha: override.caption for sha, override in overrides.items() if override.caption}
    described: dict[str, str] = {}
    if spec.captioner:
        model = captioning_model(spec.captioner)
        wanted = {sha: paths[sha] for sha in kept if sha not in written}
        described = {sha: model(picture) for sha, picture in small_pictures(wanted, _JUDGED_SIDE) if picture}
    return captions_of(kept, spec, written, described)


def _row(
    row: dict[str, Any], verdict: Verdict, measures: Measures | None = None, relevance: float | None = None, said: Override | None = None
) -> dict[str, Any]:
    public = {name: value for name, value in row.items() if name != "media"}  # a person's own folders stay in the crawl
    whole = public | verdict.described() | {"file": f"images/{picture_name(row['sha256'])}" if verdict.kept else None}
    whole["measures"] = measures.public() if measures else None
    whole["relevance"] = relevance
    if said:
        whole |= {"by": said.by, "why": said.why}
    if not verdict.kept:
        whole["pt"], whole["en"] = SENTENCES[verdict.reason]
    return whole


def _repeated_records(records: list[dict[str, Any]], first: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Records whose bytes another record has already brought."""
    again = [row for row in records if first[row["sha256"]]["key"] != row["key"]]
    return [_row(row, Verdict(False, DUPLICATE, same_as=row["sha256"])) for row in again]


if __name__ == "__main__":
    main(fill)
