"""The evaluation as a stage: makes `evaluation` of a concept, from its pictures and its checkpoint, and draws nothing.

What a collection of several is worth is in `collection.py`.

Writes training/ (small pictures of the training images) and training.jsonl (their authors and licences), and copies.jsonl (pictures that
look copied, beside the image that they look copied from). The figures and the verdict are in the manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from gaucho_pipeline.assets.metrics import AttributeScore, BaseTuned, CheckpointMetrics, EvaluationMetrics, Score
from gaucho_pipeline.assets.rows import Copy, CreditedThumbnail, Picture, TrainImage, read_rows, to_json, write_rows
from gaucho_pipeline.assets.table import COLLECTION_EVALUATION
from gaucho_pipeline.assets.verdict_text import verdict_text
from gaucho_pipeline.assets.verdicts import SUBJECT_SCORERS
from gaucho_pipeline.concepts.evaluation import EvaluationSpec
from gaucho_pipeline.errors import _
from gaucho_pipeline.evaluation.attributes import Shown, attribute_scores
from gaucho_pipeline.evaluation.attributes import missing as missing_attributes
from gaucho_pipeline.evaluation.collection import evaluate_collection
from gaucho_pipeline.evaluation.evidence import asides_of, attribute_asides, evidence_of, shares_of
from gaucho_pipeline.evaluation.features import Material, Seen, embed
from gaucho_pipeline.evaluation.intervals import change_interval
from gaucho_pipeline.evaluation.memorisation import COPY_DETECTOR_LINE, line_of, nearest
from gaucho_pipeline.evaluation.reading import read_drawn, read_masked, read_small, small
from gaucho_pipeline.evaluation.verdict import decide
from gaucho_pipeline.files.digests import digest, file_digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.images.decoding import BadImage, decode, fit, jpeg_bytes
from gaucho_pipeline.images.files import images_of
from gaucho_pipeline.models.encoders import CopyDetector, Encoder, load_encoders
from gaucho_pipeline.scorers import SCORERS, Features, Scorer
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.manifest import read_manifest

_THUMBNAIL = 320
_PREFERRED = ("dinov2", "dino", "clip")
"""The encoder that is taken for what needs none in particular: the best at telling one subject from another."""
_MAX_LOOK_ALIKES = 500
_MAX_BYTES = 100_000_000


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Makes what is requested."""
    made = evaluate_collection if request.asset == COLLECTION_EVALUATION.name else evaluate_concept
    return made(request, staging, reporter)


def evaluate_concept(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Scores the pictures of a concept. Raises GauchoError if an image that is needed cannot be read."""
    spec = EvaluationSpec.model_validate(request.spec)
    checkpoint, gallery = request.inputs["checkpoint"], request.inputs["sample_gallery"]
    trained = read_manifest(checkpoint).metrics
    assert isinstance(trained, CheckpointMetrics)
    train_rows = read_rows(checkpoint / "train.jsonl", TrainImage)
    alike = _look_alikes(spec, request.inputs, Forgotten(request.forgotten).sha256, reporter)
    material = gather(gallery, checkpoint, request.inputs["curated_set"], train_rows, alike)
    _write_training(staging, train_rows, material.training)
    encoders, missing = _encoders(spec, reporter)
    seen = {kind: embed(encoder, material, request.concept_words, reporter) for kind, encoder in encoders.items()}
    every = _features(seen)
    material_counted, seen, unfollowed = _counted(material, seen)
    scores = _score(spec, encoders, _features(seen), missing)
    scores = {name: _with_masked(name, score, seen) for name, score in scores.items()}
    copies, line, detector = _copies(spec, encoders, every, material, reporter)
    attributes = _attributes(request, encoders, seen)
    evidence = evidence_of(scores, seen, material_counted, trained.loss_fell, len(copies), len(material.rows))
    verdict = decide(replace(evidence, is_attribute_missing=bool(missing_attributes(attributes))))
    write_rows(staging / "copies.jsonl", copies)
    metrics = EvaluationMetrics(
        verdict=verdict.word,
        reason=verdict.reason,
        loss_fell=trained.loss_fell,
        **shares_of(evidence),
        asides=(*asides_of(evidence, verdict.reason, material_counted, trained, request.class_noun), *attribute_asides(attributes)),
        attributes=attributes,
        real_images=evidence.real_images,
        memorised=len(copies),
        memorisation_line=round(line, 4),
        memorisation_backbone=detector,
        missing=missing,
        beyond=tuple(name for name, limit in spec.thresholds.items() if _is_beyond(SCORERS[name], scores.get(name), limit)),
        pictures=len(material.rows),
        counted=len(material_counted.rows),
        unfollowed=unfollowed,
        validation_images=len(material.validation),
        **{name: scores.get(name) for name in SCORERS},
    )
    _report(metrics, request.class_noun, reporter)
    return StageResult(data_version=_version(request, metrics, copies), metrics=metrics)


def _features(seen: Mapping[str, Seen]) -> dict[str, dict[str, Features]]:
    return {kind: own.features for kind, own in seen.items()}


def _version(request: StageRequest, metrics: EvaluationMetrics, copies: Sequence[Copy]) -> str:
    """The hash of what an evaluation holds; what nothing was asked of is left out, as before it could be asked."""
    stable = metrics.model_dump(mode="json", exclude=set() if metrics.attributes else {"attributes"})
    return digest([request.provenance.inputs, stable, [to_json(each) for each in copies]])


def _attributes(request: StageRequest, encoders: Mapping[str, Encoder], seen: Mapping[str, Seen]) -> tuple[AttributeScore, ...]:
    """What pictures must show, by the first encoder that reads words; of none where nothing is asked, or no encoder reads."""
    texts = [str(text) for text in request.provenance.spec.get("attributes", ())]
    kind = next((kind for kind, encoder in encoders.items() if encoder.reads_words and kind in seen), None)
    if kind is None:
        return tuple(AttributeScore(text=text, ranked=None, seen=None) for text in texts)
    own = seen[kind]
    without = own.features["base"].look_alikes
    return attribute_scores(encoders[kind], texts, request.concept_words, Shown(own.subject.real, without, own.subject.tuned))


def _counted(material: Material, seen: Mapping[str, Seen]) -> tuple[Material, dict[str, Seen], tuple[str, ...]]:
    """What is left without the prompts that the base model does not follow, and these."""
    unfollowed = next((own.unfollowed for own in seen.values() if own.unfollowed), ())
    counted = np.array([row.prompt not in unfollowed for row in material.rows], bool)
    rows = [row for row in material.rows if row.prompt not in unfollowed]
    return replace(material, rows=rows), {kind: own.only(counted) for kind, own in seen.items()}, unfollowed


def _report(metrics: EvaluationMetrics, class_noun: str, reporter: Reporter) -> None:
    """What was left out and why, and the verdict last."""
    for prompt in metrics.unfollowed:
        reporter.info(_("not counted, because the base model does not draw a {noun} there: {prompt}", noun=class_noun, prompt=prompt))
    for text in metrics.missing.values():
        reporter.info(_("not measured: {text}", text=text))
    reporter.info(_("verdict: {verdict}; {text}", verdict=metrics.verdict, text=verdict_text(metrics, "en")))


def gather(
    gallery: Path, checkpoint: Path, curated: Path, train_rows: Sequence[TrainImage], look_alikes: Sequence[Image.Image]
) -> Material:
    """Reads the pictures and the images. Raises GauchoError if one cannot be read."""
    rows = read_rows(gallery / "pictures.jsonl", Picture)
    by_kind = {kind: [row for row in rows if row.kind == kind] for kind in ("concept", "class")}

    def of_models(kind: str) -> dict[str, list[Image.Image]]:
        return {model: [read_drawn(gallery, row) for row in by_kind[kind] if row.model == model] for model in ("base", "tuned")}

    validation = read_rows(checkpoint / "validation.jsonl", TrainImage)
    return Material(
        rows=[row for row in by_kind["concept"] if row.model == "tuned"],
        pictures=of_models("concept"),
        class_pictures=of_models("class"),
        training=[read_small(curated / row.file) for row in train_rows],
        validation=[read_small(checkpoint / row.file) for row in validation],
        look_alikes=look_alikes,
        masked=[read_masked(checkpoint / row.file, curated / row.mask) for row in validation if row.mask],
    )


def _look_alikes(spec: EvaluationSpec, inputs: Mapping[str, Path], forgotten: Collection[str], reporter: Reporter) -> list[Image.Image]:
    """Images of what might be taken for the concept; those that cannot be read, or were forgotten, are left out, and told."""
    paths = [folder / row.file for name, folder in inputs.items() if "/" in name for row in read_rows(folder / "images.jsonl", TrainImage)]
    if spec.look_alikes and spec.look_alikes.folder:
        paths += [file.path for file in images_of(spec.look_alikes.folder)]
    found, bad = list[Image.Image](), 0
    for path in paths[:_MAX_LOOK_ALIKES]:
        try:
            if path.stat().st_size > _MAX_BYTES or file_digest(path) in forgotten:
                raise BadImage("refused", "it is too large, or was forgotten")
            found.append(small(decode(path.read_bytes())))
        except (OSError, BadImage):
            bad += 1
    if bad or len(paths) > _MAX_LOOK_ALIKES:
        reporter.info(_("{count} look-alikes of {named}; {bad} cannot be read", count=len(found), named=len(paths), bad=bad))
    return found


def _encoders(spec: EvaluationSpec, reporter: Reporter) -> tuple[dict[str, Encoder], dict[str, str]]:
    """The encoders that the asked figures need, and for each figure that has none why, and how to get it."""
    needed = {SCORERS[name].encoder for name in spec.scorers}
    found, reasons = load_encoders({kind: own for kind, own in spec.encoders().items() if needed & {kind, None}}, reporter)
    missing = {}
    for name in spec.scorers:
        kind_needed = SCORERS[name].encoder
        if kind_needed in reasons:
            missing[name] = reasons[kind_needed]
        elif kind_needed is not None and kind_needed not in found:
            missing[name] = f"evaluation.{kind_needed} names no encoder"
        elif kind_needed is None and not found:
            missing[name] = next(iter(reasons.values()), "evaluation names no encoder")
    return found, missing


def _score(
    spec: EvaluationSpec, encoders: Mapping[str, Encoder], features: Mapping[str, Mapping[str, Features]], missing: Mapping[str, str]
) -> dict[str, Score]:
    """The figures that were asked for, as far as there is an encoder for them and enough to score."""
    found = {}
    for name in spec.scorers:
        scorer = SCORERS[name]
        kind = scorer.encoder or _best(encoders)
        if name in missing or kind is None or kind not in encoders or not scorer.can_score(features[kind]["tuned"]):
            continue
        own = features[kind]
        has_ceiling = scorer.has_ceiling and scorer.can_score(own["real"])
        found[name] = Score(
            base=_whole(scorer, own["base"]),
            tuned=_whole(scorer, own["tuned"]),
            interval=change_interval(scorer, own["base"], own["tuned"]),
            ceiling=_whole(scorer, own["real"]) if has_ceiling else None,
            floor=_whole(scorer, own["shuffled"]) if has_ceiling and "shuffled" in own else None,
            backbone=encoders[kind].backbone,
        )
    return found


def _best(encoders: Mapping[str, Encoder]) -> str | None:
    """The kind of encoder that is taken where none in particular is needed; None where there is none."""
    return next((kind for kind in _PREFERRED if kind in encoders), None)


def _whole(scorer: Scorer, features: Features) -> float:
    """The figure of all pictures against all images."""
    return round(scorer.score(features, np.arange(features.rows(scorer.of)), np.arange(len(features.images))), 4)


def _with_masked(name: str, score: Score, seen: Mapping[str, Seen]) -> Score:
    """The score with what it is against the subject alone, for those that compare pictures with images, where masks are known."""
    own = seen[SCORERS[name].encoder or ""] if name in SUBJECT_SCORERS else None
    if own is None or not len(own.masked):
        return score
    base, tuned = (_whole(SCORERS[name], replace(own.features[model], images=own.masked)) for model in ("base", "tuned"))
    return score.model_copy(update={"masked": BaseTuned(base=base, tuned=tuned)})


def _is_beyond(scorer: Scorer, score: Score | None, limit: float) -> bool:
    """Whether a figure is beyond its threshold; one that could not be measured is."""
    if score is None:
        return True
    return score.tuned < limit if scorer.higher_is_better else score.tuned > limit


def _copies(
    spec: EvaluationSpec,
    encoders: Mapping[str, Encoder],
    features: Mapping[str, Mapping[str, Features]],
    material: Material,
    reporter: Reporter,
) -> tuple[list[Copy], float, str]:
    """The tuned pictures that look copied, each with its training image; the line that they are over; and what found them."""
    if spec.copy_detector:
        detector = CopyDetector(spec.copy_detector)
        progress = reporter.progress("seeking copies", len(material.rows) + len(material.training), "pictures")
        pictures = detector.embed_images(material.pictures["tuned"], progress.advance)
        training = detector.embed_images(material.training, progress.advance)
        line, backbone = COPY_DETECTOR_LINE, detector.backbone
    elif kind := _best(encoders):
        pictures, training = features[kind]["tuned"].pictures, features[kind]["real"].pictures
        line, backbone = line_of(np.concatenate([training, features[kind]["real"].images])), encoders[kind].backbone
    else:
        return [], 1.0, ""
    found = []
    for match in nearest(pictures, training):
        if match.cosine > line:
            row = material.rows[match.picture]
            found.append(Copy(file=row.file, training=_thumbnail(match.image), cosine=round(match.cosine, 4)))
    return found, line, backbone


def _thumbnail(number: int) -> str:
    return f"training/{number:03d}.jpg"


def _write_training(staging: Path, rows: Sequence[TrainImage], images: Sequence[Image.Image]) -> None:
    """The training images in small, and whose they are: what pages show beside what was made of them."""
    (staging / "training").mkdir(exist_ok=True)
    credits_ = []
    for number, (row, image) in enumerate(zip(rows, images, strict=True)):
        small = fit(image, _THUMBNAIL)
        write_atomically(staging / _thumbnail(number), jpeg_bytes(small, 82))
        names = ("title", "author", "license", "license_url", "source", "sha256", "flags")
        credits_.append(CreditedThumbnail(file=_thumbnail(number), **{name: getattr(row, name) for name in names}))
    write_rows(staging / "training.jsonl", credits_)


if __name__ == "__main__":
    main(run)
