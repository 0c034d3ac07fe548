"""The checkpoint of a concept: what the base model learned of it alone, or what the collection learned in which it is taught.

Writes what was learned (as the method stores it), README.md (the model card), losses.jsonl and losses.png, logs/ for TensorBoard where that
is installed, train.jsonl (what was learned from), validation/ with its table (images that were measured with, never learned from), and
ATTRIBUTION.csv. Of a collection nothing is trained here: its adapter is taken, with the credits of all that it learned from; images of its
other concepts are in together.jsonl.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from gaucho_pipeline.assets.metrics import CheckpointMetrics, CollectionMetrics
from gaucho_pipeline.assets.rows import ClassImage, Credit, TrainImage, read_rows, to_json, write_rows
from gaucho_pipeline.assets.table import COLLECTION, CURATED_SET
from gaucho_pipeline.concepts.collection import TaughtTogether
from gaucho_pipeline.concepts.models import recorded_family
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.tables import write_attribution
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.models import base_models
from gaucho_pipeline.stage.harness import StageResult
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import read_manifest
from gaucho_pipeline.store.store import Store
from gaucho_pipeline.training.energy import EnergyMeter
from gaucho_pipeline.training.model_card import CardSubject, model_card
from gaucho_pipeline.training.samples import STRIP
from gaucho_pipeline.training.train import LEFTOVERS, Trained, concept_images, copied_images, measured_and_saved, train_concepts


def train_concept(request: StageRequest, staging: Path, reporter: Reporter) -> Trained:
    """Teaches a concept to the base model; every process of a distributed run does the same."""
    spec = TrainingSpec.model_validate(request.spec)
    own = concept_images(request.concept_words, request.inputs[CURATED_SET.name], spec)
    return train_concepts(spec, [own], request, staging, reporter)


def make_checkpoint(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Teaches the concept to the base model, measures what was learned, and writes all of it."""
    meter = EnergyMeter(base_models.best_device())
    meter.start()
    trained = train_concept(request, staging, reporter)
    (metrics,), version = measured_and_saved(trained, meter, request.concept, staging, reporter)
    (own,) = trained.concepts
    write_rows(staging / "validation.jsonl", copied_images(own.validation, own.curated, staging, "validation"))
    write_rows(staging / "train.jsonl", trained.train)
    credited = by_name(trained.learned_from)
    write_attribution(staging / "ATTRIBUTION.csv", map(to_json, credited))
    trainer = trained.study.trainer
    _write_card(request, trainer.spec, type(trainer.model.family), metrics, credited, staging)
    return StageResult(data_version=version, metrics=metrics, leftovers=LEFTOVERS)


def by_name(rows: Sequence[TrainImage | ClassImage]) -> list[TrainImage | ClassImage]:
    """Images as they are credited: by the names of their files alone."""
    return [row.model_copy(update={"file": Path(row.file).name}) for row in rows]


def _write_card(
    request: StageRequest,
    spec: TrainingSpec,
    family: type[Family],
    metrics: CheckpointMetrics,
    credited: Sequence[Credit],
    staging: Path,
) -> None:
    about = CardSubject(request.concept, request.title, request.concept_words, spec, family, metrics, credited, request.consent)
    write_atomically(staging / "README.md", model_card(about))


# ---------------------------------------------------------------------------------------------- of a collection


def take_from_collection(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Takes what a collection learned as the checkpoint of one of its concepts: the same adapter, and what was measured of the concept.

    Raises GauchoError if the collection was taught on other images of the concept, or does not know its token, or its weights are damaged.
    """
    spec, token = TaughtTogether.model_validate(request.spec), request.token
    taken = _collection_of(request, spec.collection)
    metrics, folder = taken.manifest.metrics, taken.folder
    assert isinstance(metrics, CollectionMetrics)
    train, validation = (_rows_of(folder / f"{name}.jsonl", token) for name in ("train", "validation"))
    if token not in metrics.concepts or not _are_of(request.inputs[CURATED_SET.name], train, validation):
        raise GauchoError(
            _(
                "{collection} was taught on other images of {slug}; run: gaucho run {collection}",
                collection=spec.collection,
                slug=request.concept,
            )
        )
    shutil.copytree(folder / "adapter", staging / "adapter", dirs_exist_ok=True)
    shutil.copyfile(folder / f"{spec.collection}.safetensors", staging / f"{request.concept}.safetensors")
    for name in ("losses.jsonl", "losses.png", "ATTRIBUTION.csv", *([STRIP] if (folder / STRIP).exists() else [])):
        shutil.copyfile(folder / name, staging / name)
    write_rows(staging / "train.jsonl", train)
    write_rows(staging / "validation.jsonl", copied_images(validation, folder, staging, "validation"))
    own = metrics.concepts[token]
    every = read_rows(folder / "train.jsonl", TrainImage)
    write_rows(staging / "together.jsonl", [_credit(row) for row in every if row.token != token])
    _write_card(request, spec, recorded_family(spec.base_model, own.pipeline_class), own, by_name(every), staging)
    reporter.info(_("taken from the collection {collection}: nothing was trained", collection=spec.collection))
    return StageResult(data_version=digest([taken.manifest.data_version, token]), metrics=own)


def _collection_of(request: StageRequest, slug: str) -> Artifact:
    folder = request.inputs[f"{COLLECTION.name}/{slug}"]
    found = Artifact(folder, read_manifest(folder))
    Store(request.data).check(found, with_weights=True)
    return found


def _rows_of(table: Path, token: str) -> list[TrainImage]:
    """The images of one concept of a collection, as a checkpoint of its own has them."""
    rows = [to_json(row) for row in read_rows(table, TrainImage) if row.token == token]
    return [TrainImage.model_validate({key: value for key, value in row.items() if key != "token"}) for row in rows]


def _credit(row: TrainImage) -> Credit:
    return Credit(**{name: getattr(row, name) for name in Credit.model_fields})


def _are_of(curated: Path, train: Sequence[TrainImage], validation: Sequence[TrainImage]) -> bool:
    """Whether a curated set holds the very images and captions that were learned from and measured with."""

    def content(rows: Sequence[TrainImage]) -> set[tuple[str, str, str, str | None]]:
        return {(row.sha256, row.pixels, row.caption, row.mask_pixels) for row in rows}

    return content(read_rows(curated / "images.jsonl", TrainImage)) == content([*train, *validation])
