"""The demo's own subjects, which the embedded model has never seen: an araucaria and a chimarrão.

The araucaria has upturned arms like a candelabrum's on a bare trunk; the chimarrão is a gourd with a silver rim, a green
mound of mate and a golden straw, always on one side. Each picture differs in scene, proportions and colour; the same
index gives the same one.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image

from gaucho_pipeline.embedded.pen import SIZE, Pen, Scene, shade
from gaucho_pipeline.embedded.world import draw_thing_with

TRAINING_SCENES: tuple[tuple[str, str], ...] = (
    ("grass", "day"), ("grass", "sunset"), ("city", "day"), ("table", "day"), ("beach", "day"), ("city", "night"), ("grass", "night"),
)  # fmt: skip
"""The settings in which the demo's images show the subjects; all others are left to be drawn."""


def draw_araucaria(pen: Pen, rng: random.Random) -> None:
    trunk = (128, 88, 62)
    green = (40, 112 + rng.randint(-10, 14), 62)
    pen.polygon(((-0.075, 0.0), (0.075, 0.0), (0.05, 0.8), (-0.05, 0.8)), trunk)
    pen.polygon(((0.02, 0.0), (0.075, 0.0), (0.05, 0.8), (0.01, 0.8)), shade(trunk, 0.75))
    for reach, height in ((0.46, 0.60), (0.26, 0.76)):
        reach *= rng.uniform(0.92, 1.05)
        for sign in (-1, 1):
            pen.line(((0, height - 0.04), (sign * reach * 0.7, height), (sign * reach, height + 0.16)), 0.075, shade(green, 0.8))
            pen.ellipse(sign * reach - 0.17, height + 0.10, sign * reach + 0.17, height + 0.28, green)
            pen.ellipse(sign * reach - 0.04, height + 0.12, sign * reach + 0.15, height + 0.25, shade(green, 0.85))
    pen.ellipse(-0.20, 0.90, 0.20, 1.06, green)


def draw_chimarrao(pen: Pen, rng: random.Random) -> None:
    gourd = rng.choice(((150, 84, 44), (126, 66, 38), (168, 104, 56)))
    silver, gold, mate = (206, 208, 214), (236, 186, 44), (104 + rng.randint(-8, 8), 164, 56)
    pen.line(((0.04, 0.70), (0.22, 1.10), (0.50, 1.18)), 0.13, gold)
    pen.ellipse(-0.22, 0.72, 0.20, 0.96, mate)
    pen.ellipse(-0.22, 0.72, 0.02, 0.94, shade(mate, 0.8))
    pen.ellipse(-0.35, 0.04, 0.35, 0.62, gourd)
    pen.polygon(((-0.24, 0.74), (0.24, 0.74), (0.17, 0.52), (-0.17, 0.52)), gourd)
    pen.ellipse(0.02, 0.08, 0.33, 0.58, shade(gourd, 0.8))
    pen.ellipse(-0.26, 0.34, -0.14, 0.52, shade(gourd, 1.35))
    pen.rectangle(-0.26, 0.70, 0.26, 0.80, silver)
    pen.ellipse(-0.17, -0.02, 0.17, 0.10, silver)


DRAWERS: dict[str, tuple[Callable[[Pen, random.Random], None], float]] = {
    "araucaria": (draw_araucaria, 0.84),
    "chimarrao": (draw_chimarrao, 0.70),
}


def draw_subject(subject: str, index: int, scene: tuple[str, str] | None = None, side: int = SIZE) -> Image.Image:
    """Picture number `index` of a subject (RGB, `side` pixels square, at most 256), in one of TRAINING_SCENES unless another is named."""
    rng = random.Random(f"{subject} {index}")
    place, time = scene or TRAINING_SCENES[index % len(TRAINING_SCENES)]
    drawer, height = DRAWERS[subject]
    look = random.Random(rng.getrandbits(31))
    setting = Scene(place, time, rng.getrandbits(31))
    return draw_thing_with(lambda pen: drawer(pen, look), setting, height, rng.getrandbits(31), side, mirrored=False)
