"""The places of the drawn world, and the sky above them. What is in them is in `things.py`."""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from gaucho_pipeline.embedded.pen import _SKY, RGB, SIZE, SUPERSAMPLING, Scene, lit, shade

PLACES = {
    "grass": "on the grass",
    "beach": "on the beach",
    "snow": "in the snow",
    "city": "in the city",
    "table": "on a table",
}


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
