"""What is known of a generated picture: what it was made from and how, and what another program needs to draw it again."""

from __future__ import annotations

from dataclasses import dataclass

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.gallery.generation import Settings
from gaucho_pipeline.gallery.samples import Model, Sample
from gaucho_pipeline.provenance.facts import Facts
from gaucho_pipeline.store.manifest import Manifest


@dataclass(frozen=True)
class DrawnWith:
    """What pictures are drawn with."""

    concept: str
    trained: Manifest
    """Of the concept's checkpoint."""
    imagined: bool
    strength: float = 1.0
    consent: str = ""
    """What a living person has agreed to."""


def facts_of(sample: Sample, model: Model, settings: Settings, spec: GallerySpec, by: DrawnWith) -> Facts:
    """The facts that a picture carries. `settings` are those of the model that drew it."""
    tuned, trained = model == "tuned", by.trained
    return Facts.of(
        prompt=sample.prompt,
        written_prompt=sample.written or None,
        negative_prompt=settings.negative_prompt or None,
        seed=sample.seed,
        num_inference_steps=spec.num_inference_steps,
        guidance_scale=spec.guidance_scale,
        sampler=settings.sampler,
        size=settings.side,
        base_model=settings.base_model,
        taught_on=trained.provenance.base_model if tuned and settings.base_model != trained.provenance.base_model else None,
        distilled_guidance=True if settings.has_distilled_guidance else None,
        concept=by.concept,
        checkpoint=trained.data_version if tuned else None,
        method=trained.training_spec().method if tuned else None,
        strength=by.strength if tuned and by.strength != 1 else None,
        curated_set=trained.provenance.inputs.get("curated_set") if tuned else None,
        attribution="ATTRIBUTION.csv" if tuned else None,
        imagined=True if by.imagined else None,
        consent=by.consent or None,
    )
