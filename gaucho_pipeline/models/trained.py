"""A base model with what checkpoints learned of it, for whatever draws: the gallery, single pictures and sequences.

How a base model is found and loaded is in `base_models.py`, what a method keeps in a checkpoint in `methods/`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.lora import Lora, load_adapter, set_strengths, unload_adapters
from gaucho_pipeline.models import base_models
from gaucho_pipeline.store.manifest import Manifest


def load_base(trained: Manifest, drawing: tuple[str, str | None] | None = None) -> base_models.Loaded:
    """The base model that a checkpoint was trained on, or a sibling of it that draws, with its revision.

    Raises ConfigError if what was learned does not fit that, GauchoError if it does not load.
    """
    spec = trained.taught_spec()
    device, how = base_models.best_device(), base_models.Loading(*spec.computed)
    if drawing is None:
        return base_models.load(spec.base_model, spec.revision, device, how)
    base_models.check_sibling(spec.base_model, spec.revision, *drawing)
    return base_models.load(*drawing, device, how)


def add_learned(family: Family, trained: Manifest, checkpoint: Path, parts: Collection[str] | None = None) -> None:
    """Makes what a checkpoint learned part of the base model's weights, of these parts or of all.

    Raises GauchoError if it does not load.
    """
    spec = trained.taught_spec()
    method = METHODS[spec.method]
    for part in method.parts_in(family, checkpoint):
        if parts is None or part in parts:
            method.load_part(family, checkpoint, part)
            if not family.parts.is_quantized(part):  # quantized weights would round what is added to them
                method.fuse_part(family, part)
    family.forget_prompts()


def learned_text_encoders(family: Family, trained: Manifest, checkpoint: Path) -> tuple[str, ...]:
    """The text encoders that a checkpoint taught. Raises GauchoError if it cannot be read."""
    return tuple(part for part in METHODS[trained.taught_spec().method].parts_in(family, checkpoint) if part != family.denoiser)


class Adapters:
    """The adapters of several concepts beside one another on a base model, each under its slug; how strong each is, may change."""

    def __init__(self, family: Family, checkpoints: Mapping[str, tuple[Manifest, Path]]) -> None:
        """Raises ConfigError if the checkpoints do not go together, GauchoError if one does not load."""
        manifests = {slug: manifest for slug, (manifest, _unused) in checkpoints.items()}
        if whole := [slug for slug, made in manifests.items() if not METHODS[made.taught_spec().method].is_adapter]:
            raise ConfigError(_("{whole}: only a LoRA has a strength, and goes with others", whole=", ".join(whole)))
        if len({str(made.provenance.base_model) for made in manifests.values()}) > 1:
            raise ConfigError(_("{manifests}: were not trained on the same base model", manifests=", ".join(manifests)))
        self._family, self._parts = family, dict[str, list[str]]()
        self._carriers = _carriers(manifests)
        for slug in dict.fromkeys(self._carriers.values()):
            folder = checkpoints[slug][1]
            for part in Lora.parts_in(family, folder):
                load_adapter(family, folder, part, slug)
                self._parts.setdefault(part, []).append(slug)
        family.forget_prompts()

    def use(self, strengths: Mapping[str, float]) -> None:
        """Draws with the adapters of these concepts from now on; one that several share is as strong as the strongest of them."""
        by_adapter = dict[str, float]()
        for slug, strength in strengths.items():
            carrier = self._carriers[slug]
            by_adapter[carrier] = max(strength, by_adapter.get(carrier, strength))
        set_strengths(self._family, self._parts, by_adapter)
        if self._parts.keys() - {self._family.denoiser}:
            self._family.forget_prompts()

    def unload(self) -> None:
        """Has the base model be what it was."""
        unload_adapters(self._family, self._parts)
        self._family.forget_prompts()


def _carriers(manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """For each concept the one whose adapter draws it: its own, or of several that were taught in one collection the first's."""
    first = dict[tuple[str, str] | str, str]()
    return {slug: first.setdefault(made.taught_in or slug, slug) for slug, made in manifests.items()}
