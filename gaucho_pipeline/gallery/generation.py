"""Pictures from prompts and seeds, with and without what was learned. What each of them says of itself is in `provenance.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import Manifest, write_atomically
from gaucho_pipeline.base_models import is_out_of_memory
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import GallerySpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families import Family
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.images import png_bytes
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.stage import Progress

_CODE_VERSION = "1"
"""Raised when the same settings draw another picture: it makes all that are kept drawn anew."""
_RANGE = 8
"""A picture whose darkest and lightest value are nearer than this shows nothing."""


@dataclass(frozen=True)
class Drawer:
    """A model that draws, base or tuned, and all that shapes what it draws beside prompt and seed."""

    family: Family
    spec: GallerySpec
    side: int
    settings: dict[str, Any]
    """What tells its pictures from those of any other model and settings."""

    def key(self, sample: Sample) -> str:
        """What a picture is kept under: the hash of all that makes it."""
        return digest(self.settings | {"prompt": sample.prompt, "seed": sample.seed})

    def draw(self, samples: list[Sample]) -> Iterator[tuple[Sample, Image.Image]]:
        """Draws the samples in turn, several at once, fewer where memory runs out. Each picture's noise depends on its own seed alone.

        Raises GauchoError if one alone does not fit into memory.
        """
        count, start = self.spec.batch_size, 0
        while start < len(samples):
            batch = samples[start : start + count]
            try:
                pictures = self._draw(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if count == 1:
                    raise GauchoError("memory ran out for one picture; lower gallery.size, or take a smaller base_model") from None
                count //= 2
                continue
            yield from zip(batch, pictures, strict=True)
            start += len(batch)

    def _draw(self, batch: list[Sample]) -> list[Image.Image]:
        prompts, seeds, spec = [sample.prompt for sample in batch], [sample.seed for sample in batch], self.spec
        return self.family.generate(prompts, spec.negative_prompt, spec.num_inference_steps, spec.guidance_scale, seeds, self.side)


def open_base(trained: Manifest, spec: GallerySpec) -> Drawer:
    """The base model that a checkpoint was trained on, with the gallery's sampler, at the gallery's or the training's size."""
    training = trained.provenance.spec
    device, quantization = base_models.best_device(), training.get("quantization")
    family = base_models.load(training["base_model"], training["revision"], device, quantization).family
    if spec.sampler:
        family.use_sampler(spec.sampler)
    side = spec.size or training["resolution"] or family.resolution
    settings = {
        "code": [_CODE_VERSION, family.code_version],
        "base_model": trained.provenance.base_model,
        "computed": [device.type, str(base_models.compute_dtype(device)), quantization],
        "negative_prompt": spec.negative_prompt,
        "num_inference_steps": spec.num_inference_steps,
        "guidance_scale": spec.guidance_scale,
        "sampler": family.sampler,
        "denoiser": family.denoiser,
        "side": side,
    }
    return Drawer(family, spec, side, settings)


def tune(base: Drawer, trained: Manifest, checkpoint: Path) -> Drawer:
    """The same model with what a checkpoint learned, made part of its weights; the base model is gone then.

    Raises GauchoError if it does not load.
    """
    method = METHODS[trained.provenance.spec["method"]]
    method.load(base.family, checkpoint)
    base.family.forget_prompts()
    if not trained.provenance.spec.get("quantization"):  # four bits would round what is added to them
        method.fuse(base.family)
    return Drawer(base.family, base.spec, base.side, base.settings | {"checkpoint": trained.data_version})


@dataclass(frozen=True)
class PictureCache:
    """Pictures that were drawn before, under what made them, so that none is drawn twice and a killed run goes on at the next one."""

    root: Path

    def draw(self, drawer: Drawer, samples: list[Sample], progress: Progress) -> tuple[list[Image.Image], int]:
        """The samples' pictures in their order, and how many of them had to be drawn."""
        found = {sample: picture for sample in samples if (picture := self._read(drawer, sample))}
        missing = [sample for sample in samples if sample not in found]
        progress.skip(len(found))
        for sample, picture in drawer.draw(missing):
            path = self._path(drawer, sample)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, png_bytes(picture))
            found[sample] = picture
            progress.advance(1)
        return [found[sample] for sample in samples], len(missing)

    def _path(self, drawer: Drawer, sample: Sample) -> Path:
        key = drawer.key(sample)
        return self.root / key[:2] / f"{key}.png"

    def _read(self, drawer: Drawer, sample: Sample) -> Image.Image | None:
        """A picture that stands; None where there is none, or its file is broken and is drawn anew."""
        try:
            with Image.open(self._path(drawer, sample)) as picture:
                return picture.convert("RGB")
        except (OSError, SyntaxError, ValueError):
            return None


def shows_nothing(picture: Image.Image) -> bool:
    """Whether nothing is to be seen: every value nearly the same, black or not, as a model in trouble draws, or one that met no number."""
    low, high = np.asarray(picture.convert("RGB")).reshape(-1, 3).min(axis=0), np.asarray(picture.convert("RGB")).reshape(-1, 3).max(axis=0)
    return int((high.astype(int) - low.astype(int)).max()) < _RANGE
