"""What the loop learns from: the curated images split, encoded once, and drawn by step number.

Every draw is a pure function of the seed and the example's number, so a run that was killed goes on as if it had not been, and how a step
is divided among micro-batches changes nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageOps

from gaucho_pipeline.assets.rows import TrainImage
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families.base import Conditioning, Family
from gaucho_pipeline.images.decoding import to_tensor
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.training.posteriors import MaskedViews, Posterior, PosteriorCache, Size, SizedViews

MAX_ASPECT = 2.0
"""The longer side of a bucket over the shorter one, at most: what is longer still is cut."""
_MIN_PIXELS = 0.75
"""The pixels of a bucket, as a share of the square's, at least."""
_CUT = 0.85
"""The smallest part of a side that a random cut shows."""


def split(rows: Sequence[TrainImage], validation_fraction: float, seed: int) -> tuple[list[TrainImage], list[TrainImage]]:
    """Images to train on and images to validate with; which is which depends on the seed and the image alone.

    At least one of each, and images of one scene on one side, where there are two scenes. Raises GauchoError with fewer than two images.
    """
    if len(rows) < 2:
        raise GauchoError(_("training needs at least two images: one to learn from and one to measure with"))
    ordered = sorted(rows, key=lambda row: hashlib.sha256(f"{seed} {row.pixels}".encode()).digest())
    count = min(max(1, round(validation_fraction * len(rows))), len(rows) - 1)
    scenes: dict[str, list[TrainImage]] = {}
    for row in ordered:
        scenes.setdefault(row.scene or row.pixels, []).append(row)
    validation: list[TrainImage] = []
    for scene in scenes.values():
        if len(validation) + len(scene) <= count:
            validation += scene
    if not validation and len(scenes) > 1:
        validation = min(scenes.values(), key=len)
    validation = validation or ordered[:count]
    names = {row.sha256 for row in validation}
    return [row for row in ordered if row.sha256 not in names], validation


# ---------------------------------------------------------------------------------------------- encoded once, and kept


@dataclass(frozen=True)
class ImageSet:
    """Images that are learned from: for each its name, its caption and its views, one of which is drawn each time."""

    names: Sequence[str]
    captions: Sequence[str]
    views: Sequence[Sequence[Posterior]]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Member:
    """A concept that is learned, alone or with others: what it is called, and which of the training's images are its own."""

    words: ConceptWords
    train: range
    validation: range
    weight: float = 1.0
    """How often it is shown, beside the others'."""


@dataclass(frozen=True)
class Encoded:
    """All that a training needs of images and prompts; the VAE and the text encoders may leave memory then."""

    train: ImageSet
    validation: Sequence[Posterior]
    conditionings: dict[str, Conditioning]
    members: Sequence[Member]
    """The concepts that are learned: one, or those of a collection."""
    class_images: ImageSet | None = None
    """For `prior: class_images`."""


def bucket_of(width: int, height: int, resolution: int, multiple: int) -> tuple[int, int]:
    """Width and height in pixels at which a picture is learned from.

    The square of `resolution`, or multiples of `multiple` whose product is at most that, at most MAX_ASPECT long: whatever is nearest
    to the picture's shape.
    """
    sides = range(multiple, int(resolution * MAX_ASPECT) + 1, multiple)
    wide = [(side, max(other for other in sides if side * other <= resolution**2)) for side in sides if side * multiple <= resolution**2]
    tall = [(height, width) for width, height in wide]
    shaped = [(resolution, resolution), *(size for size in wide + tall if _is_allowed(size, resolution))]
    return min(shaped, key=lambda size: (round(abs(math.log(size[0] / size[1] * height / width)), 6), -size[0] * size[1]))


def _is_allowed(size: tuple[int, int], resolution: int) -> bool:
    return max(size) <= MAX_ASPECT * min(size) and size[0] * size[1] >= _MIN_PIXELS * resolution**2


class View(NamedTuple):
    """How a view of a picture is cut: what of the picture it shows, in its own pixels, and at which size."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom: a cut, or the whole picture. What does not fit the size's shape is left out on both sides."""
    size: tuple[int, int]
    """Width and height, in pixels."""
    is_mirrored: bool

    def of(self, picture: Image.Image) -> Image.Image:
        """The view itself."""
        left, top, right, bottom = (round(side) for side in self.box)
        part = picture if (left, top, right, bottom) == (0, 0, *picture.size) else picture.crop((left, top, right, bottom))
        view = ImageOps.fit(part, self.size, Image.Resampling.LANCZOS)
        return ImageOps.mirror(view) if self.is_mirrored else view

    def mask_of(self, mask: Image.Image, latents: tuple[int, int]) -> torch.Tensor:
        """How much of each latent of the view is the subject, 0 to 1, (height, width): by area. `latents`: their height and width.

        `mask`: of the whole picture, in its size.
        """
        left, top, right, bottom = (round(side) for side in self.box)
        view = ImageOps.fit(mask.crop((left, top, right, bottom)), self.size, Image.Resampling.BOX)
        view = ImageOps.mirror(view) if self.is_mirrored else view
        values = to_tensor(view.convert("RGB"))[:1, None] / 2 + 0.5
        return torch.nn.functional.adaptive_avg_pool2d(values[0], latents)[0]

    def conditioning(self, width: int, height: int) -> Size:
        """What SDXL is told of it (arXiv 2307.01952, 2.2), of a picture of this size."""
        left, top, right, bottom = self.box
        scale = max(self.size[0] / (right - left), self.size[1] / (bottom - top))
        x, y = left * scale + ((right - left) * scale - self.size[0]) / 2, top * scale + ((bottom - top) * scale - self.size[1]) / 2
        x = width * scale - x - self.size[0] if self.is_mirrored else x
        return height, width, max(0, round(y)), max(0, round(x)), self.size[1], self.size[0]


def views_of(size: tuple[int, int], name: str, spec: TrainingSpec, resolution: int, multiple: int) -> list[View]:
    """The views of a picture that are learned from: whole, cut at places that its name decides; each mirrored, too, if so asked.

    `size`: width and height of the picture. One that is smaller than a resolution is learned from at its own, unless `upscale` is set.
    """
    found = []
    for side in (resolution, *spec.further_resolutions):
        taken = _shown_at(size, spec, side, multiple)
        for crop in range(spec.crops):
            view = View(_cut(size, name, crop) if crop else (0, 0, *size), taken, False)
            found += [view, view._replace(is_mirrored=True)] if spec.random_flip else [view]
    return found


def _shown_at(size: tuple[int, int], spec: TrainingSpec, resolution: int, multiple: int) -> tuple[int, int]:
    """Width and height at which a picture is learned from."""
    while True:
        taken = bucket_of(*size, resolution, multiple) if spec.aspect_buckets else (resolution, resolution)
        smaller = (resolution - 1) // multiple * multiple
        if spec.upscale or not is_enlarged(size, taken) or smaller < multiple:
            return taken
        resolution = smaller


def is_enlarged(size: tuple[int, int], taken: tuple[int, int]) -> bool:
    """Whether a picture of one size is made larger to be learned from at another."""
    return taken[0] > size[0] or taken[1] > size[1]


def _cut(size: tuple[int, int], name: str, number: int) -> tuple[float, float, float, float]:
    width, height = size
    part, left, top = torch.rand(3, generator=_generator(f"crop {name} {number}")).tolist()
    part = _CUT + (1 - _CUT) * part
    x, y = left * (1 - part) * width, top * (1 - part) * height
    return round(x), round(y), round(x + part * width), round(y + part * height)


def encode_files(
    family: Family,
    files: Mapping[Path, str],
    spec: TrainingSpec,
    resolution: int,
    cache: PosteriorCache,
    advance: Callable[[], None] = lambda: None,
    masks: Mapping[Path, Path] = MappingProxyType({}),
) -> list[Sequence[Posterior]]:
    """The views of each image, encoded unless the cache has them; `files` gives the hash of each one's pixels, `masks` its mask.

    Raises GauchoError if an image or a mask cannot be read, or has no finite latents.
    """
    found = list[Sequence[Posterior]]()
    for file, pixels in files.items():
        try:
            with Image.open(file) as image:
                cuts = views_of(image.size, pixels, spec, resolution, family.bucket_multiple)
                shape = _shape(image.size, cuts, spec, resolution, family)
                views = cache.get(pixels, shape)
                if views is None:
                    picture = image.convert("RGB")
                    views = cache.put(pixels, shape, [encode_picture(family, cut.of(picture), file.name) for cut in cuts])
                sizes = [cut.conditioning(*image.size) for cut in cuts]
            if file in masks:
                views = _masked(views, cuts, masks[file])
        except OSError as error:
            raise GauchoError(
                _("{file}: cannot be read ({error}); make it again: gaucho run --select curated_set --force", file=file, error=error)
            ) from None
        found.append(SizedViews(views, sizes) if family.reads_sizes else views)
        advance()
    return found


def _masked(views: Sequence[Posterior], cuts: Sequence[View], file: Path) -> Sequence[Posterior]:
    """The same views with their part of the mask in a file."""
    with Image.open(file) as opened:
        mask = opened.convert("L")
    shapes = [(view.mean.shape[-2], view.mean.shape[-1]) for view in views]
    return MaskedViews(views, [cut.mask_of(mask, shape) for cut, shape in zip(cuts, shapes, strict=True)])


def _shape(size: tuple[int, int], cuts: Sequence[View], spec: TrainingSpec, resolution: int, family: Family) -> list[Any]:
    """What tells the views of a picture from those that another specification has of it."""
    own = [spec.aspect_buckets, spec.crops, spec.random_flip, list(spec.further_resolutions), resolution, family.bucket_multiple]
    enlarged = [
        _shown_at(size, spec.model_copy(update={"upscale": True}), side, family.bucket_multiple)
        for side in (resolution, *spec.further_resolutions)
    ]
    return own if {cut.size for cut in cuts} == {*enlarged} else [*own, sorted({cut.size for cut in cuts})]


def notes_on_sizes(files: Iterable[Path], spec: TrainingSpec, resolution: int, multiple: int) -> list[str]:
    """What is to be known of images that are smaller than the resolution, a sentence each; nothing where none is."""
    sizes = list[tuple[int, int]]()
    for file in files:
        with Image.open(file) as image:
            sizes.append(image.size)
    wanted = [_shown_at(size, spec.model_copy(update={"upscale": True}), resolution, multiple) for size in sizes]
    taken = [_shown_at(size, spec, resolution, multiple) for size in sizes]
    small = sum(is_enlarged(size, goal) for size, goal in zip(sizes, wanted, strict=True))
    enlarged = sum(is_enlarged(size, own) for size, own in zip(sizes, taken, strict=True))
    found = list[str]()
    if small > enlarged:
        own = small - enlarged
        found.append(
            _(
                "{own} of {count} images are smaller than {side} px, and are learned from at their own size",
                own=own,
                count=len(sizes),
                side=resolution,
            )
        )
    if enlarged:
        found.append(_("{enlarged} of {count} images are enlarged to be learned from", enlarged=enlarged, count=len(sizes)))
    return found


@torch.no_grad()
def encode_picture(family: Family, picture: Image.Image, name: str) -> Posterior:
    """A picture, encoded as it is. Raises GauchoError if it has no finite latents."""
    vae = family.vae
    mean, std = family.encode_images(to_tensor(picture)[None].to(vae.device, vae.dtype))
    if not (torch.isfinite(mean).all() and torch.isfinite(std).all()):
        raise GauchoError(_("{name}: the VAE gives no finite latents for it; exclude it in curation", name=name))
    return Posterior(mean[0].float().cpu(), std[0].float().cpu())


# ---------------------------------------------------------------------------------------------- drawn by number


@dataclass(frozen=True)
class Example:
    """One image of a step, as it is learned from."""

    name: str
    latents: torch.Tensor
    noise: torch.Tensor
    t: torch.Tensor
    """Its share of noise, a number from 0 to 1."""
    prompt: str
    share: float
    """What its error counts for in the step's loss."""
    prior_prompt: str | None = None
    """A prompt without the token, on which the base model's own prediction for the same noisy latents is to be kept."""
    prior_share: float = 0.0
    size: Size | None = None
    """Of the image and its cut, where the denoiser is told of them."""
    mask: torch.Tensor | None = None
    """How much of each latent is the subject; None where the image is learned whole."""


def images_of_step(step: int, batch: int, count: int, seed: int) -> list[int]:
    """Which of `count` images step number `step` learns from: every image once before any comes again."""
    return [_image_at(position, count, seed) for position in range(step * batch, (step + 1) * batch)]


def _image_at(position: int, count: int, seed: int, whose: str = "") -> int:
    """Which of `count` images is learned from at a position in their order. `whose`: names that order, where there are several."""
    epoch, place = divmod(position, count)
    order = torch.randperm(count, generator=generator_for(seed, Stream.ORDER, f"{whose} {epoch}" if whose else epoch))
    return int(order[place])


class Turns:
    """Which of several concepts each example of a training is of: as often as their weights say, and evenly spread.

    Turns are given as Sainte-Laguë's method gives seats: https://en.wikipedia.org/wiki/Sainte-Lagu%C3%AB_method.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members, self._given = members, list[tuple[int, int]]()
        self._counts = [0] * len(members)

    def images_of_step(self, step: int, batch: int, seed: int) -> list[int]:
        """Which images step number `step` learns from: of each concept every image once before any comes again."""
        while len(self._given) < (step + 1) * batch:
            due = [(count + 0.5) / member.weight for count, member in zip(self._counts, self._members, strict=True)]
            turn = due.index(min(due))
            self._given.append((turn, self._counts[turn]))
            self._counts[turn] += 1
        chosen = []
        for turn, position in self._given[step * batch : (step + 1) * batch]:
            member = self._members[turn]
            chosen.append(member.train.start + _image_at(position, len(member.train), seed, member.words.token))
        return chosen


class Stream(IntEnum):
    """What random numbers are drawn for. Each has generators of its own, so that no two draws are alike by accident."""

    ORDER = 1
    """The order of the images in an epoch."""
    EXAMPLE = 2
    """View, noise and noise level of an image that is learned from."""
    PRIOR_PROMPT = 3
    """Which prompts without the token a step is held to."""
    SELECTION = 4
    """Noises under which the validation loss that chooses weights is measured."""
    REPORT = 6
    """Noises under which what is reported is measured."""
    CLASS_IMAGE = 7
    """View, noise and noise level of an image of the class."""


def generator_for(seed: int, stream: Stream, number: int | str) -> torch.Generator:
    """A generator on the CPU that depends on its arguments alone."""
    return _generator(f"{seed} {stream.value} {number}")


def _generator(name: str) -> torch.Generator:
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big"))
