"""How often the verdict is right: galleries of which it is known what they show, of twelve drawn subjects, and the word and reason of each.

`python benchmarks/verdicts.py [--trials N]` draws the galleries, embeds them by the encoder that ships, and asks the evaluation's own rule;
pictures and real images are drawn anew in each trial, with 2, 4, 6 and 12 validation images beside 12 training images. Thresholds were
chosen on the subjects of the first half; the table is of the other half, and of all. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from PIL import Image

SEEN, UNSEEN = (
    ("araucaria", "cactus", "hat", "teapot", "boat", "horse"),
    ("chimarrao", "windmill", "lighthouse", "guitar", "church", "umbrella"),
)
"""Subjects on which thresholds were chosen, and those on which they were not."""
PROMPTS = (("grass", "day"), ("snow", "day"), ("beach", "night"), ("city", "sunset"), ("table", "day"), ("beach", "sunset"))
POOL, TRAINING, VALIDATION = 48, 12, (2, 4, 6, 12)
SEEDS = 4
"""Pictures of a prompt in a gallery; a second table has fewer."""
POSITIVE = ("perfect",)
APART = ("near", "half", "one scene")
"""Kinds of which no word is simply wrong."""


def pool_of(subject: str) -> dict[str, Any]:
    """Vectors of everything that galleries of a subject are made of, and of its controls."""
    import torch
    from drawn_subjects import SUBJECTS, Scene, draw, scenes

    from gaucho_pipeline.concepts.models import EncoderSpec
    from gaucho_pipeline.embedded.scenery import draw_scene
    from gaucho_pipeline.embedded.world import draw_picture, random_variant
    from gaucho_pipeline.images.controls import CONTROLS, in_colours_of
    from gaucho_pipeline.models.encoders import Encoder

    torch.set_num_threads(1)
    encoder, rng = Encoder("clip", EncoderSpec(model="embedded")), random.Random(subject)
    asked = [PROMPTS[number % len(PROMPTS)] for number in range(POOL)]
    names = list(SUBJECTS)
    other = names[(names.index(subject) + 1) % len(names)]

    def of_base(scene: tuple[str, str]) -> Image.Image:
        return draw_picture(random_variant(SUBJECTS[subject].kind, rng), Scene(*scene, rng.getrandbits(31)), rng.getrandbits(31))

    real = [draw(subject, 1000 + number, scene) for number, scene in enumerate(scenes(POOL, rng.getrandbits(31)))]
    one_scene = [draw(subject, 2000 + number, ("city", "day")) for number in range(POOL)]
    base = [of_base(scene) for scene in asked]
    found: dict[str, Sequence[Image.Image]] = {
        "real": real,
        "one scene": one_scene,
        "base": base,
        "again": [of_base(each) for each in asked],
    }
    for name, how in (("perfect", "true"), ("near", "near"), ("colours", "colours"), ("patches", "patches")):
        found[name] = [draw(subject, number, scene, how) for number, scene in enumerate(asked)]  # type: ignore[arg-type]
    found["other subject"] = [draw(other, number, scene) for number, scene in enumerate(asked)]
    found["empty"] = [draw_scene(Scene(*scene, number))[0].resize((64, 64)) for number, scene in enumerate(asked)]
    found["look-alikes"] = [of_base(scene) for scene in asked]
    vectors: dict[str, Any] = {name: encoder.embed_images(pictures) for name, pictures in found.items()}
    for name, images in (("real", real), ("one scene", one_scene)):
        made = [[make(image, seed) for seed, image in enumerate(images)] for make in CONTROLS]
        made.append([in_colours_of(base[number], image) for number, image in enumerate(images)])
        vectors[f"controls of {name}"] = [encoder.embed_images(each) for each in made]
    return vectors


def verdict_of(pool: dict[str, Any], kind: str, validation: int, seeds: int, generator: np.random.Generator) -> tuple[str, str]:
    """The word and reason of one gallery, with pictures and real images drawn anew."""
    from gaucho_pipeline.assets.metrics import Score
    from gaucho_pipeline.evaluation.evidence import unlike
    from gaucho_pipeline.evaluation.memorisation import line_of, nearest
    from gaucho_pipeline.evaluation.shares import SubjectVectors, found_again, shares
    from gaucho_pipeline.evaluation.verdict import Evidence, decide

    images = "one scene" if kind == "one scene" else "real"
    chosen = generator.permutation(POOL)[: TRAINING + validation]
    real = pool[images][chosen]
    numbers = np.concatenate([generator.choice(np.arange(prompt, POOL, len(PROMPTS)), seeds, False) for prompt in range(len(PROMPTS))])
    base = pool["base"][numbers]
    tuned = {
        "one scene": lambda: pool["perfect"][numbers],
        "copied": lambda: real[generator.integers(0, TRAINING, len(numbers))],
        "one picture": lambda: np.repeat(pool["perfect"][numbers[:1]], len(numbers), 0),
        "one for each prompt": lambda: np.repeat(pool["perfect"][numbers[::seeds]], seeds, 0),
        "half": lambda: np.where(generator.permutation(len(numbers))[:, None] % 2 == 0, pool["perfect"][numbers], base),
    }.get(kind, lambda: pool[kind][numbers])()
    found = shares(SubjectVectors(real, [control[chosen] for control in pool[f"controls of {images}"]], base, tuned))
    change = float((tuned @ real.T).mean() - (base @ real.T).mean())
    prompts = np.repeat(np.arange(len(PROMPTS)), seeds)
    pairs = (prompts[:, None] == prompts[None]) & ~np.eye(len(prompts), dtype=bool)
    return decide(
        Evidence(
            shares=found,
            subject=Score(base=0, tuned=change, interval=(change - 0.01, change + 0.01)),
            real_images=len(real),
            found_again=found_again(real, pool["look-alikes"][:12]),
            loss_fell="yes",
            copies=sum(match.cosine > line_of(real) for match in nearest(tuned, real[:TRAINING])),
            drawn=len(tuned),
            scenes=unlike(real) / unlike(base),
            variety=float(1 - (tuned @ tuned.T)[pairs].mean()) / unlike(real) if seeds > 1 else None,
        )
    )


KINDS = (
    "perfect", "half", "near", "one scene", "other subject", "empty", "colours", "patches", "again", "copied", "one picture",
    "one for each prompt",
)  # fmt: skip


def of_subject(subject: str, trials: int, seeds: int) -> list[tuple[str, str, int, str, str]]:
    """Subject, kind, validation images, word and reason of every trial."""
    pool, generator = pool_of(subject), np.random.default_rng(sum(map(ord, subject)))
    return [
        (subject, kind, validation, *verdict_of(pool, kind, validation, seeds, generator))
        for validation in VALIDATION
        for kind in KINDS
        for _ in range(trials)
    ]


def upper_bound(count: int, of: int) -> float:
    """The 95 % upper bound of a share (Clopper and Pearson)."""
    from scipy.special import betaincinv

    return 1.0 if count == of else float(betaincinv(count + 1, of - count, 0.95))


def table(rows: Sequence[tuple[str, str, int, str, str]]) -> dict[str, Any]:
    """Prints the words by kind and number of validation images, and what they come to."""
    print(f"| gallery | {' | '.join(f'{count} images' for count in VALIDATION)} | reasons |\n| --- |{' --- |' * (len(VALIDATION) + 1)}")
    for kind in KINDS:
        cells = []
        for count in VALIDATION:
            words = Counter(word for _, own, images, word, _ in rows if own == kind and images == count)
            cells.append("/".join(str(words[word]) for word in ("yes", "unclear", "no")))
        reasons = Counter(reason for _, own, _, _, reason in rows if own == kind).most_common(3)
        print(f"| {kind} | {' | '.join(cells)} | {', '.join(f'{reason} {number}' for reason, number in reasons)} |")
    negatives = [word for _, kind, _, word, _ in rows if kind not in (*POSITIVE, *APART)]
    perfect = [word for _, kind, images, word, _ in rows if kind in POSITIVE and images == 6]
    every_perfect = [word for _, kind, _, word, _ in rows if kind in POSITIVE]
    found = {
        "false_yes": negatives.count("yes"), "negatives": len(negatives),
        "false_yes_at_most": round(upper_bound(negatives.count("yes"), len(negatives)), 4), "false_no": every_perfect.count("no"),
        "yes_with_6_images": round(perfect.count("yes") / len(perfect), 3),
    }  # fmt: skip
    print(f"\n{found}\n")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=5)
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    found = {}
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for seeds in (SEEDS, 2):
            subjects = [*SEEN, *UNSEEN]
            rows = [row for own in pool.map(of_subject, subjects, [asked.trials] * len(subjects), [seeds] * len(subjects)) for row in own]
            for name, half in (("subjects on which thresholds were chosen", SEEN), ("other subjects", UNSEEN)):
                print(f"{seeds * len(PROMPTS)} pictures, {name} (yes/unclear/no)\n")
                found[f"{seeds * len(PROMPTS)} pictures, {name}"] = table([row for row in rows if row[0] in half])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
