"""One picture from a checkpoint, for `gaucho generate`."""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import Artifact, write_atomically
from gaucho_pipeline.concepts import GallerySpec
from gaucho_pipeline.gallery import drawing
from gaucho_pipeline.gallery.orders import Order


def draw_one(checkpoint: Artifact, prompt: str, seed: int, spec: GallerySpec, path: Path) -> None:
    """Draws a prompt with what was learned, and writes a PNG that says so."""
    taught, device = checkpoint.manifest, base_models.best_device()
    training = taught.made_from.spec
    pipeline = base_models.load(training["base_model"], training["revision"], device).pipeline
    pipeline.load_lora_weights(checkpoint.folder / "adapter", weight_name="pytorch_lora_weights.safetensors")
    picture = drawing.draw(pipeline, [Order(prompt, seed)], spec.steps, spec.guidance, spec.negative_prompt, lambda _: None)[0]
    facts = {
        "prompt": prompt,
        "seed": seed,
        "base_model": taught.made_from.base_model,
        "adapter": taught.data_version,
        "concept": taught.concept,
    }
    write_atomically(path.resolve(), drawing.marked_png(picture, facts))
