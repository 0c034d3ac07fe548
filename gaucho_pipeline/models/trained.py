"""A base model with what checkpoints learned of it, for whatever draws: the gallery, single pictures and sequences.

How a base model is found and loaded is in `base_models.py`, what a method keeps in a checkpoint in `methods/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.lora import Lora
from gaucho_pipeline.models import base_models
from gaucho_pipeline.store.manifest import Manifest


def load_base(trained: Manifest) -> base_models.Loaded:
    """The base model that a checkpoint was trained on. Raises GauchoError if it does not load."""
    spec = trained.training_spec()
    return base_models.load(spec.base_model, spec.revision, base_models.best_device(), spec.quantization)


def add_learned(family: Family, trained: Manifest, checkpoint: Path) -> None:
    """Makes what a checkpoint learned part of the base model's weights. Raises GauchoError if it does not load."""
    spec = trained.training_spec()
    method = METHODS[spec.method]
    method.load(family, checkpoint)
    family.forget_prompts()
    if not spec.quantization:  # four bits would round what is added to them
        method.fuse(family)


def load_adapters(family: Family, checkpoints: Mapping[str, tuple[Manifest, Path]]) -> None:
    """Loads the adapters of several concepts beside one another, each under its slug; how strong each is, is set afterwards.

    Raises ConfigError if the checkpoints do not go together, GauchoError if one does not load.
    """
    manifests = {slug: manifest for slug, (manifest, _unused) in checkpoints.items()}
    if whole := [slug for slug, made in manifests.items() if not METHODS[made.training_spec().method].is_adapter]:
        raise ConfigError(_("{whole}: only a LoRA has a strength, and goes with others", whole=", ".join(whole)))
    if len({str(made.provenance.base_model) for made in manifests.values()}) > 1:
        raise ConfigError(_("{manifests}: were not trained on the same base model", manifests=", ".join(manifests)))
    for slug, (_unused, folder) in checkpoints.items():
        Lora.load(family, folder, slug)
    family.forget_prompts()
