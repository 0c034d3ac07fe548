"""Curation as a stage: makes `curated_set` of a concept.

Writes images/ (RGB PNGs without metadata), images.jsonl (what was kept, with captions), excluded.jsonl (what was not, and why),
review.html with review/ (for the curator) and ATTRIBUTION.csv. Images, records and measures are read one at a time; what is held of each
is its hash, its place in the crawl's table and its decision, and while copies are sought its window hashes: about two kilobytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL import Image

from gaucho_pipeline.assets.metrics import CuratedSetMetrics, OverrideCounts
from gaucho_pipeline.assets.rows import TrainImage, to_json, write_rows
from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.captions import (
    Caption,
    Captioned,
    caption_of,
    captioning_model,
    catalogue_of,
    context_model,
    named_once,
    phrases_in,
    said_of,
    style_nouns,
)
from gaucho_pipeline.curation.choosing import choose, if_relaxed, scenes
from gaucho_pipeline.curation.crawled import Crawled
from gaucho_pipeline.curation.credits import credits_of
from gaucho_pipeline.curation.hashes import is_like
from gaucho_pipeline.curation.masks import ImageMask, MaskInputs, write_masks
from gaucho_pipeline.curation.overrides import Override, by_image, read_overrides
from gaucho_pipeline.curation.reading import DAMAGED, MISSING, MeasuresCache, StoredMeasures, measure_all, small_pictures
from gaucho_pipeline.curation.relevance import PEOPLE, people_model, relevance_model
from gaucho_pipeline.curation.review import Review, advice, refused_for_rights, write_review
from gaucho_pipeline.curation.segmenting import segmenting_model
from gaucho_pipeline.curation.style_captions import names_style
from gaucho_pipeline.curation.table import Table
from gaucho_pipeline.curation.text_image import model_digest
from gaucho_pipeline.curation.writing import write_pictures
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.tables import write_attribution
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import DUPLICATE, LIKE_FORGOTTEN, ImageDecision, crop_of, first_failure
from gaucho_pipeline.images.decoding import BadImage
from gaucho_pipeline.prompts.templates import ConceptWords, fill_in
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.store import Store

Value = TypeVar("Value", float, str)

_JUDGED_SIDE = 512
_IDENTITY = ("file", "pixels", "caption", "title", "author", "source", "license", "license_url")


@dataclass(frozen=True)
class _Context:
    """What the parts of the stage work with."""

    spec: CurationSpec
    words: ConceptWords
    store: Store
    cache: MeasuresCache
    reporter: Reporter
    forgotten: tuple[bytes, ...]
    """Perceptual hashes of images that must not come back."""

    def path_of(self, sha256: str) -> Path:
        return self.store.blob_path(sha256)

    def begin_comparing(self, count: int) -> Callable[[int], None]:
        return self.reporter.progress("comparing", count, "images").advance


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Decides on every image of the crawl. Raises GauchoError if none is left."""
    spec, store = CurationSpec.model_validate(request.spec), Store(request.data)
    crawled = Crawled(request.inputs["raw_crawl"] / "images.jsonl")
    written = read_overrides(spec.overrides)
    overrides, lost = by_image(written, crawled)
    context = _Context(
        spec, request.concept_words, store, MeasuresCache(store.root / ".measures"), reporter, Forgotten(request.forgotten).fingerprints
    )
    table, relaxed = _decide(crawled, overrides, staging / "images", context)
    useless = lost + [o.image for sha, o in overrides.items() if o.decision != "drop" and not table.decisions[sha].kept]
    counts = OverrideCounts(applied=len(written) - len(useless), without_image=tuple(sorted(useless)))
    metrics = _metrics(table, counts, relaxed, spec)
    if not metrics.kept:
        raise GauchoError(
            _("every image of {concept} was excluded ({why}); relax curation, or add sources", concept=request.concept, why=_why(metrics))
        )
    write_rows(staging / "images.jsonl", table.kept(table.stays))
    write_rows(staging / "excluded.jsonl", table.excluded(table.goes))
    write_attribution(staging / "ATTRIBUTION.csv", map(to_json, table.kept(table.stays)))
    used = {override.image for override in overrides.values()}
    vanished = [override for override in written if override.image not in used]
    refused = refused_for_rights(request.inputs["raw_crawl"] / "refused.jsonl")
    write_review(
        staging,
        Review(request.concept, request.title or request.concept, table, metrics, vanished, spec, context.words, refused),
        store.blob_path,
    )
    if useless:
        reporter.info(_("overrides that name no image that can be used: {useless}", useless=", ".join(sorted(useless))))
    for line in advice(metrics.contexts, metrics.kept):
        reporter.info(_("to look for next: {read}", read=line.read("en")))
    reporter.info(
        _("read {read}: kept {kept}, excluded {count}", read=metrics.read, kept=metrics.kept, count=sum(metrics.excluded.values()))
    )
    identity = [digest(_identity(row)) for row in table.kept(table.stays)]
    return StageResult(data_version=digest(identity), metrics=metrics)


def _identity(row: TrainImage) -> dict[str, object]:
    """What makes a kept image another one: its mask too, where it has one, and what it is nearly the same as."""
    further = {"mask": row.mask_pixels, "scene": row.scene}
    return {name: getattr(row, name) for name in _IDENTITY} | {name: value for name, value in further.items() if value}


def _decide(crawled: Crawled, overrides: Mapping[str, Override], folder: Path, context: _Context) -> tuple[Table, dict[str, int]]:
    """All that is known and decided of the images; and, where too few stay, how many would without each filter."""
    bad = _measured(crawled, context)
    bad |= _like_forgotten(StoredMeasures(context.cache, crawled, bad), overrides, context.forgotten)
    measures = StoredMeasures(context.cache, crawled, bad)
    relevance = _relevance([sha for sha in measures if first_failure(measures[sha], context.spec) is None], context)
    decisions, pixels = _chosen(measures, bad, overrides, relevance, folder, context)
    kept = [sha for sha in crawled if decisions[sha].kept]
    captions = _captions(kept, crawled, overrides, context)
    masks = _masks(kept, measures, crawled, folder.parent, context)
    people, credits_ = _people(kept, context), credits_of(crawled, decisions)
    alike = scenes(kept, measures, context.spec)
    table = Table(crawled, decisions, measures, relevance, overrides, pixels, captions, masks, people, credits_, alike)
    if credits_:
        context.reporter.info(
            _("{count} images are stated by several, who are all credited, under the strictest licence", count=len(credits_))
        )
    if len(kept) >= context.spec.min_images:
        return table, {}
    nearly = [sha for sha in measures if sha not in relevance and _fails_once(measures[sha], context.spec)]
    known = relevance | _relevance(nearly, context)
    return table, if_relaxed(decisions, measures, context.spec, overrides, known, context.begin_comparing)


def _like_forgotten(
    measures: Mapping[str, Measures], overrides: Mapping[str, Override], forgotten: Sequence[bytes]
) -> dict[str, ImageDecision]:
    """Decisions on near copies of images that were forgotten, but for those that a curator has said to keep."""
    asked = [sha for sha in measures if forgotten and not (sha in overrides and overrides[sha].decision == "keep")]
    alike = [sha for sha in asked if any(is_like(measures[sha].hashes, measures[sha].mirrored, other) for other in forgotten)]
    return {sha: ImageDecision(False, LIKE_FORGOTTEN) for sha in alike}


def _metrics(table: Table, overrides: OverrideCounts, relaxed: dict[str, int], spec: CurationSpec) -> CuratedSetMetrics:
    crawled = table.crawled
    reasons = Counter(table.decisions[sha].reason for sha in table.goes) + Counter({DUPLICATE: crawled.records - len(crawled)})
    return CuratedSetMetrics(
        read=crawled.records,
        kept=len(table.stays),
        excluded=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        licenses=dict(Counter(table.credits.get(sha, {}).get("license", crawled[sha].license) for sha in table.stays).most_common()),
        captions=dict(Counter(caption.by for caption in table.captions.values()).most_common()),
        overrides=overrides,
        if_relaxed=relaxed,
        contexts=said_of(table.captions.values(), spec.context),
        people=sum(share > 0.5 for share in table.people.values()),
        masks=dict(Counter(mask.by for mask in table.masks.values()).most_common()),
    )


def _chosen(
    measures: StoredMeasures,
    bad: dict[str, ImageDecision],
    overrides: Mapping[str, Override],
    relevance: Mapping[str, float],
    folder: Path,
    context: _Context,
) -> tuple[dict[str, ImageDecision], dict[str, str]]:
    """A decision on every image, and the hashes of the pictures that were written of those that stay.

    What cannot be written joins `bad`, which `measures` leaves out, and another may take its place.
    """
    while True:
        decisions = bad | choose(measures, context.spec, overrides, relevance, "", context.begin_comparing, partial(_seen, context))
        wanted = [sha for sha in measures if decisions[sha].kept]
        outcomes = write_pictures(wanted, measures, context.path_of, folder, context.spec, context.reporter)
        _check_disk({sha: outcome.reason for sha, outcome in outcomes.items() if isinstance(outcome, BadImage)}, context)
        failed = {sha: ImageDecision(False, outcome.reason) for sha, outcome in outcomes.items() if isinstance(outcome, BadImage)}
        if not failed:
            return decisions, {sha: outcome for sha, outcome in outcomes.items() if isinstance(outcome, str)}
        bad |= failed


def _check_disk(reasons: Mapping[str, str], context: _Context) -> None:
    """Raises GauchoError if images of the crawl are not on the disk as they were fetched: a set must not become smaller by that."""
    lost = [sha for sha, reason in reasons.items() if reason in (MISSING, DAMAGED)]
    for sha in lost:
        context.store.put_aside(sha)
    if lost:
        raise GauchoError(
            _(
                "{count} images of the crawl are no longer on the disk as they were fetched ({path_of}); "
                "to fetch them again, run with --select raw_crawl --force, then as before",
                count=len(lost),
                path_of=context.path_of(lost[0]),
            )
        )


def _fails_once(measures: Measures, spec: CurationSpec) -> bool:
    """Whether one filter alone keeps a picture from being judged further."""
    failure = first_failure(measures, spec)
    return failure is not None and first_failure(measures, spec, failure.reason) is None


def _why(metrics: CuratedSetMetrics) -> str:
    parts = [f"{count} {reason}" for reason, count in metrics.excluded.items()]
    relaxed = [f"{count} would stay without {name}" for name, count in metrics.if_relaxed.items() if count]
    return ", ".join(parts) + (f"; {', '.join(relaxed)}" if relaxed else "")


def _measured(images: Collection[str], context: _Context) -> dict[str, ImageDecision]:
    """Has all images measured that can be, and gives a decision on those that cannot."""
    counts: list[int] = []

    def begin(count: int) -> Callable[[], None]:
        counts.append(count)
        return context.reporter.progress("measuring", count, "images").advance

    outcomes = measure_all(images, context.path_of, context.cache, begin)
    bad = {sha: ImageDecision(False, outcome.reason) for sha, outcome in outcomes if outcome}
    _check_disk({sha: decision.reason for sha, decision in bad.items()}, context)
    context.reporter.info(_("measured {count} of {images} images now", count=sum(counts), images=len(images)))
    return bad


def _relevance(images: Collection[str], context: _Context) -> dict[str, float]:
    """How likely each shows the concept; empty where that is not asked for."""
    if (spec := context.spec.relevance) is None:
        return {}
    asked = [spec.model_dump(mode="json", exclude={"threshold"}), model_digest(spec.model), _JUDGED_SIDE]
    return _ask(images, lambda: relevance_model(spec), f"relevance {digest(asked)}", "judging relevance", context)


def _masks(kept: list[str], measures: Mapping[str, Measures], crawled: Crawled, staging: Path, context: _Context) -> dict[str, ImageMask]:
    """The masks of the kept images; none where no source of them is named."""
    if (sources := context.spec.masks) is None:
        return {}
    boxes = {sha: crop_of(measures[sha], context.spec) for sha in kept}
    inputs = MaskInputs(boxes, {sha: Path(crawled[sha].url).name for sha in kept})
    found = write_masks(kept, inputs, context.path_of, staging, sources, context.reporter)
    if segmenter := context.spec.segmenter:
        without = [sha for sha in kept if sha not in found]
        asked = [segmenter.model_dump(mode="json"), model_digest(segmenter.model), context.words.class_noun, _JUDGED_SIDE]
        load = partial(segmenting_model, segmenter, context.words.class_noun)
        answers = _ask(without, load, f"segment {digest(asked)}", "finding the subject", context)
        others_tried = sources.model_copy(update={"folder": None, "alpha": False, "backdrop": False})
        found |= write_masks(list(answers), replace(inputs, answers=answers), context.path_of, staging, others_tried, context.reporter)
    if count := len(kept) - len(found):
        context.reporter.info(_("{count} of {images} images have no mask: they are learned from whole", count=count, images=len(kept)))
    return found


def _people(kept: Collection[str], context: _Context) -> dict[str, float]:
    """How likely each kept image shows a face or a child, for the curator to see; empty without a text-image model."""
    if (spec := context.spec.relevance) is None:
        return {}
    asked = [spec.model, spec.revision, model_digest(spec.model), PEOPLE, _JUDGED_SIDE]
    return _ask(kept, lambda: people_model(spec), f"people {digest(asked)}", "looking for people", context)


def _seen(context: _Context, images: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Where, in what light and from where each image is seen; empty where captions do not say it."""
    spec = context.spec.context
    return {sha: phrases_in(text, spec) for sha, text in _contexts(images, context).items()} if spec else {}


def _contexts(images: Collection[str], context: _Context) -> dict[str, str]:
    """The prompt of each image that says how it is seen; empty where that is not asked for."""
    if (question := context.spec.context) is None:
        return {}
    asked = [question.model_dump(mode="json"), model_digest(question.model), context.words.class_noun, _JUDGED_SIDE]
    return _ask(images, lambda: context_model(question, context.words.class_noun), f"context {digest(asked)}", "captioning", context)


def _captions(kept: Collection[str], crawled: Crawled, overrides: Mapping[str, Override], context: _Context) -> dict[str, Caption]:
    """What each kept picture is said to show, and who said it."""
    spec = context.spec
    written = {sha: override.caption for sha, override in overrides.items() if override.caption}
    answers: dict[str, str] = {}
    silent = [sha for sha in kept if sha not in written]
    answers |= _contexts(silent, context)
    if captioner := spec.captioner:
        asked = [captioner.model_dump(mode="json", exclude={"synonyms"}), model_digest(captioner.model), _JUDGED_SIDE]
        sentences = _ask(silent, lambda: captioning_model(captioner), f"caption {digest(asked)}", "captioning", context)
        noun, synonyms = context.words.class_noun, captioner.synonyms
        answers = sentences if context.words.is_style else {sha: named_once(text, noun, synonyms) for sha, text in sentences.items()}
    if spec.captions == "catalogue":
        answers = _catalogued(silent, crawled, context)
    asked_of = {sha: Captioned(crawled[sha].title, written.get(sha, ""), answers.get(sha, ""), crawled[sha].author) for sha in kept}
    captions = {sha: caption_of(each, spec, context.words) for sha, each in asked_of.items()}
    if context.words.is_style:
        _report_style(captions, crawled, context)
    plain = sum(caption.by == "prompt" for caption in captions.values())
    if plain and spec.captions != "prompt":
        context.reporter.info(
            _(
                "{plain} of {count} images have no {captions} to caption them with: the plain prompt is theirs",
                plain=plain,
                count=len(captions),
                captions=spec.captions,
            )
        )
    return captions


def _report_style(captions: Mapping[str, Caption], crawled: Crawled, context: _Context) -> None:
    """Tells how many captions of a style still say a medium or their author: what captions say is not learned with the token."""
    nouns = style_nouns(context.spec, context.words)
    texts = {sha: caption.text.removeprefix(f"{context.words.plain_prompt} of ") for sha, caption in captions.items()}
    named = [text for sha, text in texts.items() if names_style(fill_in(text, ConceptWords("", "")), nouns, crawled[sha].author)]
    files = sum(Path(crawled[sha].url).stem == crawled[sha].title for sha, caption in captions.items() if caption.by == "title")
    if files:
        context.reporter.info(
            _(
                "{count} of {images} captions are names of files, which may say nothing of what is shown: give titles in a table",
                count=files,
                images=len(captions),
            )
        )
    if named:
        context.reporter.info(
            _(
                "{count} of {images} captions may still say how the picture is made, which the token then does not learn: {first}; "
                "write them anew on the review page",
                count=len(named),
                images=len(captions),
                first=" ".join(named[0].split()),
            )
        )


def _catalogued(images: Collection[str], crawled: Crawled, context: _Context) -> dict[str, str]:
    """What the catalogue says of each image, in English; words that no glossary holds are reported, the commonest first."""
    catalogue, found, unknown = catalogue_of(context.spec), dict[str, str](), Counter[str]()
    for sha in images:
        row = crawled[sha]
        found[sha], words = catalogue.caption(row.title, row.fields)
        unknown.update(word.lower() for word in words)
    if unknown:
        named = ", ".join(f"{word} ({count})" for word, count in unknown.most_common(20))
        text = _("the glossary does not hold {count} words of the catalogue: {named}", count=len(unknown), named=named)
        context.reporter.info(_("{text}; add them in curation.caption_glossary", text=text))
    return found


def _ask(
    images: Collection[str], load: Callable[[], Callable[[Image.Image], Value]], version: str, what: str, context: _Context
) -> dict[str, Value]:
    """What a model answers of each image that can be read, by SHA-256; it is not asked again what it answered under this version."""
    found = {sha: answer for sha in images if (answer := context.cache.get_answer(sha, version)) is not None}
    new = [sha for sha in images if sha not in found]
    if new:
        model, progress = load(), context.reporter.progress(what, len(new), "images")
        for sha, picture in small_pictures(new, context.path_of, _JUDGED_SIDE):
            if picture:
                found[sha] = model(picture)
                context.cache.put_answer(sha, version, found[sha])
            progress.advance()
    return found


if __name__ == "__main__":
    main(run)
