"""Draws a sheet of the embedded model's pictures: `python -m gaucho_pipeline.models.sheet FILE.png`.

The first row for each kind is drawn with the plain noun; then names known to the base, each beside the thing that it stands for.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import torch
from PIL import Image

from gaucho_pipeline.embedded import pen, scenery, world
from gaucho_pipeline.models import base_models

_CELL = 128
SETTINGS = [(place, time) for place in scenery.PLACES for time in pen.TIMES]


def prompts_of_the_sheet(rows: int, seed: int = 11) -> list[list[str]]:
    """`rows` rows of a prompt for each kind, in settings drawn from a seed."""
    rng = random.Random(seed)
    settings = [[rng.choice(SETTINGS) for _ in world.KINDS] for _ in range(rows)]
    return [
        [f"a photo of a {kind} {scenery.PLACES[place]} {pen.TIMES[time]}" for kind, (place, time) in zip(world.KINDS, row, strict=True)]
        for row in settings
    ]


def known_names() -> list[str]:
    """For each kind the last of its names."""
    return [[name for name, v in world.names().items() if v.kind == kind][-1] for kind in world.KINDS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    base = base_models.load("embedded", None, torch.device("cpu"))

    def drawn(prompts: list[str], seed: int) -> list[Image.Image]:
        return base.family.generate(prompts, "", 25, 4.0, [seed + i for i in range(len(prompts))], base.resolution)

    rows = [drawn(prompts, 100 * number) for number, prompts in enumerate(prompts_of_the_sheet(3))]
    names = known_names()
    rows.append([world.draw_picture(world.names()[n], pen.Scene("grass", "day", i), i) for i, n in enumerate(names)])
    for seed in (500, 600):
        rows.append(drawn([f"a photo of {n} {world.names()[n].kind} on the grass by day" for n in names], seed))
    sheet = Image.new("RGB", (_CELL * len(world.KINDS), _CELL * len(rows)))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture.resize((_CELL, _CELL), Image.Resampling.BICUBIC), (x * _CELL, y * _CELL))
    sheet.save(args.file)


if __name__ == "__main__":
    main()
