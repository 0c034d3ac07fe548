"""What is known of a generated picture: what it was made from and how, and what another program needs to draw it again."""

from __future__ import annotations

from typing import Any

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.gallery.samples import Model, Sample
from gaucho_pipeline.store.manifest import Manifest


def facts_of(
    sample: Sample,
    model: Model,
    settings: dict[str, Any],
    spec: GallerySpec,
    concept: str,
    trained: Manifest,
    imagined: bool = False,
    strength: float = 1.0,
) -> dict[str, Any]:
    """The facts that a picture carries (`provenance.py`). `settings` are those of the model that drew it."""
    tuned, training = model == "tuned", trained.provenance.spec
    found: dict[str, Any] = {
        "prompt": sample.prompt,
        "written_prompt": sample.written or None,
        "negative_prompt": spec.negative_prompt or None,
        "seed": sample.seed,
        "num_inference_steps": spec.num_inference_steps,
        "guidance_scale": spec.guidance_scale,
        "sampler": settings["sampler"],
        "size": settings["side"],
        "base_model": trained.provenance.base_model,
        "concept": concept,
        "checkpoint": trained.data_version if tuned else None,
        "method": training["method"] if tuned else None,
        "strength": strength if tuned and strength != 1 else None,
        "curated_set": trained.provenance.inputs.get("curated_set") if tuned else None,
        "attribution": "ATTRIBUTION.csv" if tuned else None,
        "imagined": True if imagined else None,
    }
    return {name: value for name, value in found.items() if value is not None}
