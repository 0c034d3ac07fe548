"""Real photographs through the whole chain on the embedded model: the recorded answers for `galah`, and the folder of `backpack_dog`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import write_concepts
from gaucho_pipeline_tests.crawling import openverse
from gaucho_pipeline_tests.programs import CONCEPT_NAMES, gaucho, states
from gaucho_pipeline_tests.replay import OpenverseReplay, serving

LOOKED_AT = os.environ.get("REAL_SUBJECTS")
"""A folder where galleries are made for a person to look at, with settings that a person would choose; a test alone needs less."""

TRAINING = {
    "target_modules": "attention_ff",
    "rank": 8,
    "crops": 4 if LOOKED_AT else 1,
    "learning_rate": 1e-3 if LOOKED_AT else 3e-3,
    "epochs": 40 if LOOKED_AT else 6,
    "validation_steps": 10,
    "validation_noises": 8 if LOOKED_AT else 2,
    "min_snr_gamma": None,
}
GALLERY: dict[str, Any] = {
    "seeds": [1, 2, 3] if LOOKED_AT else [1],
    "num_inference_steps": 20 if LOOKED_AT else 4,
    "guidance_scale": 4.0,
    "prompts": ["a photo of {token} {class_noun}", "a photo of {token} {class_noun} on the beach by day"],
}


@pytest.fixture
def project(real: Path, tmp_path: Path) -> Path:
    folder = Path(LOOKED_AT or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def concept(sources: list[dict[str, object]], token: str, class_noun: str) -> dict[str, object]:
    return {
        "token": token,
        "class_noun": class_noun,
        "crawl": {"sources": sources},
        "curation": {"min_side": 300},
        "training": TRAINING,
        "gallery": GALLERY | {"class_pictures": True},
    }


def test_real_subjects_are_learned_better_than_the_base_model_knows_them(real: Path, project: Path) -> None:
    photos = {
        "path": str(real / "photos" / "dreambooth" / "backpack_dog"),
        "license": "cc-by-4.0",
        "author": "google/dreambooth",
        "source": "https://github.com/google/dreambooth",
    }
    with serving(OpenverseReplay(real / "openverse")) as server:
        concepts = {
            "galah": concept([openverse("galah", server.address)], "mtl", "bird"),
            "backpack_dog": concept([{"folder": photos}], "dnc", "backpack"),
        }
        write_concepts(project / "concepts.yaml", concepts)
        gaucho(project, "run")
    opened = Project(project / "concepts.yaml", project / "data")
    for slug in concepts:
        assert states(project)[slug] == dict.fromkeys(CONCEPT_NAMES, "fresh")
        checkpoint, gallery = (opened.store.current(asset, slug) for asset in ("checkpoint", "sample_gallery"))
        assert checkpoint
        assert gallery
        loss = checkpoint.manifest.metrics.validation_loss
        assert loss.tuned < 0.9 * loss.base
        assert gallery.manifest.metrics.pictures == 2 * (len(GALLERY["prompts"]) + 1) * len(GALLERY["seeds"])
        evaluation = opened.store.current("evaluation", slug)
        assert evaluation
        assert evaluation.manifest.metrics.verdict != "yes"  # the small model knows no photographs: the loss fell, and nothing is seen
        assert (gallery.folder / "ATTRIBUTION.csv").read_text(encoding="utf-8-sig").count("CC") >= checkpoint.manifest.metrics.train_images
    table = gaucho(project, "benchmark", "dreambench", "--limit", "1").stdout
    assert "| DreamBooth (Stable Diffusion), published | 0.668 | 0.803 | 0.305 |" in table
    assert "| galah, 4 pictures | - | " in table
    assert "| ours, mean of 2 subjects | - | " in table
