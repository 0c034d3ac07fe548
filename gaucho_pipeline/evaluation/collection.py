"""The evaluation of a collection: reads what its concepts' evaluations were made from, and holds the pictures of each against all images.

What the table is and what follows from it is in `confusion.py`. It draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gaucho_pipeline.assets.metrics import CollectionEvaluationMetrics, EvaluationMetrics
from gaucho_pipeline.assets.rows import Picture, TrainImage, read_rows
from gaucho_pipeline.assets.table import COLLECTION_EVALUATION
from gaucho_pipeline.assets.verdict_text import collection_text
from gaucho_pipeline.concepts.collection import CollectionEvaluationSpec
from gaucho_pipeline.errors import _
from gaucho_pipeline.evaluation.confusion import Shown, confusion, decide
from gaucho_pipeline.evaluation.features import held_against
from gaucho_pipeline.evaluation.reading import read_drawn, read_small
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.models.encoders import Encoder, load_encoders
from gaucho_pipeline.stage.harness import StageResult
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.manifest import read_manifest


def evaluate_collection(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Holds the pictures of each concept against the real images of all. Raises GauchoError if an image that is needed cannot be read."""
    spec = CollectionEvaluationSpec.model_validate(request.spec)
    encoders, reasons = load_encoders(spec.encoders(), reporter, COLLECTION_EVALUATION)
    encoder = next((encoders[kind] for kind in spec.encoders() if kind in encoders), None)
    if encoder is None:
        why = next(iter(reasons.values()), "no encoder is named")
        metrics = CollectionEvaluationMetrics(verdict="unclear", reason="not_measured", rows={}, missing=why)
    else:
        shown = {member.token: _shown(encoder, member.slug, request, reporter) for member in spec.members}
        rows = confusion(shown, encoder.backbone)
        verdict, reason, named = decide(rows)
        metrics = CollectionEvaluationMetrics(verdict=verdict, reason=reason, named=named, rows=rows, backbone=encoder.backbone)
    reporter.info(_("verdict: {verdict}; {text}", verdict=metrics.verdict, text=collection_text(metrics, "en")))
    return StageResult(data_version=digest([request.provenance.inputs, metrics.model_dump(mode="json")]), metrics=metrics)


def _shown(encoder: Encoder, slug: str, request: StageRequest, reporter: Reporter) -> Shown:
    """What the encoder says of a concept's pictures and of its real images: those that were learned from, and those measured with."""
    gallery, checkpoint = request.inputs[f"sample_gallery/{slug}"], request.inputs[f"checkpoint/{slug}"]
    metrics = read_manifest(request.inputs[f"evaluation/{slug}"]).metrics
    assert isinstance(metrics, EvaluationMetrics)
    counted = [
        row for row in read_rows(gallery / "pictures.jsonl", Picture) if row.kind == "concept" and row.prompt not in metrics.unfollowed
    ]
    base, tuned = ([read_drawn(gallery, row) for row in counted if row.model == model] for model in ("base", "tuned"))
    real = _real(request.inputs[f"curated_set/{slug}"], checkpoint)
    progress = reporter.progress(f"embedding {slug}", len(base) + len(tuned) + len(real), "pictures")
    own, before, after = (encoder.embed_images(pictures, progress.advance) for pictures in (real, base, tuned))
    return Shown(own, before, after, metrics.verdict)


def _real(curated: Path, checkpoint: Path) -> Sequence[Image.Image]:
    files = [curated / row.file for row in read_rows(checkpoint / "train.jsonl", TrainImage)]
    files += [checkpoint / row.file for row in read_rows(checkpoint / "validation.jsonl", TrainImage)]
    return [read_small(files[place]) for place in held_against(len(files))]
