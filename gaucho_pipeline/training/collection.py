"""A collection: one adapter that knows the tokens of several concepts, each taught from its own curated set.

Writes what was learned, README.md (one model card for all), losses.jsonl and losses.png, train.jsonl and validation/ with its table, in
which each image is of the concept of its `token`, and ATTRIBUTION.csv with the credits of all.
"""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline.assets.metrics import CollectionMetrics
from gaucho_pipeline.assets.rows import TrainImage, to_json, write_rows
from gaucho_pipeline.concepts.collection import CollectionSpec
from gaucho_pipeline.files.tables import write_attribution
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.models import base_models
from gaucho_pipeline.stage.harness import StageResult
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.training.checkpoint import by_name
from gaucho_pipeline.training.energy import EnergyMeter
from gaucho_pipeline.training.model_card import CollectionCard, collection_card
from gaucho_pipeline.training.train import LEFTOVERS, Trained, concept_images, copied_images, measured_and_saved, train_concepts


def train_collection(request: StageRequest, staging: Path, reporter: Reporter) -> Trained:
    """Teaches the concepts together; every process of a distributed run does the same."""
    spec = CollectionSpec.model_validate(request.spec)
    concepts = [concept_images(member.words, request.inputs[f"curated_set/{member.slug}"], spec, member.weight) for member in spec.members]
    return train_concepts(spec, concepts, request, staging, reporter)


def make_collection(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Teaches the concepts to the base model, measures what was learned of each, and writes all of it."""
    meter = EnergyMeter(base_models.best_device())
    meter.start()
    trained = train_collection(request, staging, reporter)
    measured, version = measured_and_saved(trained, meter, request.concept, staging, reporter)
    train, validation = list[TrainImage](), list[TrainImage]()
    for each in trained.concepts:
        token = each.words.token
        train += [row.model_copy(update={"token": token}) for row in each.train]
        copied = copied_images(each.validation, each.curated, staging, f"validation/{token}")
        validation += [row.model_copy(update={"token": token}) for row in copied]
    write_rows(staging / "train.jsonl", train)
    write_rows(staging / "validation.jsonl", validation)
    credited = by_name(trained.learned_from)
    write_attribution(staging / "ATTRIBUTION.csv", map(to_json, credited))
    trainer = trained.study.trainer
    by_token = {each.words.token: metrics for each, metrics in zip(trained.concepts, measured, strict=True)}
    about = CollectionCard(
        request.concept, request.title, {each.words: by_token[each.words.token] for each in trained.concepts}, trainer.spec,
        type(trainer.model.family), credited, request.consent,
    )  # fmt: skip
    write_atomically(staging / "README.md", collection_card(about))
    first = measured[0]
    metrics = CollectionMetrics(
        concepts=by_token,
        steps=first.steps,
        train_images=len(train),
        peak_memory_bytes=first.peak_memory_bytes,
        reload_difference=first.reload_difference,
        device=first.device,
        resources=first.resources,
    )
    return StageResult(data_version=version, metrics=metrics, leftovers=LEFTOVERS)
