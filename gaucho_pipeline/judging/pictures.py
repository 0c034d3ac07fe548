"""The pictures of a panel: real images, what the tuned and the base model drew, look-alikes and controls, all brought to one shape.

Nothing but what a picture shows may tell what it is: all are squares of the same side, JPEGs of the same quality without metadata, and
files of the same length.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from gaucho_pipeline.assets.rows import Picture, TrainImage, read_rows
from gaucho_pipeline.images.controls import shuffled
from gaucho_pipeline.images.decoding import jpeg_bytes, read_image, square
from gaucho_pipeline.judging.composing import new_id
from gaucho_pipeline.judging.panel import Kind, PanelPicture

MAX_SIDE, _QUALITY = 512, 88
_MAX_OF_A_KIND = 60


class Candidate(NamedTuple):
    """A picture that may be shown, and how it is read."""

    picture: PanelPicture
    read: Callable[[], Image.Image]


@dataclass(frozen=True)
class PanelSources:
    """What a panel is composed from."""

    gallery: Path
    """The folder of the sample gallery."""
    curated: Path
    """The folder of the curated set."""
    unfollowed: Sequence[str] = ()
    """Prompts that the base model does not follow: nobody is asked about these."""
    look_alikes: Sequence[Path] = ()
    """Images of what might be taken for the concept; none: what the base model draws of the class noun."""
    is_style: bool = False
    """Whether the concept is a style, which an image has whatever the order of its tiles."""


def real_images(sources: PanelSources) -> list[TrainImage]:
    """The real images that people may be shown."""
    return read_rows(sources.curated / "images.jsonl", TrainImage)[:_MAX_OF_A_KIND]


def candidates(sources: PanelSources, chance: random.Random) -> dict[Kind, list[Candidate]]:
    """The pictures by kind, each with a new id."""
    rows = [row for row in read_rows(sources.gallery / "pictures.jsonl", Picture) if row.prompt not in sources.unfollowed]
    drawn = {kind: [row for row in rows if row.kind == kind] for kind in ("concept", "class")}
    real = [sources.curated / row.file for row in real_images(sources)]
    without = [sources.gallery / row.file for row in drawn["class"] or rows if row.model == "base"] if sources.is_style else real
    found: dict[Kind, list[Candidate]] = {
        "real": [Candidate(PanelPicture(id=new_id(chance), kind="real"), partial(read_image, path)) for path in real],
        "control": [
            Candidate(PanelPicture(id=new_id(chance), kind="control"), partial(_control, path, number))
            for number, path in enumerate(without)
        ],
    }
    for row in drawn["concept"]:
        found.setdefault(row.model, []).append(_generated(sources.gallery, row, row.model, chance))
    if sources.look_alikes:
        paths = sources.look_alikes[:_MAX_OF_A_KIND]
        found["look_alike"] = [Candidate(PanelPicture(id=new_id(chance), kind="look_alike"), partial(read_image, path)) for path in paths]
    else:
        found["look_alike"] = [_generated(sources.gallery, row, "look_alike", chance) for row in drawn["class"] if row.model == "base"]
    return found


def _generated(gallery: Path, row: Picture, kind: Kind, chance: random.Random) -> Candidate:
    def read() -> Image.Image:
        picture = read_image(gallery / row.file)
        return picture.crop((0, 0, picture.width, min(picture.height, row.height)))  # without the label below it

    return Candidate(PanelPicture(id=new_id(chance), kind=kind, prompt=row.written or row.prompt, seed=row.seed), read)


def _control(path: Path, number: int) -> Image.Image:
    return shuffled(read_image(path), number)


def side_of(sources: PanelSources) -> int:
    """The side that all pictures are brought to: that of the generated ones, so that no sharpness tells which is which."""
    return min([MAX_SIDE, *(row.height for row in read_rows(sources.gallery / "pictures.jsonl", Picture))])


def encoded(images: Sequence[Image.Image], side: int) -> list[bytes]:
    """The pictures as JPEGs of one shape and one length: what is shorter is followed by bytes at random, which no decoder reads."""
    files = [jpeg_bytes(square(image.convert("RGB"), side), _QUALITY) for image in images]
    longest = max(map(len, files), default=0)
    return [file + os.urandom(longest - len(file)) for file in files]
