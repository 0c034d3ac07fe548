"""Curation as a stage: makes `curated_set` of a concept.

Writes images/ (RGB PNGs without metadata), images.jsonl (what was kept, with captions), excluded.jsonl (what was not, and why),
review.html with review/ (for the curator) and ATTRIBUTION.csv. Images, records and measures are read one at a time; what is held of each
is its hash, its place in the crawl's table and its verdict, and while copies are sought its window hashes: about two kilobytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from gaucho_pipeline.assets.metrics import CuratedSetMetrics, OverrideCounts
from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.captions import Caption, caption_of, captioning_model, context_model, said_of
from gaucho_pipeline.curation.choosing import choose, if_relaxed
from gaucho_pipeline.curation.crawled import Crawled
from gaucho_pipeline.curation.overrides import Override, by_image, read_overrides
from gaucho_pipeline.curation.reading import DAMAGED, MISSING, MeasuresCache, StoredMeasures, measure_all, small_pictures
from gaucho_pipeline.curation.relevance import PEOPLE, people_model, relevance_model
from gaucho_pipeline.curation.review import advice, write_review
from gaucho_pipeline.curation.table import Table
from gaucho_pipeline.curation.text_image import model_digest
from gaucho_pipeline.curation.writing import write_pictures
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.tables import write_attribution, write_table
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import DUPLICATE, Verdict, first_failure
from gaucho_pipeline.images.decoding import BadImage
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.store import Store

Value = TypeVar("Value", float, str)

_JUDGED_SIDE = 512
_IDENTITY = ("file", "pixels", "caption", "title", "author", "source", "license", "license_url")


@dataclass(frozen=True)
class _Means:
    """What the parts of the stage work with."""

    spec: CurationSpec
    store: Store
    cache: MeasuresCache
    reporter: Reporter

    def path_of(self, sha256: str) -> Path:
        return self.store.blob_path(sha256)

    def begin_comparing(self, count: int) -> Callable[[int], None]:
        return self.reporter.progress("comparing", count, "images").advance


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Judges every image of the crawl. Raises GauchoError if none is left."""
    value = dict(request.spec)
    class_noun = value.pop("class_noun", "")
    spec, store = CurationSpec.model_validate(value), Store(request.data)
    crawled = Crawled(request.inputs["raw_crawl"] / "images.jsonl")
    decisions = read_overrides(spec.overrides)
    overrides, lost = by_image(decisions, crawled)
    means = _Means(spec, store, MeasuresCache(store.root / ".measures"), reporter)
    bad = _measured(crawled, means)
    measures = StoredMeasures(means.cache, crawled, bad)
    relevance = _relevance([sha for sha in measures if first_failure(measures[sha], spec) is None], means)
    verdicts, pixels = _chosen(measures, bad, overrides, relevance, staging / "images", means)
    kept = [sha for sha in crawled if verdicts[sha].kept]
    excluded = [sha for sha in crawled if not verdicts[sha].kept]
    captions = _captions(kept, crawled, overrides, class_noun, means)
    people = _people(kept, means)
    table = Table(crawled, verdicts, measures, relevance, overrides, pixels, captions, people)
    contexts = said_of(captions.values(), spec.context)
    reasons = Counter(verdicts[sha].reason for sha in excluded) + Counter({DUPLICATE: crawled.records - len(crawled)})
    useless = lost + [override.image for sha, override in overrides.items() if override.decision != "drop" and not verdicts[sha].kept]
    relaxed: dict[str, int] = {}
    if len(kept) < spec.min_images:
        nearly = [sha for sha in measures if sha not in relevance and _fails_once(measures[sha], spec)]
        relaxed = if_relaxed(verdicts, measures, spec, overrides, relevance | _relevance(nearly, means), means.begin_comparing)
    metrics = CuratedSetMetrics(
        read=crawled.records,
        kept=len(kept),
        excluded=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        licenses=dict(Counter(crawled[sha]["license"] for sha in kept).most_common()),
        captions=dict(Counter(caption.by for caption in captions.values()).most_common()),
        overrides=OverrideCounts(applied=len(decisions) - len(useless), without_image=tuple(sorted(useless))),
        if_relaxed=relaxed,
        contexts=contexts,
        people=sum(share > 0.5 for share in people.values()),
    )
    if not kept:
        raise GauchoError(f"every image of {request.concept} was excluded ({_why(metrics)}); relax curation, or add sources")
    write_table(staging / "images.jsonl", table.kept(kept))
    write_table(staging / "excluded.jsonl", table.excluded(excluded))
    write_attribution(staging / "ATTRIBUTION.csv", table.kept(kept))
    used = {override.image for override in overrides.values()}
    vanished = [override for override in decisions if override.image not in used]
    title = request.title or request.concept
    write_review(staging, request.concept, title, table, kept, excluded, metrics.excluded, vanished, store.blob_path, contexts, spec)
    if useless:
        reporter.info(f"overrides that name no image that can be used: {', '.join(sorted(useless))}")
    for line in advice(contexts, len(kept)):
        reporter.info(f"to look for next: {line['en']}")
    reporter.info(f"read {metrics.read}: kept {len(kept)}, excluded {reasons.total()}")
    return StageResult(data_version=digest([digest({name: row[name] for name in _IDENTITY}) for row in table.kept(kept)]), metrics=metrics)


def _chosen(
    measures: StoredMeasures,
    bad: dict[str, Verdict],
    overrides: Mapping[str, Override],
    relevance: Mapping[str, float],
    folder: Path,
    means: _Means,
) -> tuple[dict[str, Verdict], dict[str, str]]:
    """A verdict on every image, and the hashes of the pictures that were written of those that stay.

    What cannot be written joins `bad`, which `measures` leaves out, and another may take its place.
    """
    while True:
        verdicts = bad | choose(measures, means.spec, overrides, relevance, begin=means.begin_comparing)
        wanted = [sha for sha in measures if verdicts[sha].kept]
        outcomes = write_pictures(wanted, measures, means.path_of, folder, means.spec, means.reporter)
        _check_disk({sha: outcome.reason for sha, outcome in outcomes.items() if isinstance(outcome, BadImage)}, means)
        failed = {sha: Verdict(False, outcome.reason) for sha, outcome in outcomes.items() if isinstance(outcome, BadImage)}
        if not failed:
            return verdicts, {sha: outcome for sha, outcome in outcomes.items() if isinstance(outcome, str)}
        bad |= failed


def _check_disk(reasons: Mapping[str, str], means: _Means) -> None:
    """Raises GauchoError if images of the crawl are not on the disk as they were fetched: a set must not become smaller by that."""
    lost = [sha for sha, reason in reasons.items() if reason in (MISSING, DAMAGED)]
    for sha in lost:
        means.store.put_aside(sha)
    if lost:
        raise GauchoError(
            f"{len(lost)} images of the crawl are no longer on the disk as they were fetched ({means.path_of(lost[0])}); to fetch them "
            "again, run with --select raw_crawl --force, then as before"
        )


def _fails_once(measures: Measures, spec: CurationSpec) -> bool:
    """Whether one filter alone keeps a picture from being judged further."""
    failure = first_failure(measures, spec)
    return failure is not None and first_failure(measures, spec, failure.reason) is None


def _why(metrics: CuratedSetMetrics) -> str:
    parts = [f"{count} {reason}" for reason, count in metrics.excluded.items()]
    relaxed = [f"{count} would stay without {name}" for name, count in metrics.if_relaxed.items() if count]
    return ", ".join(parts) + (f"; {', '.join(relaxed)}" if relaxed else "")


def _measured(images: Collection[str], means: _Means) -> dict[str, Verdict]:
    """Has all images measured that can be, and gives a verdict on those that cannot."""
    counts: list[int] = []

    def begin(count: int) -> Callable[[], None]:
        counts.append(count)
        return means.reporter.progress("measuring", count, "images").advance

    outcomes = measure_all(images, means.path_of, means.cache, begin)
    bad = {sha: Verdict(False, outcome.reason) for sha, outcome in outcomes if outcome}
    _check_disk({sha: verdict.reason for sha, verdict in bad.items()}, means)
    means.reporter.info(f"measured {sum(counts)} of {len(images)} images now")
    return bad


def _relevance(images: Collection[str], means: _Means) -> dict[str, float]:
    """How likely each shows the concept; empty where that is not asked for."""
    if (spec := means.spec.relevance) is None:
        return {}
    asked = [spec.model_dump(mode="json", exclude={"threshold"}), model_digest(spec.model), _JUDGED_SIDE]
    return _ask(images, lambda: relevance_model(spec), f"relevance {digest(asked)}", "judging relevance", means)


def _people(kept: Collection[str], means: _Means) -> dict[str, float]:
    """How likely each kept image shows a face or a child, for the curator to see; empty without a text-image model."""
    if (spec := means.spec.relevance) is None:
        return {}
    asked = [spec.model, spec.revision, model_digest(spec.model), PEOPLE, _JUDGED_SIDE]
    return _ask(kept, lambda: people_model(spec), f"people {digest(asked)}", "looking for people", means)


def _captions(
    kept: Collection[str], crawled: Crawled, overrides: Mapping[str, Override], class_noun: str, means: _Means
) -> dict[str, Caption]:
    """What each kept picture is said to show, and who said it."""
    spec = means.spec
    written = {sha: override.caption for sha, override in overrides.items() if override.caption}
    answers: dict[str, str] = {}
    silent = [sha for sha in kept if sha not in written]
    if context := spec.context:
        asked = [context.model_dump(mode="json"), model_digest(context.model), class_noun, _JUDGED_SIDE]
        answers = _ask(silent, lambda: context_model(context, class_noun), f"context {digest(asked)}", "captioning", means)
    if captioner := spec.captioner:
        asked = [captioner.model_dump(mode="json"), model_digest(captioner.model), _JUDGED_SIDE]
        answers = _ask(silent, lambda: captioning_model(captioner), f"caption {digest(asked)}", "captioning", means)
    captions = {sha: caption_of(crawled[sha]["title"], spec, written.get(sha, ""), answers.get(sha, "")) for sha in kept}
    plain = sum(caption.by == "prompt" for caption in captions.values())
    if plain and spec.captions != "prompt":
        means.reporter.info(f"{plain} of {len(captions)} images have no {spec.captions} to caption them with: the plain prompt is theirs")
    return captions


def _ask(
    images: Collection[str], load: Callable[[], Callable[[Image.Image], Value]], version: str, what: str, means: _Means
) -> dict[str, Value]:
    """What a model answers of each image that can be read, by SHA-256; it is not asked again what it answered under this version."""
    found = {sha: answer for sha in images if (answer := means.cache.get_answer(sha, version)) is not None}
    new = [sha for sha in images if sha not in found]
    if new:
        model, progress = load(), means.reporter.progress(what, len(new), "images")
        for sha, picture in small_pictures(new, means.path_of, _JUDGED_SIDE):
            if picture:
                found[sha] = model(picture)
                means.cache.put_answer(sha, version, found[sha])
            progress.advance()
    return found


if __name__ == "__main__":
    main(run)
