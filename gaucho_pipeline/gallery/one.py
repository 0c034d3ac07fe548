"""One picture from a checkpoint, for `gaucho generate`."""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline.artifacts import Artifact, write_atomically
from gaucho_pipeline.concepts import GallerySpec
from gaucho_pipeline.gallery.generation import generate, load_base_model, load_learned
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.provenance import marked_png


def generate_one(checkpoint: Artifact, prompt: str, seed: int, spec: GallerySpec, path: Path) -> None:
    """Generates a picture with what was learned, and writes a PNG that says so."""
    manifest = checkpoint.manifest
    family, side = load_base_model(manifest)
    load_learned(family, manifest, checkpoint.folder)
    picture = generate(family, [Sample(prompt, seed)], spec, side)[0]
    facts = {
        "prompt": prompt,
        "seed": seed,
        "base_model": manifest.provenance.base_model,
        "adapter": manifest.data_version,
        "concept": manifest.concept,
    }
    write_atomically(path.resolve(), marked_png(picture, facts))
