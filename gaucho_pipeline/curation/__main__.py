"""Curation as a stage: makes `curated_set` of a concept.

Writes images/ (RGB PNGs without metadata), images.jsonl (what was kept, with captions), excluded.jsonl (what was not, and why),
review.html (for the curator) and ATTRIBUTION.csv. Images, records and measures are read one at a time; a verdict is all that is held of
each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from gaucho_pipeline.artifacts import Store, write_atomically, write_attribution, write_table
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import CurationSpec
from gaucho_pipeline.curation.captions import Caption, caption_of, captioning_model
from gaucho_pipeline.curation.choosing import choose, if_relaxed
from gaucho_pipeline.curation.crawled import Crawled
from gaucho_pipeline.curation.filters import DUPLICATE, Verdict, first_failure
from gaucho_pipeline.curation.measures import Measures
from gaucho_pipeline.curation.overrides import Override, by_image, read_overrides
from gaucho_pipeline.curation.reading import MeasuresCache, StoredMeasures, measure_all, small_pictures
from gaucho_pipeline.curation.relevance import model_digest, relevance_model
from gaucho_pipeline.curation.review import review_page
from gaucho_pipeline.curation.table import Table
from gaucho_pipeline.curation.writing import write_pictures
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images import BadImage
from gaucho_pipeline.pipeline import Request
from gaucho_pipeline.stage import Made, Reporter, main

Value = TypeVar("Value", float, str)

_JUDGED_SIDE = 512
_IDENTITY = ("file", "pixels", "caption", "title", "author", "source", "license", "license_url")


def fill(request: Request, staging: Path, reporter: Reporter) -> Made:
    """Judges every image of the crawl. Raises GauchoError if none is left."""
    spec, store = CurationSpec.model_validate(request.spec), Store(request.data)
    crawled = Crawled(request.inputs["raw_crawl"] / "images.jsonl")
    said = read_overrides(spec.overrides)
    overrides, lost = by_image(said, crawled)
    cache = MeasuresCache(store.root / ".measures")
    measures, verdicts = _measured(crawled, store.blob_path, cache, reporter)
    relevance = _relevance(measures, store.blob_path, spec, cache, reporter)
    verdicts |= choose(measures, spec, overrides, relevance, begin=lambda count: reporter.progress("comparing", count, "images").advance)
    wanted = [sha for sha in crawled if verdicts[sha].kept]
    pixels = write_pictures(wanted, measures, store.blob_path, staging / "images", spec, reporter)
    for sha, outcome in pixels.items():
        if isinstance(outcome, BadImage):
            verdicts[sha] = Verdict(False, outcome.reason)
    kept = [sha for sha in wanted if verdicts[sha].kept]
    captions = _captions(kept, crawled, overrides, store.blob_path, spec, cache, reporter)
    table = Table(crawled, verdicts, measures, relevance, overrides, pixels, captions)
    excluded = [sha for sha in crawled if not verdicts[sha].kept]
    reasons = Counter(verdicts[sha].reason for sha in excluded) + Counter({DUPLICATE: crawled.records - len(crawled)})
    useless = lost + [override.image for sha, override in overrides.items() if override.decision == "keep" and not verdicts[sha].kept]
    figures: dict[str, Any] = {"read": crawled.records, "kept": len(kept)}
    figures["excluded"] = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
    figures["licenses"] = dict(Counter(crawled[sha]["license"] for sha in kept).most_common())
    figures["captions"] = dict(Counter(caption.by for caption in captions.values()).most_common())
    figures["overrides"] = {"applied": len(said) - len(useless), "name_no_usable_image": sorted(useless)}
    if len(kept) < spec.min_images:
        figures["if_relaxed"] = if_relaxed(measures, spec, overrides, relevance)
    if not kept:
        raise GauchoError(f"every image of {request.concept} was excluded ({_why(figures)}); relax curation, or add sources")
    write_table(staging / "images.jsonl", table.kept(kept))
    write_table(staging / "excluded.jsonl", table.excluded(excluded))
    write_attribution(staging / "ATTRIBUTION.csv", table.kept(kept))
    vanished = [override for override in said if override.image in lost]
    page = review_page(request.title or request.concept, table, kept, excluded, figures["excluded"], vanished, store.blob_path)
    write_atomically(staging / "review.html", page)
    if useless:
        reporter.say(f"overrides that name no image that can be used: {', '.join(sorted(useless))}")
    reporter.say(f"read {figures['read']}: kept {len(kept)}, excluded {reasons.total()}")
    return Made(data_version=digest([digest({name: row[name] for name in _IDENTITY}) for row in table.kept(kept)]), figures=figures)


def _why(figures: dict[str, Any]) -> str:
    parts = [f"{count} {reason}" for reason, count in figures["excluded"].items()]
    relaxed = [f"{count} would stay without {name}" for name, count in figures.get("if_relaxed", {}).items() if count]
    return ", ".join(parts) + (f"; {', '.join(relaxed)}" if relaxed else "")


def _measured(
    images: Collection[str], path_of: Callable[[str], Path], cache: MeasuresCache, reporter: Reporter
) -> tuple[StoredMeasures, dict[str, Verdict]]:
    """The measures of what can be read, and a verdict on what cannot."""
    new = sum(not cache.has(sha) for sha in images)
    progress = reporter.progress("measuring", new, "images")
    bad: dict[str, Verdict] = {}
    for sha, outcome in measure_all(images, path_of, cache, progress.advance):
        if outcome:
            bad[sha] = Verdict(False, outcome.reason)
    reporter.say(f"measured {new} images now, {len(images) - new} before")
    return StoredMeasures(cache, [sha for sha in images if sha not in bad]), bad


def _relevance(
    measures: Mapping[str, Measures], path_of: Callable[[str], Path], spec: CurationSpec, cache: MeasuresCache, reporter: Reporter
) -> dict[str, float]:
    """How likely each picture that passes the filters shows the concept; empty where that is not asked for."""
    if spec.relevance is None:
        return {}
    version = f"relevance {digest([spec.relevance.model_dump(mode='json', exclude={'least'}), model_digest(spec.relevance.model)])}"
    passing = [sha for sha in measures if first_failure(measures[sha], spec) is None]
    relevance = spec.relevance
    return _told(passing, lambda: relevance_model(relevance), version, "judging relevance", path_of, cache, reporter)


def _captions(
    kept: Collection[str],
    crawled: Crawled,
    overrides: Mapping[str, Override],
    path_of: Callable[[str], Path],
    spec: CurationSpec,
    cache: MeasuresCache,
    reporter: Reporter,
) -> dict[str, Caption]:
    """What each kept picture is said to show, and who said it."""
    written = {sha: override.caption for sha, override in overrides.items() if override.caption}
    described: dict[str, str] = {}
    if captioner := spec.captioner:
        version = f"caption {digest([captioner.model_dump(mode='json'), model_digest(captioner.model)])}"
        silent = [sha for sha in kept if sha not in written]
        described = _told(silent, lambda: captioning_model(captioner), version, "captioning", path_of, cache, reporter)
    captions = {sha: caption_of(crawled[sha]["title"], spec, written.get(sha, ""), described.get(sha, "")) for sha in kept}
    if plain := sum(caption.by == "prompt" for caption in captions.values()) if spec.captions != "prompt" else 0:
        reporter.say(f"{plain} of {len(captions)} images have no {spec.captions} to caption them with: the plain prompt is theirs")
    return captions


def _told(
    images: Collection[str],
    load: Callable[[], Callable[[Image.Image], Value]],
    version: str,
    what: str,
    path_of: Callable[[str], Path],
    cache: MeasuresCache,
    reporter: Reporter,
) -> dict[str, Value]:
    """What a model says of each image that can be read, by SHA-256; it is not asked again what it said under this version."""
    found: dict[str, Value] = {}
    new = []
    for sha in images:
        if (known := cache.get_said(sha, version)) is None:
            new.append(sha)
        else:
            found[sha] = known
    if new:
        model, progress = load(), reporter.progress(what, len(new), "images")
        for sha, picture in small_pictures(new, path_of, _JUDGED_SIDE):
            if picture:
                found[sha] = model(picture)
                cache.put_said(sha, version, found[sha])
            progress.advance()
    return found


if __name__ == "__main__":
    main(fill)
