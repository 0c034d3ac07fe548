"""How the loss of drawn and of photographed subjects falls, by each method, with three seeds: the table of docs/results.md.

`python benchmarks/loss_fell.py [FOLDER] [--steps N]` trains the embedded model on the demo's subjects, and on photographed ones below
FOLDER (a folder of photographs for each), and prints the validation loss of the base model and of the tuned one, with the 95 % interval of
the change, as Markdown; the last line is JSON. Two trainings run side by side, with a thread each.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from originals import FOLDER

from gaucho_pipeline.demo.subjects import DRAWERS, draw_subject

SEEDS, METHODS, MOST = (1, 2, 3), ("lora", "dreambooth"), 24
WORDS = {"araucaria": ("mtl", "tree"), "chimarrao": ("dnc", "cup"), "backpack_dog": ("dnc", "backpack"), "galah": ("mtl", "bird")}


def train(subject: str, files: list[str], method: str, seed: int, steps: int) -> dict[str, Any]:
    """One training, and its figures."""
    import torch

    torch.set_num_threads(1)
    from gaucho_pipeline.concepts.training import TrainingSpec
    from gaucho_pipeline.families.embedded import Embedded
    from gaucho_pipeline.files.digests import file_digest
    from gaucho_pipeline.models import base_models
    from gaucho_pipeline.prompts.templates import ConceptWords
    from gaucho_pipeline.stage.reporter import SilentReporter
    from gaucho_pipeline.training.examples import split
    from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare
    from gaucho_pipeline.training.report import measure
    from gaucho_pipeline.training.study import Lesson, train_all
    from gaucho_pipeline_tests.samples import train_image

    words = ConceptWords(*WORDS.get(subject, ("dnc", "thing")))
    spec = TrainingSpec(method=method, seed=seed, max_steps=steps).for_family(Embedded)
    base, told = base_models.load("embedded", None, torch.device("cpu")), SilentReporter(None)
    rows = [train_image(number, file=file, pixels=file_digest(Path(file))) for number, file in enumerate(files)]
    learned_from, measured_with = split(rows, spec.validation_fraction, seed)
    with tempfile.TemporaryDirectory() as name:
        images = ConceptImages(words, Path("/"), learned_from, measured_with)
        encoded, _ = prepare(base, spec, [images], Places(Path(name) / "class_images"), told)
        study = train_all(base, spec, Lesson(encoded, ""), Path(name) / "state", told)
        (metrics,) = measure(study, None, "")
    loss = metrics.validation_loss
    found = {"subject": subject, "method": method, "seed": seed, "base": loss.base, "tuned": loss.tuned, "interval": loss.interval}
    return found | {"loss_fell": metrics.loss_fell, "steps": metrics.steps, "drift": metrics.class_noun_drift, "images": len(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER / "photos" / "dreambooth")
    parser.add_argument("--steps", type=int, default=200)
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with tempfile.TemporaryDirectory() as name:
        subjects: dict[str, list[str]] = {}
        for subject in DRAWERS:
            folder = Path(name) / subject
            folder.mkdir()
            for index in range(MOST):
                draw_subject(subject, index, side=256).save(folder / f"{index:02d}.png")
            subjects[subject] = [str(path) for path in sorted(folder.iterdir())]
        for folder in sorted(path for path in asked.folder.glob("*") if path.is_dir()):
            photos = [str(path) for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
            subjects[folder.name] = photos[:MOST]
        jobs = [(subject, files, method, seed, asked.steps) for subject, files in subjects.items() for method in METHODS for seed in SEEDS]
        with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
            rows = list(pool.map(train, *zip(*jobs, strict=True)))
    print("| subject | images | method | seed | base | tuned | change (95 %) | class noun drift | loss_fell | steps |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        change = "one image" if row["interval"] is None else f"{row['interval'][0]:.3f} to {row['interval'][1]:.3f}"
        drift = "" if row["drift"] is None else f"{row['drift']:.2f}"
        print(
            f"| {row['subject']} | {row['images']} | {row['method']} | {row['seed']} | {row['base']:.3f} | {row['tuned']:.3f} | "
            f"{change} | {drift} | {row['loss_fell']} | {row['steps']} |"
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
