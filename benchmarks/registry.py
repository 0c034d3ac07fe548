"""How often a published picture is found again that was altered, and how often another is taken for one.

`python benchmarks/registry.py [FOLDER]`: of 120 pictures in a registry each is altered as the web does; then 10,000 others are looked up.
FOLDER holds the real photographs to make pictures of; without it drawn pictures serve. The last line is the figures as JSON.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from originals import FOLDER, originals
from PIL import Image, ImageDraw, ImageOps

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.publishing.registry import look_up, make_registry

PUBLISHED, OTHERS, SIDE = 120, 10_000, 512
SEED = 7


def _jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _cropped(picture: Image.Image, share: float, draws: random.Random) -> Image.Image:
    """With so much of each side cut off, at any place."""
    width, height = round(picture.width * (1 - share)), round(picture.height * (1 - share))
    left, top = draws.randint(0, picture.width - width), draws.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def _screenshot(picture: Image.Image, draws: random.Random) -> Image.Image:
    """On a telephone: the picture between bars with signs, saved with loss."""
    scale = draws.uniform(0.5, 1.4)
    small = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    shot = Image.new("RGB", (small.width, round(small.height * 1.6)), "#111" if draws.random() < 0.5 else "#fafafa")
    shot.paste(small, (0, round(small.height * 0.3)))
    ImageDraw.Draw(shot).text((8, 8), "12:41", fill="#888")
    return _jpeg(shot, 85)


ALTERATIONS: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "as it was": lambda picture, draws: picture,
    "JPEG 50": lambda picture, draws: _jpeg(picture, 50),
    "half size": lambda picture, draws: picture.resize((picture.width // 2, picture.height // 2)),
    "mirrored": lambda picture, draws: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "10 % cut off": lambda picture, draws: _cropped(picture, 0.1, draws),
    "25 % cut off": lambda picture, draws: _cropped(picture, 0.25, draws),
    "screenshot": _screenshot,
}


def main() -> None:
    draws = random.Random(SEED)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    pictures = [ImageOps.fit(picture.convert("RGB"), (SIDE, SIDE)) for picture in originals(SIDE, folder)]  # as models draw them
    draws.shuffle(pictures)
    published, rest = pictures[:PUBLISHED], pictures[PUBLISHED:]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "c" / "pictures").mkdir(parents=True)
        for number, picture in enumerate(published):
            picture.save(folder / "c" / "pictures" / f"{number:04d}.png")
        make_registry(folder, ["c"])
        registry = [folder / "registry.json"]
        for what, alter in ALTERATIONS.items():
            right = wrong = 0
            for number, picture in enumerate(published):
                seen = look_up(alter(picture, draws), registry)
                right += seen is not None and seen.entry.file.endswith(f"{number:04d}.png")
                wrong += seen is not None and not seen.entry.file.endswith(f"{number:04d}.png")
            found[what] = right / len(published)
            print(f"{what:<14} found {right} of {len(published)}, taken for another {wrong}", flush=True)
        false = 0
        for number in range(OTHERS):
            other = (
                rest[number % len(rest)]
                if rest and number < 4 * len(rest)
                else draw_subject(draws.choice(["araucaria", "chimarrao"]), number, side=128)
            )
            false += look_up(_cropped(other, draws.uniform(0, 0.3), draws) if number >= len(rest) else other, registry) is not None
    print(f"of {OTHERS} others {false} were taken for one of {len(published)}")
    print(json.dumps({"found": found, "published": len(published), "others": OTHERS, "taken_for_one": false}))


if __name__ == "__main__":
    main()
