"""What an asset will take, before it is made: what the same took on this machine, in proportion to what there is to do, else what a step
takes that is measured now, else arithmetic that is stated, and only of what is on this disk. What is not known is not guessed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from gaucho_pipeline.assets.metrics import CheckpointMetrics, CollectionMetrics, CuratedSetMetrics
from gaucho_pipeline.assets.table import ALL, ASSETS, CHECKPOINT, COLLECTION, CURATED_SET, SAMPLE_GALLERY
from gaucho_pipeline.commands.preflight import training_cost
from gaucho_pipeline.concepts.collection import TaughtTogether
from gaucho_pipeline.concepts.concept import Concept
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.stage.server import PROGRAM_ENVIRONMENT
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Manifest

Past = Mapping[tuple[str, str], Sequence[Artifact]]
"""What exists of every asset, by its name and the base model that it was made on."""
_CPU = "cpu"
_MAX_WEIGHTS = 300_000_000
"""Of a model that is loaded to measure a step."""
_MAX_SECONDS = 120
"""That measuring may take: a plan is waited for."""


class Cost(NamedTuple):
    """Seconds and bytes of memory, None where nothing is known of them, and what they are from."""

    seconds: float | None
    memory_bytes: int | None
    source: str


def past_of(project: Project) -> Past:
    """What was made on a device of the kind that is here."""
    found: dict[tuple[str, str], list[Artifact]] = {}
    for slug in (*project.slugs, *project.concepts.collections, ALL):
        for asset in ASSETS:
            artifact = project.store.current(asset, slug)
            if artifact and _is_of_this_device(artifact.manifest):
                model = artifact.manifest.provenance.base_model or {}
                found.setdefault((asset, str(model.get("id"))), []).append(artifact)
    return found


def _is_of_this_device(made: Manifest) -> bool:
    device = getattr(made.metrics, "device", "")
    return not device or (device == _CPU) == (not base_models.gpu_names())


def cost_of(project: Project, asset: str, slug: str, past: Past) -> Cost:
    """What an asset of a concept takes."""
    if asset == CHECKPOINT.name and isinstance(project.subject(slug).training, TaughtTogether):
        return Cost(0.0, None, _("taken from its collection"))
    model = project.subject(slug).training.base_model if ASSETS[asset].on_base_model else "None"
    alike = past.get((asset, Path(model).name if Path(model).is_absolute() else model), ())
    own = [artifact for artifact in alike if artifact.manifest.concept == slug]
    if measured := own or alike:
        seconds = median(_in_proportion(project, slug, artifact.manifest) for artifact in measured)
        memory = [getattr(artifact.manifest.metrics, "peak_memory_bytes", 0) for artifact in measured]
        told = _("as the last time, in proportion") if own else _("as of {count} other concepts, in proportion", count=len(measured))
        return Cost(seconds, max(memory) or None, told)
    cost = _of_a_training(project, slug) if asset in (CHECKPOINT.name, COLLECTION.name) else None
    return cost or Cost(None, None, _("never made on this base model"))


def _in_proportion(project: Project, slug: str, made: Manifest) -> float:
    """The seconds that an artifact took, more or less as there is more or less to do now."""
    try:
        now = project.recipe(made.asset, slug).spec if made.concept != ALL else {}
    except GauchoError:  # a run says why
        now = made.provenance.spec
    then = made.provenance.spec
    if isinstance(made.metrics, (CheckpointMetrics, CollectionMetrics)):
        share = _work(now, _images(project, slug) or made.metrics.train_images) / _work(then, made.metrics.train_images)
        steps = made.metrics.resources.seconds if made.metrics.resources else made.seconds
        return max(0.0, made.seconds - steps) + steps * share
    if made.asset == SAMPLE_GALLERY.name:
        return made.seconds * _drawing(now) / _drawing(then)
    return made.seconds


def _steps(spec: Mapping[str, Any], images: int) -> int:
    return int(_key(spec, "max_steps") or max(1, math.ceil(_key(spec, "epochs") * images / _key(spec, "batch_size"))))


def _work(spec: Mapping[str, Any], images: int) -> float:
    """What a training has to compute, in a unit of its own."""
    trials = math.prod(len(values) for values in (spec.get("study") or {}).values())
    return _steps(spec, images) * float(_key(spec, "batch_size")) * float(_key(spec, "resolution") or 1) ** 2 * trials


def _drawing(spec: Mapping[str, Any]) -> float:
    pictures = max(1, len(spec.get("prompts", ()))) * max(1, len(spec.get("seeds", ())))
    return pictures * float(spec.get("num_inference_steps") or 1)


def _key(spec: Mapping[str, Any], name: str) -> Any:
    """A key of a training as a version has it: absent where it is at its default."""
    return spec.get(name, TrainingSpec.model_fields[name].default)


def _images(project: Project, slug: str) -> int:
    """How many images are learned from, where a set exists; 0 where none does, or not of each concept of a collection."""
    if slug in project.concepts.collections:
        members = [_images(project, member) for member in project.concepts.collections[slug].concepts]
        return sum(members) if all(members) else 0
    curated = project.store.current(CURATED_SET.name, slug)
    kept = curated.manifest.metrics.kept if curated and isinstance(curated.manifest.metrics, CuratedSetMetrics) else 0
    return kept - max(1, round(project.concept(slug).training.validation_fraction * kept)) if kept > 1 else 0


def _of_a_training(project: Project, slug: str) -> Cost | None:
    """By a step that is measured now, where the model is small enough to be loaded for that; else by arithmetic; else not at all."""
    try:
        subject, training = project.subject(slug), project.training_of(slug)
        count = base_models.check_folder(training.base_model, training.revision)
        if not count:
            return None
        images = _images(project, slug) or subject.max_images
        if count > _MAX_WEIGHTS or training.prior == "class_images":
            return Cost(
                *training_cost(training, count, images), _("arithmetic: weights, steps and cores; a GPU is ten to a hundred times as fast")
            )
        words = subject.words if isinstance(subject, Concept) else next(iter(subject.members.values())).words
        measured = _measured(training.model_dump_json(exclude={"members"}), words)
    except GauchoError:  # a run says why
        return None
    spec = training.model_dump()
    trials = math.prod(len(values) for values in (training.study or {}).values())
    seconds = measured.before + measured.step * _steps(spec, images) * trials
    return Cost(seconds, measured.memory_bytes, _("a step that was measured now: {step:.2f} s", step=measured.step))


class _Measured(NamedTuple):
    """What `training/measuring.py` writes."""

    before: float
    step: float
    memory_bytes: int


@lru_cache(maxsize=8)
def _measured(spec: str, words: ConceptWords) -> _Measured:
    """Of a specification as JSON: concepts that are taught alike are measured once. Raises GauchoError if that failed."""
    command = [sys.executable, "-P", "-m", "gaucho_pipeline.training.measuring"]
    asked = json.dumps({"spec": json.loads(spec), "words": words})
    environment = {**os.environ, **PROGRAM_ENVIRONMENT}
    try:
        run = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=_MAX_SECONDS, env=environment)
        return _Measured(*json.loads(run.stdout))
    except (ValueError, TypeError, subprocess.TimeoutExpired):
        raise GauchoError(_("no step could be measured")) from None
