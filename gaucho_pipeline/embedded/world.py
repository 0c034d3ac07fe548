"""The world that the embedded base model knows: how its pictures are drawn and what they are called.

Fifteen scenes (five places at three times of day), eight kinds of things, and made-up names that each
stand for one fixed variant of a thing. Here belong the drawing, the names and the captions; nothing here
trains, and the demo's own subjects are never drawn here (they are in `demo/subjects.py`).

Coordinates: a picture is the unit square with the origin at the upper left; a thing is drawn in a box of
its own, u from -0.5 to 0.5 across and v from 0 (its foot) to 1 (its top).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

from gaucho_pipeline.embedded.pen import RGB, SIZE, TIMES, Pen, Scene, Variant, shade
from gaucho_pipeline.embedded.scenery import PLACES, draw_scene
from gaucho_pipeline.embedded.things import DRAWERS

KINDS = ("tree", "cup", "bottle", "house", "person", "cat", "mushroom", "car")
VARIANTS_PER_KIND = 30

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
_WALLS: tuple[RGB, ...] = (
    (240, 226, 196), (214, 92, 72), (112, 160, 200), (236, 196, 92), (150, 190, 130), (200, 200, 204), (206, 140, 180),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------- scenes


# ---------------------------------------------------------------------------------------------- things


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
