"""Masks of the images that stay: which pixels are the subject, from a person's file, an image's own transparency, a plain backdrop, or a
model.

They are 8-bit PNGs of the written picture's size, white where the subject is. A mask of nothing or of everything says nothing: it is
reported, and not taken. What training makes of masks is in `training/`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from gaucho_pipeline.concepts.masks import MaskSources
from gaucho_pipeline.curation.grounds import find_ground
from gaucho_pipeline.curation.reading import in_children, read_blob
from gaucho_pipeline.curation.writing import picture_name
from gaucho_pipeline.errors import _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.filters.boxes import Box
from gaucho_pipeline.images.decoding import BadImage, decode, decode_alpha, png_bytes
from gaucho_pipeline.images.files import images_of
from gaucho_pipeline.stage.reporter import Reporter

MIN_SHARE, MAX_SHARE = 0.005, 0.98
"""Share of the picture that a mask shows: with less or more it says nothing."""
_AGREE = 0.5
"""Two masks of one image whose common part is less than this of both together contradict one another."""
_SHAPES_ALIKE = 0.02
_DIGITS = 16


@dataclass(frozen=True)
class ImageMask:
    """A mask that was written."""

    by: str
    """folder, alpha, backdrop or segmenter."""
    share: float
    """Of the picture that is the subject, 0 to 1."""
    sha256: str
    """Of its PNG."""


@dataclass(frozen=True)
class MaskTask:
    """What is masked: an image's file, what of it was written where, and the mask that a person made."""

    source: str
    picture: str
    target: str
    box: Box
    alpha: bool
    backdrop: bool
    own: str
    """The file of a person's mask; empty for none."""
    answer: str
    """The mask of the whole image that a model made, a PNG in base64; empty for none."""


@dataclass(frozen=True)
class MaskInputs:
    """What is known of the images that are masked, by SHA-256."""

    boxes: Mapping[str, Box]
    """What of each image was written."""
    names: Mapping[str, str]
    """What each is called where it comes from."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Masks by a model: PNGs in base64."""


def write_masks(
    images: Sequence[str],
    inputs: MaskInputs,
    path_of: Callable[[str], Path],
    staging: Path,
    sources: MaskSources,
    reporter: Reporter,
) -> dict[str, ImageMask]:
    """Writes masks/ below `staging`, of those of the written images that have one; what is wrong with masks is reported."""
    names = inputs.names
    (staging / "masks").mkdir(exist_ok=True)
    own, found = _by_name(sources.folder), dict[str, ImageMask]()
    progress = reporter.progress("masking", len(images), "images")

    def task(sha: str) -> str:
        name = picture_name(sha)
        mask = own.get(sha[:_DIGITS]) or own.get(_stem(names[sha])) or ""
        places = (str(path_of(sha)), str(staging / "images" / name), str(staging / "masks" / name))
        return json.dumps([*places, inputs.boxes[sha], sources.alpha, sources.backdrop, str(mask), inputs.answers.get(sha, "")])

    for sha, outcome in in_children(_mask, ((sha, task(sha)) for sha in images)):
        progress.advance()
        if isinstance(outcome, BadImage):
            reporter.info(_("mask of {name}: {reason}", name=names[sha], reason=outcome.detail))
            continue
        mask, notes = outcome
        for note in notes:
            reporter.info(_("mask of {name}: {note}", name=names[sha], note=note))
        if mask:
            found[sha] = mask
    return found


def _by_name(folder: Path | None) -> dict[str, Path]:
    """The masks of a folder, by the name of their image without its ending."""
    return {_stem(file.path.name): file.path for file in images_of(folder)} if folder else {}


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem.casefold()


def _mask(task: str) -> tuple[ImageMask | None, list[str]] | BadImage:
    """Runs in a child: the first mask that an image has, and what is to be said of those that it has."""
    given = MaskTask(*json.loads(task))
    try:
        content = read_blob(given.source)
        with Image.open(given.picture) as picture:
            size = picture.size
        candidates, notes = _candidates(given, content, size)
    except (BadImage, OSError) as error:
        return error if isinstance(error, BadImage) else BadImage("unreadable", str(error))
    if len(candidates) > 1 and _overlap(*list(candidates.values())[:2]) < _AGREE:
        first, second = list(candidates)[:2]
        notes.append(f"{first} and {second} contradict one another; {first} is taken")
    for by, mask in candidates.items():
        share = float(mask.mean()) / 255
        if not MIN_SHARE <= share <= MAX_SHARE:
            notes.append(f"{by}: it shows {'nothing' if share < MIN_SHARE else 'everything'}, and is not taken")
            continue
        png = png_bytes(Image.fromarray(mask))
        write_atomically(Path(given.target), png)
        return ImageMask(by, round(share, 4), hashlib.sha256(png).hexdigest()), notes
    return None, notes


def _candidates(given: MaskTask, content: bytes, size: tuple[int, int]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The masks that an image has, by where they are from, in the size of the written picture; and what is wrong with the others."""
    found, notes = dict[str, np.ndarray](), list[str]()
    image = decode(content)
    if given.own:
        try:
            own = decode(Path(given.own).read_bytes()).convert("L")
        except (BadImage, OSError) as error:
            notes.append(f"{Path(given.own).name} cannot be read: {error}")
        else:
            if _is_alike(own.size, size):
                found["folder"] = _sized(own, size)
            elif _is_alike(own.size, image.size):
                found["folder"] = _sized(_cut(own, given.box), size)
            else:
                shapes = [f"{width} × {height}" for width, height in (own.size, image.size)]
                notes.append(f"{Path(given.own).name} is {shapes[0]}, and the image {shapes[1]}: another shape, and not taken")
    if given.alpha and (alpha := decode_alpha(content)) is not None:
        found["alpha"] = _sized(_cut(alpha, given.box), size)
    if given.backdrop and not found and (ground := find_ground(np.asarray(image))) and ground.kind == "backdrop":
        found["backdrop"] = _sized(_cut(Image.fromarray(ground.shown.astype(np.uint8) * 255), given.box), size)
    if given.answer:  # which is asked for only where there is no other
        found["segmenter"] = _sized(_cut(decode(base64.b64decode(given.answer)).convert("L"), given.box), size)
    return found, notes


def _is_alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two pictures have one shape, whatever their sizes."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _SHAPES_ALIKE


def _cut(mask: Image.Image, box: Box) -> Image.Image:
    left, top, right, bottom = box
    return mask.crop((round(left * mask.width), round(top * mask.height), round(right * mask.width), round(bottom * mask.height)))


def _sized(mask: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(mask.convert("L").resize(size, Image.Resampling.BOX if mask.width > size[0] else Image.Resampling.BILINEAR))


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """What two masks have in common, as a share of both together."""
    both, either = np.minimum(one, other).sum(dtype=np.float64), np.maximum(one, other).sum(dtype=np.float64)
    return float(both / either) if either else 1.0
