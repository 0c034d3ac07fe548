"""Training as a stage: makes `checkpoint` of a concept.

Writes what was learned (as the method stores it), README.md (the model card), losses.jsonl and losses.png, logs/ for TensorBoard where that
is installed, train.jsonl (what was learned from), validation/ with its table (images that were measured with, never learned from), and
ATTRIBUTION.csv.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.tables import read_table, write_attribution, write_table
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.methods.base import Weights, tensors_digest
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import Loaded
from gaucho_pipeline.rights.model_licenses import license_of
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter, SilentReporter
from gaucho_pipeline.stage.request import StageRequest, read_request
from gaucho_pipeline.store.store import Store
from gaucho_pipeline.training import processes
from gaucho_pipeline.training.curve import draw_curves, write_logs
from gaucho_pipeline.training.energy import EnergyMeter
from gaucho_pipeline.training.examples import split
from gaucho_pipeline.training.model_card import model_card
from gaucho_pipeline.training.preparing import Images, prepare
from gaucho_pipeline.training.report import measure, read_back
from gaucho_pipeline.training.study import Study, Words, train_all
from gaucho_pipeline.training.tokens import notes_on_words

_CREDIT = ("sha256", "title", "author", "source", "license", "license_url")


@dataclass(frozen=True)
class _Trained:
    """What came of a training, and what it was made of."""

    study: Study
    words: tuple[str, str]
    train_rows: list[dict[str, Any]]
    validation_rows: list[dict[str, Any]]
    class_rows: list[dict[str, Any]]
    notes: list[str]


def train_concept(request: StageRequest, staging: Path, reporter: Reporter) -> _Trained:
    """Teaches the concept to the base model; every process of a distributed run does the same."""
    value = dict(request.spec)
    words = value.pop("token"), value.pop("class_noun")
    spec, curated = TrainingSpec.model_validate(value), request.inputs["curated_set"]
    train_rows, validation_rows = split(read_table(curated / "images.jsonl"), spec.validation_fraction, spec.seed)
    base, spec = _load(spec, reporter)
    images = Images(curated, train_rows, validation_rows, staging / "class_images", request.data)
    encoded, class_rows = prepare(base, spec, *words, images, reporter)
    notes = notes_on_words(base.family, words[0], encoded.train.captions)
    for note in notes:
        reporter.info(f"note: {note}")
    pixels = digest([row["pixels"] for row in train_rows + validation_rows])
    study = train_all(base, spec, Words(*words, pixels), encoded, staging / "state", reporter)
    return _Trained(study, words, train_rows, validation_rows, class_rows, notes)


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Teaches the concept to the base model, measures what was learned, and writes all of it."""
    device = base_models.best_device()
    meter = EnergyMeter(device)
    meter.start()
    trained = train_concept(request, staging, reporter)
    watt_hours, study, curated = meter.stop(), trained.study, request.inputs["curated_set"]
    (token, class_noun), train_rows, class_rows = trained.words, trained.train_rows, trained.class_rows
    validation_rows, trainer, method = trained.validation_rows, study.trainer, study.trainer.model.method
    family = type(trainer.model.family)
    metrics = measure(study, class_noun, watt_hours, str(license_of(trainer.spec.base_model)))
    licenses = sorted({row["license"] for row in train_rows + class_rows})
    method.save(staging, request.concept, f"{token} {class_noun}", ", ".join(licenses), len(train_rows))
    version = data_version(method.weights(), trainer.spec, train_rows + validation_rows + class_rows)
    metrics = metrics.model_copy(update={"reload_difference": read_back(study, staging), "notes": tuple(trained.notes)})
    write_table(staging / "losses.jsonl", [row | {"trial": name} for name, curve in study.curves.items() for row in curve])
    draw_curves(study.curves, study.kept, metrics.best_step, staging / "losses.png")
    write_logs(study.curves, staging / "logs")
    _copy_images(validation_rows, curated, staging, "validation")
    write_table(staging / "train.jsonl", train_rows)
    credited = [row | {"file": Path(row["file"]).name} for row in train_rows + class_rows]
    write_attribution(staging / "ATTRIBUTION.csv", credited)
    card = model_card(request.concept, request.title, (token, class_noun), trainer.spec, family, metrics, credited)
    write_atomically(staging / "README.md", card)
    loss = metrics.validation_loss
    reporter.info(f"validation loss {loss.base:.4f} before, {loss.tuned:.4f} after; best at step {metrics.best_step}")
    if loss.interval:
        reporter.info(f"learned: {metrics.learned} (the loss changed by {loss.interval[0]:.4f} to {loss.interval[1]:.4f})")
    return StageResult(data_version=version, metrics=metrics, leftovers=("state", "class_images"))


def _load(spec: TrainingSpec, reporter: Reporter) -> tuple[Loaded, TrainingSpec]:
    """The base model, and the specification with the side of its pictures."""
    device = base_models.best_device()
    reporter.info(f"loading {spec.base_model} on {device}{', its denoiser in four bits' if spec.quantization else ''}")
    base = base_models.load(spec.base_model, spec.revision, device, spec.quantization)
    return base, spec.model_copy(update={"resolution": spec.resolution or base.resolution})


def data_version(weights: Weights, spec: TrainingSpec, rows: list[dict[str, Any]]) -> str:
    """The hash of what a checkpoint holds: what was learned, and to whom its images are credited."""
    credited = [[row[name] for name in _CREDIT] for row in rows]
    return digest([tensors_digest(weights, spec.method, spec.effective_alpha), credited])


def _copy_images(rows: list[dict[str, Any]], curated: Path, staging: Path, name: str) -> None:
    folder = staging / name
    folder.mkdir(exist_ok=True)
    for row in rows:
        shutil.copyfile(curated / row["file"], folder / Path(row["file"]).name)
    write_table(staging / f"{name}.jsonl", [row | {"file": f"{name}/{Path(row['file']).name}"} for row in rows])


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
