"""LoRA against T-LoRA on a handful of images: what each gives on images that it has not seen, how various its pictures are, and copies.

`python benchmarks/few_images.py [--seeds N] [--steps N] [--counts 4 6 12]` teaches the embedded model drawn subjects from so many images,
by each method, with what its family recommends, and prints for each: how much the loss fell on twelve images that nothing was taught or
chosen by, as a share of the base model's; the mean cosine of the gallery's pictures with those images and with one another, in the encoder
of the embedded model; how much nearer the nearest training image is than the nearest of those; and the pictures that look copied. Last
line: JSON; `ratio` is T-LoRA's fall of the loss over LoRA's, the mean over all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import yaml

if __package__ is None:
    sys.path.insert(0, str(Path(__file__).parent))
SUBJECTS = {"araucaria": ("mtl", "tree"), "chimarrao": ("dnc", "cup"), "cactus": ("mgn", "plant")}
METHODS = ("lora", "t_lora")
UNSEEN = 12
CURATION = {"min_side": 64, "min_sharpness": 1e-6, "min_images": 3, "max_graphic": 1.0, "near_duplicate_distance": 0,
            "near_duplicate_correlation": 1.0}  # fmt: skip


def draw_images(folder: Path, subject: str, count: int, first: int) -> Path:
    from drawn_subjects import draw

    from gaucho_pipeline.demo.subjects import TRAINING_SCENES

    folder.mkdir(parents=True)
    for number in range(count):
        scene = TRAINING_SCENES[number % len(TRAINING_SCENES)]
        draw(subject, first + number, scene, side=128).save(folder / f"{number:02d}.png")
    return folder


def teach(folder: Path, subject: str, photos: Path, training: dict[str, Any]) -> Any:
    """The project, after everything of the subject was made."""
    from gaucho_pipeline.project.project import Project

    token, noun = SUBJECTS[subject]
    source = {"folder": {"path": str(photos), "license": "cc0", "author": "drawn", "source": "drawn"}}
    concept = {"token": token, "class_noun": noun, "crawl": {"sources": [source]}, "curation": CURATION, "training": training}
    folder.mkdir(parents=True)
    (folder / "concepts.yaml").write_text(yaml.safe_dump({"concepts": {subject: concept}}), encoding="utf-8")
    with (folder / "run.log").open("w") as log:
        command = [sys.executable, "-m", "gaucho_pipeline", "run", "--select", "evaluation"]
        subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log)
    return Project(folder / "concepts.yaml", folder / "data")


def held_out_losses(project: Any, subject: str, unseen: Path, training: dict[str, Any]) -> tuple[float, float]:
    """Mean squared error on images that nothing of the training has seen: of the base model, and tuned."""
    import torch

    from gaucho_pipeline.assets.rows import TrainImage, read_rows
    from gaucho_pipeline.concepts.training import TrainingSpec
    from gaucho_pipeline.methods.adapter_file import read_part
    from gaucho_pipeline.models import base_models
    from gaucho_pipeline.prompts.templates import ConceptWords, instance_prompt
    from gaucho_pipeline.stage.reporter import Reporter
    from gaucho_pipeline.training import validation
    from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare
    from gaucho_pipeline.training.tuned import TunedModel

    checkpoint = project.checkpoint(subject)
    words = ConceptWords(*SUBJECTS[subject])
    like = read_rows(project.artifact("curated_set", subject).folder / "images.jsonl", TrainImage)[0]
    rows = [like.model_copy(update={"file": path.name, "sha256": f"{n:064x}"}) for n, path in enumerate(sorted(unseen.iterdir()))]
    base = base_models.load("embedded", None, torch.device("cpu"))
    spec = TrainingSpec.model_validate(training).for_family(type(base.family))
    encoded, _unused = prepare(base, spec, [ConceptImages(words, unseen, rows[:1], rows)], Places(unseen.parent / "class"), Reporter(None))
    model, errors = TunedModel(base, spec, encoded.conditionings), list[float]()
    weights, _settings = read_part(checkpoint.folder, "unet")
    for learned in (None, weights):
        if learned:
            model.method.set_weights(learned)
        errors.append(
            validation.errors(model, encoded.validation, instance_prompt(words), learned is not None, for_report=True).mean().item()
        )
    return errors[0], errors[1]


def pictures(project: Any, subject: str, photos: Path, unseen: Path) -> dict[str, float]:
    from PIL import Image

    from gaucho_pipeline.assets.rows import Picture, read_rows
    from gaucho_pipeline.concepts.models import EncoderSpec
    from gaucho_pipeline.evaluation.reading import read_drawn
    from gaucho_pipeline.models.encoders import Encoder

    encoder, gallery = Encoder("clip", EncoderSpec(model="embedded")), project.artifact("sample_gallery", subject).folder
    rows = [row for row in read_rows(gallery / "pictures.jsonl", Picture) if row.kind == "concept" and row.model == "tuned"]
    drawn = encoder.embed_images([read_drawn(gallery, row) for row in rows])
    train, other = (
        encoder.embed_images([Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]) for folder in (photos, unseen)
    )
    among, apart = np.asarray(drawn @ drawn.T), ~np.eye(len(rows), dtype=bool)
    nearer = np.asarray(drawn @ train.T).max(1) - np.asarray(drawn @ other[: len(train)].T).max(1)
    return {
        "like_unseen": float(np.asarray(drawn @ other.T).mean()),
        "like_each_other": float(among[apart].mean()),
        "nearer": float(nearer.mean()),
    }


def measure(folder: Path, subject: str, count: int, seed: int, steps: int | None) -> dict[str, Any]:
    photos = draw_images(folder / "photos", subject, count, 1000 * seed)
    unseen = draw_images(folder / "unseen", subject, UNSEEN, 1000 * seed + 500)
    found: dict[str, Any] = {"subject": subject, "images": count, "seed": seed}
    for method in METHODS:
        training = {"base_model": "embedded", "method": method, "seed": seed} | ({"max_steps": steps} if steps else {})
        project = teach(folder / method, subject, photos, training)
        kept = project.artifact("curated_set", subject).manifest.metrics.kept
        assert kept == count, f"{kept} of {count} images were kept"
        base, tuned = held_out_losses(project, subject, unseen, training)
        metrics = project.artifact("evaluation", subject).manifest.metrics
        learned = project.checkpoint(subject).manifest.metrics
        found[method] = {
            "fell": 1 - tuned / base, "copied": metrics.memorised, "verdict": metrics.verdict, "steps": learned.best_step,
            "class_noun_drift": learned.class_noun_drift, **pictures(project, subject, photos, unseen),
        }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="Of each training, to try this out; as the family recommends if not given.")
    parser.add_argument("--counts", type=int, nargs="+", default=[4, 6, 12])
    asked, found = parser.parse_args(), list[dict[str, Any]]()
    for seed in range(1, asked.seeds + 1):
        subject = list(SUBJECTS)[(seed - 1) % len(SUBJECTS)]
        for count in asked.counts:
            with tempfile.TemporaryDirectory() as folder:
                found.append(measure(Path(folder), subject, count, seed, asked.steps))
                print(json.dumps(found[-1]), flush=True)
    fell = {method: fmean(each[method]["fell"] for each in found) for method in METHODS}
    print(json.dumps({"fell": fell, "ratio": round(fell["t_lora"] / fell["lora"], 3)}))


if __name__ == "__main__":
    main()
