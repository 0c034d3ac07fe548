"""Whether masks keep what stands beside the subject out of what is learned: a drawn subject with the same post in every image.

    python benchmarks/masks.py [--steps N] [--pictures FOLDER]

The embedded model learns a drawn subject, three times each: from images without the post (what is right), from images with it learned
whole, and from these with the subject's mask (weight 0, and weight .1 with the base model's own prediction outside). Then the token is
drawn in scenes that no image shows. `post`: pictures in which the post is drawn, counted by its colour in its place; `subject`: mean
cosine with real images of the subject without the post, by the embedded scorer. FOLDER gets a sheet of each, to be counted by eye. Last
line: JSON with `post` of each and the `ratio` of posts drawn without masks and with.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import drawn_subjects
import numpy as np
from PIL import Image, ImageDraw

SUBJECT, NOUN, IMAGES, SEEDS, SIDE = "cactus", "tree", 16, (1, 2, 3), 64
POST, COLOUR = (53, 16, 59, 60), (205, 40, 150)
"""Where the post stands, left, top, right, bottom, and its colour, which nothing else has."""
HOW: dict[str, tuple[bool, dict[str, Any] | None]] = {
    "no post": (False, None),
    "whole": (True, None),
    "masked": (True, {"weight": 0.0}),
    "masked, prior": (True, {"weight": 0.1, "prior": True}),
}
LEARNED, NEW = ("grass", "beach", "table"), ("snow", "city")
TIMES = ("by day", "at sunset", "at night")
PROMPTS = [f"a photo of dnc {NOUN} {place} {time}" for place in ("in the snow", "in the city") for time in TIMES]


def image(index: int, with_post: bool) -> tuple[Image.Image, Image.Image]:
    """An image that is learned from, and the mask of its subject."""
    scene = (LEARNED[index % len(LEARNED)], drawn_subjects.TIMES[index // len(LEARNED) % 3])
    picture = drawn_subjects.draw(SUBJECT, index, scene, "true", SIDE)
    other = drawn_subjects.draw(SUBJECT, index, scene, "colours", SIDE)
    differs = np.abs(np.asarray(picture, np.int16) - np.asarray(other, np.int16)).max(axis=2) > 12
    if with_post:
        ImageDraw.Draw(picture).rectangle((POST[0], POST[1], POST[2] - 1, POST[3] - 1), fill=COLOUR)
        differs[POST[1] : POST[3], POST[0] : POST[2]] = False
    return picture, Image.fromarray(differs.astype(np.uint8) * 255)


def shows_post(picture: Image.Image) -> bool:
    """Whether the post is drawn: its colour in a third of its place."""
    pixels = np.asarray(picture.convert("RGB").resize((SIDE, SIDE)), np.int16)[POST[1] : POST[3], POST[0] : POST[2]]
    return float((np.abs(pixels - np.array(COLOUR)).max(axis=2) < 70).mean()) > 1 / 3


def trial(how: str, seed: int, steps: int) -> tuple[str, int, list[Image.Image], dict[str, float | None]]:
    """One training, and what it draws."""
    import torch

    torch.set_num_threads(1)
    from gaucho_pipeline.concepts.training import TrainingSpec
    from gaucho_pipeline.families.embedded import Embedded
    from gaucho_pipeline.models import base_models
    from gaucho_pipeline.prompts.templates import ConceptWords
    from gaucho_pipeline.stage.reporter import SilentReporter
    from gaucho_pipeline.training.examples import split
    from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare
    from gaucho_pipeline.training.report import measure
    from gaucho_pipeline.training.study import Lesson, train_all
    from gaucho_pipeline_tests.samples import train_image

    with_post, mask = HOW[how]
    words, told = ConceptWords("dnc", NOUN), SilentReporter(None)
    spec = TrainingSpec.model_validate({"seed": seed, "max_steps": steps, "mask": mask}).for_family(Embedded)
    base = base_models.load("embedded", None, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as name:
        rows = []
        for index in range(IMAGES):
            shown, own = image(index, with_post)
            shown.save(Path(name) / f"{index}.png")
            own.save(Path(name) / f"{index}-mask.png")
            rows.append(train_image(index, file=f"{index}.png", pixels=f"{how} {index}", mask=f"{index}-mask.png" if mask else None))
        learned_from, measured_with = split(rows, spec.validation_fraction, seed)
        encoded, _ = prepare(
            base, spec, [ConceptImages(words, Path(name), learned_from, measured_with)], Places(Path(name) / "class_images"), told
        )
        study = train_all(base, spec, Lesson(encoded, ""), Path(name) / "state", told)
        (metrics,) = measure(study, None, "")
        family = study.trainer.model.family
        pictures = [family.generate([prompt], "", 20, 6.0, [seed * 100 + number], SIDE)[0] for number, prompt in enumerate(PROMPTS)]
    losses = {"inside": metrics.validation_loss.tuned, "outside": metrics.outside_loss.tuned if metrics.outside_loss else None}
    return how, seed, pictures, losses


def likeness(pictures: list[Image.Image]) -> float:
    """Mean cosine with images of the subject without a post, in the new scenes."""
    from gaucho_pipeline.concepts.models import EncoderSpec
    from gaucho_pipeline.models.encoders import load_encoders
    from gaucho_pipeline.stage.reporter import SilentReporter

    encoder = load_encoders({"clip": EncoderSpec(model="embedded")}, SilentReporter(None))[0]["clip"]
    scenes = [(place, time) for place in NEW for time in drawn_subjects.TIMES]
    real = [drawn_subjects.draw(SUBJECT, 100 + number, scene, "true", SIDE) for number, scene in enumerate(scenes)]
    one, other = (np.asarray(encoder.embed_images(each)) for each in (pictures, real))
    return float((one @ other.T).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # processes that are spawned get it, too
    os.environ |= {"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    jobs = [(how, seed, asked.steps) for how in HOW for seed in SEEDS]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(trial, *zip(*jobs, strict=True)))
    print("| learned | seed | post drawn | likeness | loss inside | outside |\n| --- | --- | --- | --- | --- | --- |")
    posts = dict.fromkeys(HOW, 0)
    for how, seed, pictures, losses in found:
        drawn = sum(map(shows_post, pictures))
        posts[how] += drawn
        outside = "" if losses["outside"] is None else f"{losses['outside']:.3f}"
        print(
            f"| {how} | {seed} | {drawn} of {len(pictures)} | {likeness(pictures):.3f} | {losses['inside']:.3f} | {outside} |", flush=True
        )
        if asked.pictures:
            asked.pictures.mkdir(parents=True, exist_ok=True)
            sheet = Image.new("RGB", (2 * SIDE * len(pictures), 2 * SIDE))
            for number, picture in enumerate(pictures):
                sheet.paste(picture.resize((2 * SIDE, 2 * SIDE)), (2 * SIDE * number, 0))
            sheet.save(asked.pictures / f"{how.replace(', ', '-').replace(' ', '-')}-{seed}.png")
    of_each = len(SEEDS) * len(PROMPTS)
    print(json.dumps({"post": {how: count / of_each for how, count in posts.items()}, "ratio": posts["whole"] / max(posts["masked"], 1)}))


if __name__ == "__main__":
    main()
