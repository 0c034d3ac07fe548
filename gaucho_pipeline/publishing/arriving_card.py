"""The model card of what was trained elsewhere, written anew: what a pack's own card says, and hides, is nobody's word here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gaucho_pipeline.assets.metrics import CheckpointMetrics, CollectionMetrics
from gaucho_pipeline.assets.rows import Credit, TrainImage, read_rows
from gaucho_pipeline.concepts.collection import CollectionSpec
from gaucho_pipeline.concepts.models import recorded_family
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.files.tables import read_attribution
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.training.model_card import CardSubject, CollectionCard, collection_card, model_card


def card_of(artifact: Artifact, request: StageRequest) -> str:
    """The card of a checkpoint or a collection, of its metrics, its tables and what was asked for."""
    metrics, credited = artifact.manifest.metrics, _credited(artifact)
    if isinstance(metrics, CollectionMetrics):
        asked = CollectionSpec.model_validate(request.spec)
        concepts = {member.words: metrics.concepts[member.token] for member in asked.members}
        first = next(iter(concepts.values()))  # of a study and of the base model all say the same
        spec = _sized(_kept(asked, first), artifact)
        family = recorded_family(spec.base_model, first.pipeline_class)
        return collection_card(CollectionCard(request.concept, request.title, concepts, spec, family, credited, request.consent))
    assert isinstance(metrics, CheckpointMetrics)
    spec = _sized(_kept(TrainingSpec.model_validate(request.spec), metrics), artifact)
    family = recorded_family(spec.base_model, metrics.pipeline_class)
    return model_card(CardSubject(request.concept, request.title, request.concept_words, spec, family, metrics, credited, request.consent))


def _kept(spec: TrainingSpec, metrics: CheckpointMetrics) -> TrainingSpec:
    """Of a study the trial that was kept; else the specification itself."""
    kept = next((trial.values for trial in metrics.study if trial.kept), None)
    return next((trial for values, trial in spec.trials() if values == kept), spec)


def _sized(spec: TrainingSpec, artifact: Artifact) -> TrainingSpec:
    """The same with the side of its pictures: where that is the base model's own, an adapter's file says it, in numbers."""
    from safetensors import safe_open

    file = artifact.folder / f"{artifact.manifest.concept}.safetensors"
    if spec.resolution or not file.is_file():
        return spec
    with safe_open(file, "pt") as opened:
        found = re.fullmatch(r"(\d{2,4})x\1", (opened.metadata() or {}).get("modelspec.resolution", ""))
    return spec.model_copy(update={"resolution": int(found[1])}) if found else spec


def _credited(artifact: Artifact) -> Sequence[Credit]:
    """The images that were learned from, and the user's own of the class, which the table of credits has beside them."""
    rows: list[Credit] = [*read_rows(artifact.folder / "train.jsonl", TrainImage)]
    known = {row.sha256 for row in rows}
    for cells in read_attribution(artifact.folder / "ATTRIBUTION.csv"):
        if cells["sha256"] not in known:
            rows.append(Credit.model_validate({name: cells[name] for name in Credit.model_fields}))
    return rows
