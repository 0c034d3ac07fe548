"""How often the intervals hold what they promise: the loss's on validation images, and that of a score's change on pictures.

`PYTHONPATH=. python benchmarks/coverage.py [--trainings N]` trains the embedded model on the demo's subjects, takes from these how
much images and noises differ, and draws losses and pictures of that spread anew: with 1, 2, 3, 4, 6 and 12 images, the truth known.
Coverage is of the 95 % interval; a false yes says that the loss fell where the truth is no change, after the best of twelve measurements
was kept. The interval that this project had before (images and noises drawn again) is printed beside. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.evaluation.intervals import change_interval as change_of_score
from gaucho_pipeline.scorers import SCORERS, Features
from gaucho_pipeline.training.loss_change import change_interval, change_on_these_images, loss_fell

IMAGES, NOISES, TRIALS, MEASUREMENTS, GAIN = (1, 2, 3, 4, 6, 12), 16, 2000, 12, 0.1
Interval = tuple[float, float] | None


def errors_of_training(subject: str, seed: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Errors of one training on images that it never saw, base and tuned, both (images, noises)."""
    from gaucho_pipeline.concepts.training import TrainingSpec
    from gaucho_pipeline.families.embedded import Embedded
    from gaucho_pipeline.files.digests import file_digest
    from gaucho_pipeline.models import base_models
    from gaucho_pipeline.prompts.templates import ConceptWords, instance_prompt
    from gaucho_pipeline.stage.reporter import SilentReporter
    from gaucho_pipeline.training import validation
    from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare
    from gaucho_pipeline.training.study import Lesson, train_all
    from gaucho_pipeline_tests.samples import train_image

    words = ConceptWords("mtl", "tree") if subject == "araucaria" else ConceptWords("dnc", "cup")
    spec = TrainingSpec(seed=seed, max_steps=steps, validation_noises=NOISES).for_family(Embedded)
    base, silent = base_models.load("embedded", None, torch.device("cpu")), SilentReporter(None)
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), []
        for index in range(24):
            path = folder / f"{index:02d}.png"
            draw_subject(subject, 100 * seed + index, side=256).save(path)
            rows.append(train_image(index, file=str(path), pixels=file_digest(path)))
        encoded, _unused = prepare(
            base, spec, [ConceptImages(words, Path("/"), rows[:12], rows[12:])], Places(folder / "class_images"), silent
        )
        trainer = train_all(base, spec, Lesson(encoded, ""), folder / "state", silent).trainer
        images = [encoded.validation[number] for number in range(12)]
        found = [validation.errors(trainer.model, images, instance_prompt(words), which, for_report=True) for which in (False, True)]
    return found[0], found[1]


def spread_of(errors: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[float, float, float]:
    """Standard deviations of the relative change: between images, between noise levels, and of what is left."""
    found = []
    for base, tuned in errors:
        change = ((tuned - base) / base.mean()).double()
        by_image, by_noise = change.mean(dim=1), change.mean(dim=0)
        left = change - by_image[:, None] - by_noise[None] + change.mean()
        of_left = float(left.std())
        of_images = math.sqrt(max(float(by_image.var()) - of_left**2 / change.shape[1], 0))
        found.append((of_images, float(by_noise.std()), of_left))
    mean = np.mean(found, axis=0)
    return float(mean[0]), float(mean[1]), float(mean[2])


def simulated(
    spread: tuple[float, float, float], images: int, gain: float, generator: torch.Generator, of_noises: torch.Tensor
) -> torch.Tensor:
    """Relative changes of so many images, (images, noises), whose true mean is minus the gain; levels of noise are the same every time."""
    of_images = spread[0] * torch.randn(images, 1, generator=generator)
    return of_images + of_noises + spread[2] * torch.randn(images, NOISES, generator=generator) - gain


def coverage(spread: tuple[float, float, float], images: int, interval: Callable[..., Interval], trials: int) -> float | None:
    """How often the interval holds the true change."""
    generator, held, had = torch.Generator().manual_seed(images), 0, 0
    of_noises = spread[1] * torch.randn(1, NOISES, generator=generator)
    of_noises -= of_noises.mean()
    for _ in range(trials):
        change = simulated(spread, images, GAIN, generator, of_noises)
        if found := interval(torch.zeros_like(change), change):
            had += 1
            held += found[0] <= -GAIN <= found[1]
    return held / had if had else None


def false_yes(spread: tuple[float, float, float], images: int, interval: Callable[..., Interval], trials: int) -> float:
    """How often the loss is said to have fallen where nothing changed: the best of several measurements is kept, and reported on.

    With three images or more they are chosen on others than those that are reported on.
    """
    generator, wrong = torch.Generator().manual_seed(images), 0
    of_noises = spread[1] * torch.randn(1, NOISES, generator=generator)
    of_noises -= of_noises.mean()
    for _ in range(trials):
        tried = [simulated(spread, images, 0.0, generator, of_noises) for _ in range(MEASUREMENTS)]
        kept = tried[0] if images >= 3 else min(tried, key=lambda change: float(change.mean()))
        wrong += loss_fell(1.0, interval(torch.zeros_like(kept), kept), 1, images >= 3 or interval is change_on_these_images) == "yes"
    return wrong / trials


def coverage_of_scores(images: int, pictures: int, trials: int) -> float | None:
    """The same of `clip_i`'s change, on vectors around a subject and around another."""
    generator, width = np.random.default_rng(images), 32
    none = np.zeros((0, width), np.float32)

    def around(axis: int, count: int) -> Any:
        rows = 0.8 * generator.normal(size=(count, width)) / math.sqrt(width)
        rows[:, axis] += 1
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def features(axis: int, count: int, real: Any) -> Features:
        return Features(around(axis, count), np.zeros(count, np.intp), None, none, real, none)

    every = around(0, 4000)
    truth = float((around(0, 4000) @ every.T).mean() - (around(1, 4000) @ every.T).mean())
    held = had = 0
    for _ in range(trials):
        real = around(0, images)
        if found := change_of_score(SCORERS["clip_i"], features(1, pictures, real), features(0, pictures, real)):
            had += 1
            held += found[0] <= truth <= found[1]
    return held / had if had else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trainings", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--trials", type=int, default=TRIALS)
    asked = parser.parse_args()
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error"}
    measured = [
        errors_of_training(subject, seed, asked.steps) for subject in ("araucaria", "chimarrao") for seed in range(1, asked.trainings + 1)
    ]
    spread = spread_of(measured)
    print(f"relative change: {spread[0]:.3f} between images, {spread[1]:.3f} between levels of noise, {spread[2]:.3f} left\n")
    print("| images | t over images: coverage | false yes | images and noises drawn again: coverage | false yes | score: coverage |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = []
    for images in IMAGES:
        row: dict[str, Any] = {"images": images}
        for name, interval in (("t", change_interval), ("both", change_on_these_images)):
            trials = asked.trials if name == "t" else asked.trials // 4
            row[name] = coverage(spread, images, interval, trials)
            row[f"{name}_false_yes"] = false_yes(spread, images, interval, trials // 4)
        row["score"] = coverage_of_scores(images, 12, asked.trials // 8)
        rows.append(row)
        cells = ["none" if row[key] is None else f"{row[key]:.2f}" for key in ("t", "t_false_yes", "both", "both_false_yes", "score")]
        print(f"| {images} | {' | '.join(cells)} |", flush=True)
    print(json.dumps({"spread": spread, "rows": rows}))


if __name__ == "__main__":
    main()
