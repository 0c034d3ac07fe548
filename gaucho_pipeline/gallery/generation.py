"""Pictures from prompts and seeds, with and without what was learned. What each of them says of itself is in `provenance.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import Manifest
from gaucho_pipeline.concepts import GallerySpec
from gaucho_pipeline.families import Family
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.images import square, to_tensor
from gaucho_pipeline.methods import METHODS

_BATCH = 8


def load_base_model(trained: Manifest) -> tuple[Family, int]:
    """The base model that a checkpoint was taught on, and the side of the pictures that it was taught with."""
    spec = trained.provenance.spec
    family = base_models.load(spec["base_model"], spec["revision"], base_models.best_device(), spec.get("quantization")).family
    return family, spec["resolution"] or family.resolution


def load_learned(family: Family, trained: Manifest, checkpoint: Path) -> None:
    """Puts what a checkpoint learned on its base model. Raises GauchoError if it does not load."""
    METHODS[trained.provenance.spec["method"]].load(family, checkpoint)


def generate(
    family: Family, samples: list[Sample], spec: GallerySpec, side: int, advance: Callable[[int], None] = lambda count: None
) -> list[Image.Image]:
    """Generates the samples in turn, `side` pixels square. Each picture's noise depends on its own seed alone."""
    pictures: list[Image.Image] = []
    for start in range(0, len(samples), _BATCH):
        batch = samples[start : start + _BATCH]
        prompts, seeds = [sample.prompt for sample in batch], [sample.seed for sample in batch]
        pictures += family.generate(prompts, spec.negative_prompt, spec.num_inference_steps, spec.guidance_scale, seeds, side)
        advance(len(batch))
    return pictures


@torch.inference_mode()
def through_vae(family: Family, pictures: list[Image.Image], side: int) -> list[Image.Image]:
    """What is left of pictures after the VAE, at the side that is generated: the best that the pipeline can give of them."""
    pipeline, found = family.pipeline, []
    for picture in pictures:
        pixels = to_tensor(square(picture, side))[None].to(pipeline.vae.device, pipeline.vae.dtype)
        found += family.decode(family.encode_images(pixels)[0])
    return found


def is_black(picture: Image.Image) -> bool:
    """Whether nothing is to be seen: every value nearly the same and dark, as a model in trouble draws."""
    return int(np.asarray(picture.convert("L")).max()) < 8
