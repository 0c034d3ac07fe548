"""Pictures from prompts and seeds, with and without what was learned. What each of them says of itself is in `provenance.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from gaucho_pipeline.concepts import GallerySpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.images import square, to_tensor

_BATCH = 8
_LORA_FILE = "pytorch_lora_weights.safetensors"


def load_lora(pipeline: StableDiffusionPipeline, checkpoint: Path) -> None:
    """Puts a checkpoint's adapter on the pipeline. Raises GauchoError if it does not load."""
    try:
        pipeline.load_lora_weights(checkpoint / "adapter", weight_name=_LORA_FILE)
    except (OSError, ValueError) as error:
        raise GauchoError(f"{checkpoint / 'adapter'} does not load: {error}") from None


def generate(
    pipeline: StableDiffusionPipeline, samples: list[Sample], spec: GallerySpec, advance: Callable[[int], None] = lambda count: None
) -> list[Image.Image]:
    """Generates the samples in turn. Each picture's noise depends on its own seed alone."""
    pictures: list[Image.Image] = []
    for start in range(0, len(samples), _BATCH):
        batch = samples[start : start + _BATCH]
        output = pipeline(
            prompt=[sample.prompt for sample in batch],
            negative_prompt=[spec.negative_prompt] * len(batch),
            num_inference_steps=spec.num_inference_steps,
            guidance_scale=spec.guidance_scale,
            generator=[torch.Generator().manual_seed(sample.seed) for sample in batch],
        )
        pictures += output.images
        advance(len(batch))
    return pictures


@torch.inference_mode()
def through_vae(pipeline: StableDiffusionPipeline, pictures: list[Image.Image]) -> list[Image.Image]:
    """What is left of pictures after the VAE: the best that its pipeline can generate of them."""
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    found = []
    for picture in pictures:
        pixels = to_tensor(square(picture, side))[None].to(pipeline.vae.device, pipeline.vae.dtype)
        decoded = pipeline.vae.decode(pipeline.vae.encode(pixels).latent_dist.mode()).sample
        found += pipeline.image_processor.postprocess(decoded.float())
    return found


def is_black(picture: Image.Image) -> bool:
    """Whether nothing is to be seen: every value nearly the same and dark, as a model in trouble draws."""
    return int(np.asarray(picture.convert("L")).max()) < 8
