"""Changes to a project of two concepts, and what must run because of each; the command line and the automation are held to the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import CONCEPT_NAMES

FRESH = dict.fromkeys(CONCEPT_NAMES, "fresh")


def start(folder: Path) -> Path:
    concepts = {
        "araucaria": folder_concept(draw_folder(folder / "araucaria", "araucaria", 5), "mtl", "tree"),
        "chimarrao": folder_concept(draw_folder(folder / "chimarrao", "chimarrao", 5), "dnc", "cup"),
    }
    write_concepts(folder / "concepts.yaml", concepts)
    return folder


def edit(folder: Path, slug: str, stage: str, **changes: object) -> None:
    path = folder / "concepts.yaml"
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    value["concepts"][slug].setdefault(stage, {}).update(changes)
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")


# what is changed, and what must run because of it; each goes on from where the one before ended
CHANGES: dict[str, tuple[Any, list[str]]] = {
    "one gallery prompt": (
        lambda folder: edit(folder, "araucaria", "gallery", prompts=["a photo of {token} {class_noun} in the snow"]),
        ["araucaria/sample_gallery", "araucaria/evaluation", "all concepts/gallery_site"],
    ),
    "a curation threshold that keeps the same images": (
        lambda folder: edit(folder, "araucaria", "curation", min_side=65),
        ["araucaria/curated_set"],
    ),
    "one concept's learning rate": (
        lambda folder: edit(folder, "chimarrao", "training", learning_rate=0.002),
        ["chimarrao/checkpoint", "chimarrao/sample_gallery", "chimarrao/evaluation", "all concepts/gallery_site"],
    ),
    "a figure less": (
        lambda folder: edit(folder, "araucaria", "evaluation", scorers=["clip_i", "clip_t"]),
        ["araucaria/evaluation", "all concepts/gallery_site"],
    ),
    "an image more in a folder": (
        lambda folder: draw_folder(folder / "chimarrao", "chimarrao", 1, first=7),
        [*(f"chimarrao/{asset}" for asset in CONCEPT_NAMES), "all concepts/gallery_site"],
    ),
}
