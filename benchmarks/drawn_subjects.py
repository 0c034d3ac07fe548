"""Twelve drawn subjects that the embedded model has never seen, for the benchmarks of verdicts: as they are, and as what they are not.

`draw(subject, index, scene, how)` draws one picture. `how`: `true`; `near` lacks one attribute of the subject (a cactus without arms);
`colours` has the subject's form in other colours; `patches` has its colours in its place, without its form.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from gaucho_pipeline.demo.subjects import draw_araucaria, draw_chimarrao
from gaucho_pipeline.embedded.pen import RGB, Pen, Scene, shade
from gaucho_pipeline.embedded.world import draw_thing_with

How = Literal["true", "near", "colours", "patches"]
Draw = Callable[[Pen, random.Random, bool], None]
PLACES, TIMES = ("grass", "beach", "snow", "city", "table"), ("day", "sunset", "night")


@dataclass(frozen=True)
class Subject:
    """How it is drawn (the last argument: whether complete), how high, and the kind of the small world that it is nearest to."""

    draw: Draw
    height: float
    kind: str
    attribute: str
    """What a near miss lacks."""


def _araucaria(pen: Pen, rng: random.Random, complete: bool) -> None:
    if complete:
        return draw_araucaria(pen, rng)
    green = (40, 112 + rng.randint(-10, 14), 62)
    pen.polygon(((-0.075, 0.0), (0.075, 0.0), (0.05, 0.8), (-0.05, 0.8)), (128, 88, 62))
    pen.ellipse(-0.40, 0.52, 0.40, 1.06, green)  # a round crown, not a cup
    pen.ellipse(-0.08, 0.58, 0.36, 0.98, shade(green, 0.85))


def _chimarrao(pen: Pen, rng: random.Random, complete: bool) -> None:
    if complete:
        return draw_chimarrao(pen, rng)
    gourd = rng.choice(((150, 84, 44), (126, 66, 38), (168, 104, 56)))
    pen.ellipse(-0.35, 0.04, 0.35, 0.62, gourd)  # no straw, no mate
    pen.polygon(((-0.24, 0.74), (0.24, 0.74), (0.17, 0.52), (-0.17, 0.52)), gourd)
    pen.ellipse(0.02, 0.08, 0.33, 0.58, shade(gourd, 0.8))
    pen.rectangle(-0.26, 0.70, 0.26, 0.80, (206, 208, 214))


def _cactus(pen: Pen, rng: random.Random, complete: bool) -> None:
    green, flower = (52 + rng.randint(-8, 8), 138, 74), (238, 80, 150)
    arm = rng.uniform(0.9, 1.08)
    for sign, height in ((-1, 0.36), (1, 0.50)) if complete else ():
        pen.line(((0, height), (sign * 0.30 * arm, height), (sign * 0.30 * arm, height + 0.26)), 0.15, green)
        pen.ellipse(sign * 0.30 * arm - 0.075, height + 0.20, sign * 0.30 * arm + 0.075, height + 0.34, green)
    pen.rectangle(-0.13, 0.0, 0.13, 0.86, green)
    pen.ellipse(-0.13, 0.76, 0.13, 0.98, green)
    pen.rectangle(0.03, 0.0, 0.07, 0.88, shade(green, 0.75))
    pen.ellipse(-0.08, 0.92, 0.08, 1.06, flower)


def _hat(pen: Pen, rng: random.Random, complete: bool) -> None:
    felt, band = (58 + rng.randint(-8, 8), 48, 44), (214, 40, 44)
    pen.ellipse(-0.62, 0.16, 0.62, 0.46, felt)
    pen.polygon(((-0.34, 0.30), (0.34, 0.30), (0.28, 0.84), (-0.28, 0.84)), shade(felt, 1.12))
    pen.ellipse(-0.28, 0.76, 0.28, 0.92, shade(felt, 1.25))
    if complete:
        pen.rectangle(-0.34, 0.34, 0.34, 0.50, band)
    pen.line(((-0.5, 0.26), (-0.1, 0.0), (0.1, 0.0), (0.5, 0.26)), 0.05, shade(felt, 0.7))


def _windmill(pen: Pen, rng: random.Random, complete: bool) -> None:
    wall, sail = (236, 228, 210), (176, 60, 52)
    pen.polygon(((-0.26, 0.0), (0.26, 0.0), (0.15, 0.66), (-0.15, 0.66)), wall)
    pen.polygon(((-0.20, 0.64), (0.20, 0.64), (0.0, 0.84)), (84, 92, 120))
    pen.rectangle(-0.07, 0.0, 0.07, 0.22, (96, 66, 48))
    tilt = rng.uniform(-0.06, 0.06)
    for u, v in ((0.40, 0.40), (-0.40, 0.40), (0.40, -0.40), (-0.40, -0.40)) if complete else ():
        pen.line(((0.0, 0.62), (u + tilt, 0.62 + v - tilt)), 0.10, sail)


def _lighthouse(pen: Pen, rng: random.Random, complete: bool) -> None:
    stripe = (212, 50 + rng.randint(-8, 8), 46)
    for number in range(5):
        low, wide = 0.16 * number, 0.22 - 0.02 * number
        pen.polygon(
            ((-wide, low), (wide, low), (wide - 0.02, low + 0.16), (0.02 - wide, low + 0.16)),
            stripe if number % 2 == 0 and complete else (244, 242, 238),
        )
    pen.rectangle(-0.11, 0.80, 0.11, 0.92, (252, 222, 90))
    pen.polygon(((-0.16, 0.92), (0.16, 0.92), (0.0, 1.06)), (70, 74, 88))


def _guitar(pen: Pen, rng: random.Random, complete: bool) -> None:
    wood = (198 + rng.randint(-10, 10), 124, 58)
    pen.ellipse(-0.33, 0.0, 0.33, 0.42, wood)
    pen.ellipse(-0.25, 0.30, 0.25, 0.62, wood)
    if complete:
        pen.rectangle(-0.05, 0.46, 0.05, 1.0, (84, 54, 36))
        pen.rectangle(-0.09, 0.96, 0.09, 1.10, (60, 40, 30))
    pen.ellipse(-0.10, 0.26, 0.10, 0.44, (48, 34, 28))
    pen.rectangle(-0.13, 0.10, 0.13, 0.15, (60, 40, 30))


def _teapot(pen: Pen, rng: random.Random, complete: bool) -> None:
    body = (64, 98 + rng.randint(-8, 8), 182)
    pen.ring(-0.62, 0.22, -0.18, 0.64, 0.08, body)
    if complete:
        pen.line(((0.26, 0.26), (0.52, 0.44), (0.62, 0.72)), 0.12, body)
    pen.ellipse(-0.38, 0.04, 0.38, 0.70, body)
    pen.ellipse(0.02, 0.10, 0.34, 0.62, shade(body, 0.8))
    pen.rectangle(-0.16, 0.66, 0.16, 0.72, (240, 240, 244))
    pen.ellipse(-0.07, 0.70, 0.07, 0.84, (240, 200, 70))


def _boat(pen: Pen, rng: random.Random, complete: bool) -> None:
    hull, sail = (140, 70, 44), (248, 244, 232)
    pen.polygon(((-0.56, 0.26), (0.56, 0.26), (0.36, 0.0), (-0.36, 0.0)), hull)
    pen.rectangle(-0.56, 0.22, 0.56, 0.28, (226, 190, 70))
    pen.rectangle(-0.03, 0.26, 0.03, 1.04, (96, 70, 50))
    lean = rng.uniform(-0.04, 0.04)
    if complete:
        pen.polygon(((0.05, 0.34), (0.48, 0.34), (0.05 + lean, 1.0)), sail)
        pen.polygon(((-0.06, 0.34), (-0.36, 0.34), (-0.06 + lean, 0.88)), shade(sail, 0.88))


def _church(pen: Pen, rng: random.Random, complete: bool) -> None:
    wall, roof = (238, 214, 160 + rng.randint(-10, 10)), (150, 62, 46)
    pen.rectangle(-0.16, 0.0, 0.46, 0.40, wall)
    pen.polygon(((-0.20, 0.40), (0.50, 0.40), (0.30, 0.60), (0.0, 0.60)), roof)
    pen.rectangle(-0.44, 0.0, -0.12, 0.66, shade(wall, 0.92))
    pen.polygon(((-0.48, 0.66), (-0.08, 0.66), (-0.28, 0.92)), roof)
    if complete:
        pen.rectangle(-0.30, 0.88, -0.26, 1.10, (40, 40, 48))
        pen.rectangle(-0.36, 0.99, -0.20, 1.03, (40, 40, 48))
    pen.rectangle(-0.34, 0.0, -0.22, 0.24, (92, 58, 44))
    pen.ellipse(-0.34, 0.38, -0.22, 0.52, (80, 120, 190))


def _umbrella(pen: Pen, rng: random.Random, complete: bool) -> None:
    one, other = (44, 120, 190), (248, 206, 60)
    pen.rectangle(-0.03, 0.10, 0.03, 0.70, (74, 60, 52))
    pen.ring(-0.20, 0.0, 0.03, 0.20, 0.05, (74, 60, 52))
    wide = rng.uniform(0.50, 0.56)
    for number, colour in enumerate((one, other if complete else one, one, other if complete else one)):
        left = -wide + number * wide / 2
        pen.polygon(((left, 0.62), (left + wide / 2, 0.62), (0.0, 1.02)), colour)
    pen.polygon(((-0.04, 1.0), (0.04, 1.0), (0.0, 1.10)), (74, 60, 52))


def _horse(pen: Pen, rng: random.Random, complete: bool) -> None:
    coat, mane = (154 + rng.randint(-10, 10), 96, 54), (52, 38, 34)
    for u in (-0.40, -0.24, 0.18, 0.34):
        pen.rectangle(u, 0.0, u + 0.09, 0.36, shade(coat, 0.9))
    pen.ellipse(-0.48, 0.28, 0.46, 0.66, coat)
    pen.line(((0.34, 0.52), (0.52, 0.90)), 0.20, coat)
    pen.ellipse(0.42, 0.78, 0.82, 0.98, coat)
    pen.polygon(((0.46, 0.94), (0.56, 0.94), (0.50, 1.08)), coat)
    if complete:
        pen.line(((0.24, 0.62), (0.42, 0.98)), 0.09, mane)
        pen.line(((-0.46, 0.56), (-0.60, 0.20)), 0.10, mane)


SUBJECTS: dict[str, Subject] = {
    "araucaria": Subject(_araucaria, 0.84, "tree", "a crown like a cup"),
    "chimarrao": Subject(_chimarrao, 0.70, "cup", "a golden straw"),
    "cactus": Subject(_cactus, 0.80, "tree", "arms"),
    "hat": Subject(_hat, 0.62, "mushroom", "a red band"),
    "windmill": Subject(_windmill, 0.80, "house", "sails"),
    "lighthouse": Subject(_lighthouse, 0.84, "house", "red stripes"),
    "guitar": Subject(_guitar, 0.76, "bottle", "a neck"),
    "teapot": Subject(_teapot, 0.66, "cup", "a spout"),
    "boat": Subject(_boat, 0.70, "car", "sails"),
    "church": Subject(_church, 0.76, "house", "a cross"),
    "umbrella": Subject(_umbrella, 0.74, "mushroom", "two colours"),
    "horse": Subject(_horse, 0.66, "cat", "a dark mane and tail"),
}


class _Recoloured:
    """A pen whose colours have their channels exchanged: the form of a subject in other colours."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def __getattr__(self, name: str) -> Any:
        draws = getattr(self._pen, name)

        def recoloured(*given: Any, **keys: Any) -> None:
            *others, fill = given
            draws(*others, (fill[2], fill[0], fill[1]), **keys)

        return recoloured


class _Patches:
    """A pen that draws a patch anywhere in the thing's box for whatever it is asked to: the colours of a subject without its form."""

    def __init__(self, pen: Pen, rng: random.Random) -> None:
        self._pen, self._rng = pen, rng

    def __getattr__(self, name: str) -> Any:
        def patch(*given: Any, **keys: Any) -> None:
            colour: RGB = given[-1]
            u, v, wide, high = (
                self._rng.uniform(-0.4, 0.4),
                self._rng.uniform(0.1, 0.9),
                self._rng.uniform(0.1, 0.3),
                self._rng.uniform(0.08, 0.25),
            )
            self._pen.ellipse(u - wide, v - high, u + wide, v + high, colour)

        return patch


def draw(subject: str, index: int, scene: tuple[str, str], how: How = "true", side: int = 64) -> Image.Image:
    """One picture; the same for the same arguments."""
    found, rng = SUBJECTS[subject], random.Random(f"{subject} {index} {scene}")
    look, setting = random.Random(rng.getrandbits(31)), Scene(*scene, rng.getrandbits(31))

    def with_pen(pen: Pen) -> None:
        own: Any = {"colours": _Recoloured, "patches": lambda pen: _Patches(pen, random.Random(index))}.get(how, lambda pen: pen)(pen)
        found.draw(own, look, how != "near")

    return draw_thing_with(with_pen, setting, found.height, rng.getrandbits(31), side, mirrored=False)


def scenes(count: int, seed: int, places: Sequence[str] = PLACES) -> list[tuple[str, str]]:
    """So many scenes, drawn at random."""
    rng = random.Random(seed)
    return [(rng.choice(places), rng.choice(TIMES)) for _ in range(count)]
