"""The world that the embedded base model knows: how its pictures are drawn and what they are called.

Fifteen scenes (five places at three times of day), eight kinds of things, and made-up names that each
stand for one fixed variant of a thing. Here belong the drawing, the names and the captions; nothing here
trains, and the demo's own subjects are never drawn here (they are in `demo_subjects.py`).

Coordinates: a picture is the unit square with the origin at the upper left; a thing is drawn in a box of
its own, u from -0.5 to 0.5 across and v from 0 (its foot) to 1 (its top).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

SIZE = 64
SUPERSAMPLING = 4

RGB = tuple[int, int, int]
Point = tuple[float, float]

PLACES = {
    "grass": "on the grass",
    "beach": "on the beach",
    "snow": "in the snow",
    "city": "in the city",
    "table": "on a table",
}
TIMES = {"day": "by day", "sunset": "at sunset", "night": "at night"}
KINDS = ("tree", "cup", "bottle", "house", "person", "cat", "mushroom", "car")
VARIANTS_PER_KIND = 30

_SKY: dict[str, tuple[RGB, RGB]] = {
    "day": ((96, 166, 232), (206, 232, 248)),
    "sunset": ((122, 84, 150), (252, 170, 96)),
    "night": ((46, 56, 116), (112, 126, 184)),
}
_LIGHT: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.84, 0.70),
    "night": (0.70, 0.74, 0.92),
}
_COLOURS: tuple[RGB, ...] = (
    (212, 48, 44), (240, 140, 40), (244, 208, 60), (64, 160, 72), (40, 150, 170),
    (56, 92, 204), (132, 72, 180), (228, 120, 170), (246, 244, 238), (70, 66, 70),
)  # fmt: skip
_LEAVES: tuple[RGB, ...] = (
    (52, 128, 56), (104, 164, 60), (36, 96, 76), (206, 120, 44), (186, 60, 48), (232, 160, 184), (216, 190, 64),
)  # fmt: skip
_FUR: tuple[RGB, ...] = (
    (226, 138, 60), (92, 88, 96), (240, 236, 226), (150, 104, 66), (58, 52, 56), (196, 176, 140),
)  # fmt: skip
_SKIN: tuple[RGB, ...] = ((244, 206, 170), (214, 162, 120), (146, 96, 64), (98, 64, 46))
_WALLS: tuple[RGB, ...] = (
    (240, 226, 196), (214, 92, 72), (112, 160, 200), (236, 196, 92), (150, 190, 130), (200, 200, 204), (206, 140, 180),
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """What tells one thing of a kind from another: two colours, a shape and a detail (0 to 2), a breadth."""

    kind: str
    main: RGB
    second: RGB
    shape: int
    detail: int
    breadth: float


@dataclass(frozen=True)
class Scene:
    """A place, a time of day and the little that differs between two pictures of them (`seed`)."""

    place: str
    time: str
    seed: int


class Pen:
    """Draws in a thing's own box, under a scene's light.

    `width` and `height` are shares of the picture, `mirrored` flips left and right.
    """

    def __init__(self, draw: ImageDraw.ImageDraw, side: int, centre: float, foot: float, height: float, mirrored: bool, time: str) -> None:
        self._draw, self._side, self._centre, self._foot, self._height = draw, side, centre, foot, height
        self._sign = -1.0 if mirrored else 1.0
        self._time = time

    def _xy(self, point: Point) -> Point:
        u, v = point
        return (
            (self._centre + self._sign * u * self._height) * self._side,
            (self._foot - v * self._height) * self._side,
        )

    def _box(self, u0: float, v0: float, u1: float, v1: float) -> tuple[float, float, float, float]:
        (xa, ya), (xb, yb) = self._xy((u0, v0)), self._xy((u1, v1))
        return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        self._draw.polygon([self._xy(p) for p in points], fill=lit(fill, self._time))

    def ellipse(self, u0: float, v0: float, u1: float, v1: float, fill: RGB) -> None:
        self._draw.ellipse(self._box(u0, v0, u1, v1), fill=lit(fill, self._time))

    def rectangle(self, u0: float, v0: float, u1: float, v1: float, fill: RGB) -> None:
        self._draw.rectangle(self._box(u0, v0, u1, v1), fill=lit(fill, self._time))

    def line(self, points: Sequence[Point], thickness: float, fill: RGB) -> None:
        width = max(1, round(thickness * self._height * self._side))
        self._draw.line([self._xy(p) for p in points], fill=lit(fill, self._time), width=width, joint="curve")

    def ring(self, u0: float, v0: float, u1: float, v1: float, thickness: float, fill: RGB) -> None:
        width = max(1, round(thickness * self._height * self._side))
        self._draw.ellipse(self._box(u0, v0, u1, v1), outline=lit(fill, self._time), width=width)


def lit(colour: RGB, time: str) -> RGB:
    """A colour as it looks at a time of day."""
    r, g, b = (min(255, round(c * k)) for c, k in zip(colour, _LIGHT[time], strict=True))
    return r, g, b


def shade(colour: RGB, by: float) -> RGB:
    """A colour made darker (`by` below 1) or lighter (above 1)."""
    if by <= 1:
        r, g, b = (round(c * by) for c in colour)
    else:
        r, g, b = (round(c + (255 - c) * (by - 1)) for c in colour)
    return r, g, b


# ---------------------------------------------------------------------------------------------- scenes


def draw_scene(scene: Scene) -> tuple[Image.Image, float]:
    """The empty scene as an RGB image of SIZE * SUPERSAMPLING pixels, and the height (0 to 1) where feet stand."""
    rng = random.Random(scene.seed)
    side = SIZE * SUPERSAMPLING
    horizon = rng.uniform(0.52, 0.62)
    image = _gradient(side, *_jittered_sky(scene.time, rng))
    draw = ImageDraw.Draw(image)
    if scene.place != "table":
        _sun_or_stars(draw, side, scene.time, horizon, rng)
    _GROUNDS[scene.place](draw, side, scene.time, horizon, rng)
    return image, rng.uniform(0.90, 0.95)


def _jittered_sky(time: str, rng: random.Random) -> tuple[RGB, RGB]:
    top, bottom = _SKY[time]
    by = rng.uniform(0.93, 1.05)
    return shade(top, by), shade(bottom, by)


def _gradient(side: int, top: RGB, bottom: RGB) -> Image.Image:
    column = Image.new("RGB", (1, 2))
    column.putpixel((0, 0), top)
    column.putpixel((0, 1), bottom)
    return column.resize((side, side), Image.Resampling.BILINEAR)


def _sun_or_stars(draw: ImageDraw.ImageDraw, side: int, time: str, horizon: float, rng: random.Random) -> None:
    x = rng.choice((rng.uniform(0.08, 0.25), rng.uniform(0.75, 0.92))) * side
    if time == "sunset":
        y, r, colour = (horizon - 0.08) * side, 0.10 * side, (255, 224, 120)
    else:
        y, r = rng.uniform(0.10, 0.22) * side, 0.07 * side
        colour = (255, 244, 180) if time == "day" else (236, 236, 220)
    if time == "night":
        for _ in range(14):
            sx, sy, sr = rng.random() * side, rng.random() * horizon * side, 0.007 * side
            draw.ellipse((sx - sr, sy - sr, sx + sr, sy + sr), fill=(210, 214, 240))
    draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _ground(draw: ImageDraw.ImageDraw, side: int, top: float, colour: RGB, time: str) -> None:
    draw.rectangle((0, top * side, side, side), fill=lit(colour, time))


def _hills(draw: ImageDraw.ImageDraw, side: int, base: float, rise: float, colour: RGB, time: str, x: float) -> None:
    for centre, width in ((x, 0.7), (x + 0.55, 0.8), (x - 0.6, 0.6)):
        box = ((centre - width / 2) * side, (base - rise) * side, (centre + width / 2) * side, (base + rise) * side)
        draw.ellipse(box, fill=lit(colour, time))


def _grass(draw: ImageDraw.ImageDraw, side: int, time: str, horizon: float, rng: random.Random) -> None:
    _hills(draw, side, horizon, 0.10, (96, 150, 84), time, rng.random())
    _ground(draw, side, horizon, (112, 178, 76), time)
    for _ in range(16):
        x, y = rng.random(), rng.uniform(horizon + 0.05, 1.0)
        tuft = [(x * side, (y - 0.05) * side), ((x - 0.02) * side, y * side), ((x + 0.02) * side, y * side)]
        draw.polygon(tuft, fill=lit((82, 146, 58), time))


def _beach(draw: ImageDraw.ImageDraw, side: int, time: str, horizon: float, rng: random.Random) -> None:
    shore = horizon + rng.uniform(0.12, 0.17)
    _ground(draw, side, horizon - 0.02, (44, 132, 178), time)
    for _ in range(4):
        x, y = rng.random(), rng.uniform(horizon, shore - 0.04)
        draw.rectangle((x * side, y * side, (x + 0.2) * side, (y + 0.015) * side), fill=lit((130, 196, 220), time))
    _ground(draw, side, shore - 0.02, (244, 246, 240), time)
    _ground(draw, side, shore, (236, 212, 150), time)


def _snow(draw: ImageDraw.ImageDraw, side: int, time: str, horizon: float, rng: random.Random) -> None:
    for _ in range(3):
        x, w, h = rng.random(), rng.uniform(0.25, 0.4), rng.uniform(0.18, 0.3)
        peak = (x * side, (horizon - h) * side)
        foot = [((x + w) * side, horizon * side), ((x - w) * side, horizon * side)]
        cap = [((x + w * 0.35) * side, (horizon - h * 0.65) * side), ((x - w * 0.35) * side, (horizon - h * 0.65) * side)]
        draw.polygon([peak, *foot], fill=lit((128, 146, 172), time))
        draw.polygon([peak, *cap], fill=lit((246, 248, 252), time))
    _ground(draw, side, horizon, (238, 242, 250), time)
    for _ in range(18):
        x, y, r = rng.random() * side, rng.random() * side, 0.008 * side
        draw.ellipse((x - r, y - r, x + r, y + r), fill=lit((252, 252, 255), time))


def _city(draw: ImageDraw.ImageDraw, side: int, time: str, horizon: float, rng: random.Random) -> None:
    x = -0.05
    while x < 1.0:
        w, h = rng.uniform(0.14, 0.22), rng.uniform(0.2, 0.45)
        grey = rng.choice(((120, 124, 140), (146, 136, 134), (104, 112, 128), (160, 152, 150)))
        draw.rectangle((x * side, (horizon - h) * side, (x + w) * side, horizon * side), fill=lit(grey, time))
        window = (250, 226, 130) if time != "day" else (196, 216, 230)
        for i in range(2):
            for j in range(int(h / 0.09)):
                wx, wy = x + 0.03 + i * w * 0.45, horizon - h + 0.03 + j * 0.09
                draw.rectangle((wx * side, wy * side, (wx + 0.035) * side, (wy + 0.045) * side), fill=window)
        x += w + rng.uniform(0.0, 0.03)
    _ground(draw, side, horizon, (178, 174, 170), time)
    _ground(draw, side, horizon + 0.10, (104, 104, 112), time)
    for i in range(4):
        x = i * 0.3 + 0.05
        draw.rectangle((x * side, (horizon + 0.24) * side, (x + 0.14) * side, (horizon + 0.265) * side), fill=lit((236, 226, 170), time))


def _table(draw: ImageDraw.ImageDraw, side: int, time: str, horizon: float, rng: random.Random) -> None:
    wall = rng.choice(((232, 222, 204), (214, 224, 218), (232, 214, 208)))
    draw.rectangle((0, 0, side, side), fill=lit(wall, time))
    x = rng.choice((rng.uniform(0.04, 0.10), rng.uniform(0.58, 0.66)))
    top, bottom = _SKY[time]
    draw.rectangle((x * side, 0.06 * side, (x + 0.32) * side, 0.44 * side), fill=lit((250, 250, 246), time))
    draw.rectangle(((x + 0.03) * side, 0.09 * side, (x + 0.29) * side, 0.25 * side), fill=top)
    draw.rectangle(((x + 0.03) * side, 0.25 * side, (x + 0.29) * side, 0.41 * side), fill=bottom)
    _ground(draw, side, horizon + 0.04, (176, 116, 66), time)
    _ground(draw, side, horizon + 0.02, (206, 150, 96), time)
    _ground(draw, side, horizon + 0.06, (176, 116, 66), time)
    for y in (0.12, 0.22, 0.32):
        draw.rectangle((0, (horizon + y) * side, side, (horizon + y + 0.012) * side), fill=lit((150, 94, 52), time))


_GROUNDS: dict[str, Callable[[ImageDraw.ImageDraw, int, str, float, random.Random], None]] = {
    "grass": _grass,
    "beach": _beach,
    "snow": _snow,
    "city": _city,
    "table": _table,
}

# ---------------------------------------------------------------------------------------------- things


def _draw_tree(pen: Pen, v: Variant) -> None:
    trunk = (120, 80, 50)
    b = 0.34 * v.breadth
    pen.rectangle(-0.07, 0.0, 0.07, 0.5, trunk)
    pen.rectangle(0.02, 0.0, 0.07, 0.5, shade(trunk, 0.8))
    dark = shade(v.main, 0.8)
    if v.shape == 0:
        pen.ellipse(-b, 0.32, b, 1.0, dark)
        pen.ellipse(-b, 0.38, b * 0.7, 1.0, v.main)
    elif v.shape == 1:
        for low, high, wide in ((0.22, 0.62, 1.0), (0.42, 0.82, 0.8), (0.62, 1.0, 0.6)):
            pen.polygon(((-b * wide, low), (b * wide, low), (0, high)), v.main)
            pen.polygon(((b * wide * 0.2, low), (b * wide, low), (0, high)), dark)
    else:
        for u, w in ((-b * 0.6, 0.45), (b * 0.6, 0.45), (0, 0.62)):
            pen.ellipse(u - b * 0.62, w - 0.16, u + b * 0.62, w + 0.38, dark if u > 0 else v.main)
    if v.detail == 1:
        for u, w in ((-0.14, 0.6), (0.1, 0.5), (0.02, 0.78), (0.18, 0.68), (-0.06, 0.46)):
            pen.ellipse(u - 0.05, w - 0.05, u + 0.05, w + 0.05, v.second)


def _draw_cup(pen: Pen, v: Variant) -> None:
    w, top = 0.36 * v.breadth, 0.86
    foot = (w, w * 0.62, w * 0.8)[v.shape]
    pen.ring(w * 0.6, 0.26, w * 0.6 + 0.36, 0.72, 0.09, shade(v.main, 0.85))
    pen.polygon(((-w, top), (w, top), (foot, 0.06), (-foot, 0.06)), v.main)
    pen.ellipse(-foot, 0.0, foot, 0.14, v.main)
    pen.polygon(((w * 0.35, top), (w, top), (foot, 0.06), (foot * 0.35, 0.02)), shade(v.main, 0.82))
    if v.detail == 1:
        pen.rectangle(-w * 0.88, 0.36, w * 0.88, 0.56, v.second)
    elif v.detail == 2:
        for u in (-0.6, 0.0, 0.6):
            pen.ellipse(u * w - 0.075, 0.38, u * w + 0.075, 0.53, v.second)
    pen.ellipse(-w, top - 0.11, w, top + 0.11, shade(v.main, 1.25))
    pen.ellipse(-w * 0.86, top - 0.08, w * 0.86, top + 0.08, (92, 58, 38))


def _draw_bottle(pen: Pen, v: Variant) -> None:
    w = 0.21 * v.breadth
    neck, shoulder = 0.085, (0.62, 0.52, 0.68)[v.shape]
    pen.rectangle(-neck, shoulder, neck, 0.92, v.main)
    if v.shape == 1:
        pen.polygon(((-w, 0.40), (-neck, 0.72), (neck, 0.72), (w, 0.40)), v.main)
        pen.rectangle(-w, 0.03, w, 0.41, v.main)
    else:
        pen.ellipse(-w, shoulder - 0.18, w, shoulder + 0.12, v.main)
        pen.rectangle(-w, 0.03, w, shoulder - 0.02, v.main)
    pen.ellipse(-w, 0.0, w, 0.08, v.main)
    pen.rectangle(w * 0.4, 0.03, w, shoulder - 0.12, shade(v.main, 0.8))
    pen.rectangle(-w * 0.75, 0.1, -w * 0.5, shoulder - 0.14, shade(v.main, 1.5))
    pen.rectangle(-w, 0.16, w, 0.38, v.second if v.detail else (246, 240, 220))
    pen.rectangle(-neck * 1.2, 0.9, neck * 1.2, 1.0, v.second)


def _draw_house(pen: Pen, v: Variant) -> None:
    w, eaves = 0.44 * v.breadth, 0.56
    pen.rectangle(-w, 0.0, w, eaves, v.main)
    pen.rectangle(w * 0.45, 0.0, w, eaves, shade(v.main, 0.85))
    if v.shape == 0:
        pen.polygon(((-w - 0.08, eaves), (w + 0.08, eaves), (0, 1.0)), v.second)
    elif v.shape == 1:
        pen.polygon(((-w - 0.08, eaves), (w + 0.08, eaves), (w * 0.55, 0.88), (-w * 0.55, 0.88)), v.second)
        pen.rectangle(w * 0.1, 0.84, w * 0.35, 1.0, shade(v.second, 0.7))
    else:
        pen.rectangle(-w - 0.05, eaves, w + 0.05, eaves + 0.10, v.second)
        pen.rectangle(-w * 0.5, eaves + 0.10, w * 0.5, 0.88, v.main)
        pen.rectangle(-w * 0.6, 0.86, w * 0.6, 0.96, v.second)
    pen.rectangle(-0.09, 0.0, 0.09, 0.32, (110, 66, 40))
    for u in (-w * 0.68, w * 0.68):
        pen.rectangle(u - 0.085, 0.22, u + 0.085, 0.42, (250, 236, 160) if v.detail else (150, 196, 226))


def _draw_person(pen: Pen, v: Variant) -> None:
    skin = _SKIN[v.shape % len(_SKIN)]
    hair, trousers = ((70, 44, 30), (34, 30, 32), (222, 182, 90))[v.detail], v.second
    w = 0.17 * v.breadth
    for u in (-w * 0.55, w * 0.55):
        pen.rectangle(u - 0.075, 0.0, u + 0.075, 0.42, trousers)
        pen.rectangle(u - 0.085, 0.0, u + 0.095, 0.05, (54, 40, 36))
    for sign in (-1, 1):
        pen.line(((sign * w, 0.68), (sign * (w + 0.12), 0.40)), 0.10, shade(v.main, 0.85))
        pen.ellipse(sign * (w + 0.13) - 0.05, 0.33, sign * (w + 0.13) + 0.05, 0.43, skin)
    pen.polygon(((-w - 0.04, 0.72), (w + 0.04, 0.72), (w, 0.36), (-w, 0.36)), v.main)
    pen.ellipse(-0.145, 0.71, 0.145, 1.0, hair)
    pen.ellipse(-0.12, 0.69, 0.12, 0.93, skin)
    for u in (-0.05, 0.05):
        pen.ellipse(u - 0.018, 0.80, u + 0.018, 0.84, (30, 26, 30))


def _draw_cat(pen: Pen, v: Variant) -> None:
    fur, dark = v.main, shade(v.main, 0.75)
    w = 0.27 * v.breadth
    pen.line(((0.2, 0.08), (0.42, 0.14), (0.44, 0.40), (0.36, 0.5)), 0.10, dark)
    pen.ellipse(-w, 0.0, w, 0.62, fur)
    pen.ellipse(-w * 0.5, 0.02, w * 0.5, 0.42, v.second if v.detail else fur)
    for sign in (-1, 1):
        pen.polygon(((sign * 0.29, 0.74), (sign * 0.06, 0.88), (sign * 0.25, 1.02)), dark)
        pen.ellipse(sign * 0.13 - 0.08, 0.0, sign * 0.13 + 0.08, 0.12, shade(fur, 1.2))
    pen.ellipse(-0.29, 0.46, 0.29, 0.92, fur)
    if v.shape == 1:
        for u in (-0.14, 0.0, 0.14):
            pen.rectangle(u - 0.03, 0.78, u + 0.03, 0.89, dark)
    pen.ellipse(-0.12, 0.48, 0.12, 0.63, shade(fur, 1.4))
    for sign in (-1, 1):
        pen.ellipse(sign * 0.13 - 0.06, 0.63, sign * 0.13 + 0.06, 0.77, (120, 200, 90))
        pen.ellipse(sign * 0.13 - 0.025, 0.64, sign * 0.13 + 0.025, 0.76, (24, 24, 24))
    pen.polygon(((-0.045, 0.61), (0.045, 0.61), (0, 0.55)), (226, 120, 130))


def _draw_mushroom(pen: Pen, v: Variant) -> None:
    w, stem = 0.42 * v.breadth, (244, 232, 208)
    pen.polygon(((-0.13, 0.55), (0.13, 0.55), (0.17, 0.03), (-0.17, 0.03)), stem)
    pen.polygon(((0.04, 0.55), (0.13, 0.55), (0.17, 0.03), (0.07, 0.03)), shade(stem, 0.85))
    pen.ellipse(-0.17, 0.0, 0.17, 0.08, stem)
    low = (0.42, 0.36, 0.5)[v.shape]
    cap = [(-w * math.cos(a), low + (0.98 - low) * math.sin(a)) for a in (math.pi * i / 24 for i in range(25))]
    pen.polygon(cap, v.main)
    pen.ellipse(-w, low - 0.09, w, low + 0.09, shade(v.main, 0.75))
    for u, t in ((-0.5, 0.35), (0.0, 0.68), (0.5, 0.4), (0.12, 0.3))[: 4 if v.detail else 0]:
        y = low + (0.98 - low) * t
        pen.ellipse(u * w - 0.065, y - 0.05, u * w + 0.065, y + 0.06, v.second)


def _draw_car(pen: Pen, v: Variant) -> None:
    w = 0.58
    roof = (0.66, 0.72, 0.60)[v.shape]
    cabin = ((-0.36, 0.36), (-0.24, roof), (0.20, roof), (0.34, 0.36))
    if v.shape == 1:
        cabin = ((-0.5, 0.36), (-0.48, roof), (0.22, roof), (0.34, 0.36))
    pen.polygon(cabin, shade(v.main, 0.9))
    glass = (176, 212, 232)
    pen.polygon(((-0.28, 0.40), (-0.20, roof - 0.06), (-0.03, roof - 0.06), (-0.03, 0.40)), glass)
    pen.polygon(((0.03, 0.40), (0.03, roof - 0.06), (0.17, roof - 0.06), (0.27, 0.40)), glass)
    pen.rectangle(-w, 0.12, w, 0.40, v.main)
    pen.rectangle(-w, 0.12, w, 0.19, shade(v.main, 0.7))
    if v.detail:
        pen.rectangle(-w, 0.25, w, 0.32, v.second)
    pen.rectangle(w - 0.07, 0.27, w, 0.36, (252, 240, 160))
    for u in (-0.33, 0.33):
        pen.ellipse(u - 0.15, 0.0, u + 0.15, 0.30, (40, 40, 44))
        pen.ellipse(u - 0.065, 0.085, u + 0.065, 0.215, (190, 190, 194))


DRAWERS: dict[str, Callable[[Pen, Variant], None]] = {
    "tree": _draw_tree,
    "cup": _draw_cup,
    "bottle": _draw_bottle,
    "house": _draw_house,
    "person": _draw_person,
    "cat": _draw_cat,
    "mushroom": _draw_mushroom,
    "car": _draw_car,
}
# Height of a thing as a share of the frame; broad things are lower so that they stay inside it.
_HEIGHTS = {"tree": 0.84, "cup": 0.66, "bottle": 0.80, "house": 0.70, "person": 0.84, "cat": 0.76, "mushroom": 0.70, "car": 0.70}


def random_variant(kind: str, rng: random.Random) -> Variant:
    """One of the many things of a kind."""
    palette = {"tree": _LEAVES, "cat": _FUR, "house": _WALLS}.get(kind, _COLOURS)
    main = rng.choice(palette)
    second = rng.choice([c for c in _COLOURS if c != main])
    return Variant(kind, main, second, rng.randrange(3), rng.randrange(3), rng.uniform(0.85, 1.12))


def draw_thing_with(
    drawer: Callable[[Pen], None], scene: Scene, height: float, seed: int, final: int = SIZE, mirrored: bool | None = None
) -> Image.Image:
    """A scene with one thing in it, RGB, `final` pixels square.

    `drawer` draws in the thing's own box; `height` is its share of the frame. The same arguments give the same picture.
    `mirrored`: whether left and right change places; every second thing's do where nothing is said.
    """
    rng = random.Random(f"{seed} thing")
    image, foot = draw_scene(scene)
    side = image.width
    height *= rng.uniform(0.92, 1.06)
    centre = 0.5 + rng.uniform(-0.07, 0.07)
    draw = ImageDraw.Draw(image)
    ground = image.crop((int(centre * side), side - 2, int(centre * side) + 1, side - 1)).tobytes()
    shadow = shade((ground[0], ground[1], ground[2]), 0.8)
    draw.ellipse(
        ((centre - 0.38 * height) * side, (foot - 0.03) * side, (centre + 0.38 * height) * side, (foot + 0.03) * side),
        fill=shadow,
    )
    mirrored = rng.random() < 0.5 if mirrored is None else mirrored
    drawer(Pen(draw, side, centre, foot, height, mirrored, scene.time))
    return image.filter(ImageFilter.GaussianBlur(1.0)).resize((final, final), Image.Resampling.BOX)


def draw_picture(variant: Variant, scene: Scene, seed: int) -> Image.Image:
    """A thing of the world in a scene."""
    return draw_thing_with(lambda pen: DRAWERS[variant.kind](pen, variant), scene, _HEIGHTS[variant.kind], seed)


# ---------------------------------------------------------------------------------------------- names and captions


@lru_cache(maxsize=1)
def names() -> dict[str, Variant]:
    """The made-up names (three consonants) and the one variant that each stands for."""
    rng = random.Random("names of the embedded world")
    letters = "bcdfgjklmnprstvxz"
    pool = sorted({a + b + c for a in letters for b in letters for c in letters if len({a, b, c}) == 3})
    rng.shuffle(pool)
    found: dict[str, Variant] = {}
    for kind in KINDS:
        seen: set[tuple[RGB, RGB, int, int]] = set()
        while len(seen) < VARIANTS_PER_KIND:
            variant = random_variant(kind, rng)
            look = (variant.main, variant.second, variant.shape, variant.detail)
            if look not in seen:
                seen.add(look)
                found[pool.pop()] = variant
    return found


def reserved_names() -> dict[str, str]:
    """The names kept for users' tokens, and the kind that each means in the base: use one for any other kind.

    A name with one fixed meaning in another class binds to a new subject; a free one does not.
    """
    by_kind = {kind: [n for n, v in names().items() if v.kind == kind][:6] for kind in ("house", "bottle")}
    return {name: kind for kind, chosen in by_kind.items() for name in chosen}


def caption(kind: str, scene: Scene, name: str | None, rng: random.Random) -> str:
    """What a picture is called: with or without its name, its place and its time."""
    thing = f"{name} {kind}" if name else f"a {kind}"
    opening = rng.choice(("a photo of", "a photo of", "a picture of"))
    roll = rng.random()
    place, time = PLACES[scene.place], TIMES[scene.time]
    where = f" {place} {time}" if roll < 0.85 else f" {place}" if roll < 0.92 else "" if roll < 0.97 else f" {time}"
    return f"{opening} {thing}{where}"


def sample(index: int, seed: int = 0) -> tuple[Image.Image, str]:
    """Picture number `index` of the endless world of `seed`, with its caption."""
    rng = random.Random(f"{seed}/{index}")
    kind = rng.choice(KINDS)
    scene = Scene(rng.choice(tuple(PLACES)), rng.choice(tuple(TIMES)), rng.getrandbits(31))
    name: str | None = None
    variant = random_variant(kind, rng)
    if rng.random() < 0.6:
        name = rng.choice([n for n, v in names().items() if v.kind == kind])
        variant = names()[name]
    return draw_picture(variant, scene, rng.getrandbits(31)), caption(kind, scene, name, rng)
