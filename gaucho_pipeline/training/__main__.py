"""Training as a stage: makes `checkpoint` of a concept.

Writes what was learned (as the method stores it), README.md (the model card), losses.jsonl and losses.png, logs/ for TensorBoard where that
is installed, train.jsonl (what was learned from), validation/ with its table (images that were measured with, never learned from), and
ATTRIBUTION.csv.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.assets.metrics import CheckpointMetrics
from gaucho_pipeline.assets.rows import ClassImage, Credit, TrainImage, read_rows, to_json, write_rows
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.tables import write_attribution
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.methods.base import CheckpointInfo, Weights, tensors_digest
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import Loaded, Loading
from gaucho_pipeline.rights.model_licenses import license_of
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter, SilentReporter
from gaucho_pipeline.stage.request import StageRequest, read_request
from gaucho_pipeline.store.store import Store
from gaucho_pipeline.training import processes
from gaucho_pipeline.training.curve import draw_curves, write_logs
from gaucho_pipeline.training.energy import EnergyMeter
from gaucho_pipeline.training.examples import notes_on_sizes, split
from gaucho_pipeline.training.model_card import CardSubject, model_card
from gaucho_pipeline.training.preparing import ImagePaths, prepare
from gaucho_pipeline.training.report import measure, read_back
from gaucho_pipeline.training.study import Lesson, Study, train_all
from gaucho_pipeline.training.tokens import notes_on_words

_CREDIT = ("sha256", "title", "author", "source", "license", "license_url")


@dataclass(frozen=True)
class _Trained:
    """What came of a training, and what it was made of."""

    study: Study
    train: list[TrainImage]
    validation: list[TrainImage]
    class_images: list[ClassImage]
    notes: list[str]

    @property
    def learned_from(self) -> list[TrainImage | ClassImage]:
        """What the weights are due to: all but the validation images."""
        return [*self.train, *self.class_images]


def train_concept(request: StageRequest, staging: Path, reporter: Reporter) -> _Trained:
    """Teaches the concept to the base model; every process of a distributed run does the same."""
    spec, words, curated = TrainingSpec.model_validate(request.spec), request.concept_words, request.inputs["curated_set"]
    train, validation = split(read_rows(curated / "images.jsonl", TrainImage), spec.validation_fraction, spec.seed)
    base, spec = _load(spec, reporter)
    images = ImagePaths(curated, train, validation, staging / "class_images", request.data)
    encoded, class_images = prepare(base, spec, words, images, reporter)
    side = spec.resolution or base.resolution
    notes = notes_on_words(base.family, words.token, encoded.train.captions)
    notes += notes_on_sizes((curated / row.file for row in train), spec, side, base.family.bucket_multiple)
    for note in notes:
        reporter.info(_("note: {note}", note=note))
    masked = [row.mask_pixels for row in train + validation] if spec.mask else []
    lesson = Lesson(words, encoded, digest([row.pixels for row in train + validation] + masked))
    with base.peaks.phase("training"):
        study = train_all(base, spec, lesson, staging / "state", reporter)
    return _Trained(study, train, validation, class_images, notes)


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Teaches the concept to the base model, measures what was learned, and writes all of it."""
    meter = EnergyMeter(base_models.best_device())
    meter.start()
    trained = train_concept(request, staging, reporter)
    watt_hours, study, words = meter.stop(), trained.study, request.concept_words
    trainer, method = study.trainer, study.trainer.model.method
    family = type(trainer.model.family)
    with trainer.model.peaks.phase("measuring"):
        metrics = measure(study, words, watt_hours, str(license_of(trainer.spec.base_model)))
    licenses = ", ".join(sorted({row.license for row in trained.learned_from}))
    authors = ", ".join(sorted({row.author for row in trained.learned_from if row.author}))
    method.save(staging, CheckpointInfo(request.concept, f"{words.token} {words.class_noun}", licenses, len(trained.train), authors))
    version = data_version(method.weights(), trainer.spec, [*trained.train, *trained.validation, *trained.class_images])
    metrics = metrics.model_copy(update={"reload_difference": read_back(study, staging), "notes": tuple(trained.notes)})
    if metrics.resources:
        resources = metrics.resources.model_copy(update={"peaks": dict(trainer.model.peaks.phases)})
        metrics = metrics.model_copy(update={"resources": resources})
    _write_losses(study, metrics.best_step, staging)
    _copy_images(trained.validation, request.inputs["curated_set"], staging, "validation")
    write_rows(staging / "train.jsonl", trained.train)
    credited = [row.model_copy(update={"file": Path(row.file).name}) for row in trained.learned_from]
    write_attribution(staging / "ATTRIBUTION.csv", map(to_json, credited))
    card = model_card(CardSubject(request.concept, request.title, words, trainer.spec, family, metrics, credited, request.consent))
    write_atomically(staging / "README.md", card)
    _report(metrics, reporter)
    return StageResult(data_version=version, metrics=metrics, leftovers=("state", "class_images"))


def _write_losses(study: Study, best_step: int, staging: Path) -> None:
    write_rows(staging / "losses.jsonl", [row.model_copy(update={"trial": name}) for name, curve in study.curves.items() for row in curve])
    draw_curves(study.curves, study.kept, best_step, staging / "losses.png")
    write_logs(study.curves, staging / "logs")


def _report(metrics: CheckpointMetrics, reporter: Reporter) -> None:
    loss = metrics.validation_loss
    reporter.info(
        _(
            "validation loss {base:.4f} before, {tuned:.4f} after; best at step {best_step}",
            base=loss.base,
            tuned=loss.tuned,
            best_step=metrics.best_step,
        )
    )
    if loss.interval:
        reporter.info(
            _(
                "loss_fell: {loss_fell} (it changed by {low:.4f} to {high:.4f})",
                loss_fell=metrics.loss_fell,
                low=loss.interval[0],
                high=loss.interval[1],
            )
        )


def _load(spec: TrainingSpec, reporter: Reporter) -> tuple[Loaded, TrainingSpec]:
    """The base model, and the specification with the side of its pictures."""
    device = base_models.best_device()
    reporter.info(
        _(
            "loading {base_model} on {device}{quantized}",
            base_model=spec.base_model,
            device=device,
            quantized=f", in {spec.quantization}" if spec.quantization else "",
        )
    )
    base = base_models.load(spec.base_model, spec.revision, device, Loading(*spec.computed))
    return base, spec.model_copy(update={"resolution": spec.resolution or base.resolution})


def data_version(weights: Weights, spec: TrainingSpec, rows: Sequence[Credit]) -> str:
    """The hash of what a checkpoint holds: what was learned, and to whom its images are credited."""
    credited = [[getattr(row, name) for name in _CREDIT] for row in rows]
    return digest([tensors_digest(weights, spec.method, spec.effective_alpha), credited])


def _copy_images(rows: Sequence[TrainImage], curated: Path, staging: Path, name: str) -> None:
    folder = staging / name
    folder.mkdir(exist_ok=True)
    for row in rows:
        shutil.copyfile(curated / row.file, folder / Path(row.file).name)
    write_rows(staging / f"{name}.jsonl", [row.model_copy(update={"file": f"{name}/{Path(row.file).name}"}) for row in rows])


def follow(path: Path) -> None:
    """What every process but the first does: the same training, of which it keeps nothing."""
    request = read_request(path)
    if request.cached() is None:
        staging = Store(request.data).staging_folder(request.asset, request.concept, str(request.fingerprint))
        train_concept(request, staging, SilentReporter(None))


if __name__ == "__main__":
    if processes.start(sys.argv, os.environ) == 0:
        main(run)
    else:
        follow(Path(sys.argv[1]))
