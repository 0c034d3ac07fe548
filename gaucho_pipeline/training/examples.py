"""What the loop learns from: the curated images split, encoded once, and drawn by step number.

Every draw is a pure function of the seed and the step, so a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps

from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families.base import Conditioning, Family
from gaucho_pipeline.images import square, to_tensor


def split(rows: list[dict[str, Any]], validation_fraction: float, seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Images to train on and images to validate with; which is which depends on the seed and the image alone.

    At least one of each. Raises GauchoError with fewer than two images.
    """
    if len(rows) < 2:
        raise GauchoError("training needs at least two images: one to learn from and one to measure with")
    ordered = sorted(rows, key=lambda row: hashlib.sha256(f"{seed} {row['pixels']}".encode()).digest())
    count = min(max(1, round(validation_fraction * len(rows))), len(rows) - 1)
    return ordered[count:], ordered[:count]


@dataclass(frozen=True)
class Posteriors:
    """What the VAE says of images: mean and standard deviation of their latents, float32, (n, channels, height, width), normalised."""

    mean: torch.Tensor
    std: torch.Tensor

    def __len__(self) -> int:
        return len(self.mean)

    def halves(self) -> tuple[Posteriors, Posteriors]:
        """Those that choose the best weights, and those that are reported on: other images where there are four or more, else the same."""
        if len(self) < 4:
            return self, self
        return Posteriors(self.mean[::2], self.std[::2]), Posteriors(self.mean[1::2], self.std[1::2])

    def sample(self, chosen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Latents of some images, (len(chosen), channels, height, width)."""
        noise = torch.randn(self.mean[chosen].shape, generator=generator)
        return self.mean[chosen] + self.std[chosen] * noise


@dataclass(frozen=True)
class ImageSet:
    """The images that are learned from, with a caption for each, and their mirror images where these are shown too."""

    posteriors: Posteriors
    captions: Sequence[str]
    mirrored: Posteriors | None = None

    def __len__(self) -> int:
        return len(self.posteriors)

    def sample(self, chosen: torch.Tensor, generator: torch.Generator, flips: torch.Tensor) -> torch.Tensor:
        """Latents of some images, as `Posteriors.sample` gives them; of their mirror images where `flips`, (n,) of bool, is set."""
        state = generator.get_state()
        latents = self.posteriors.sample(chosen, generator)
        if self.mirrored is None:
            return latents
        mirrored = self.mirrored.sample(chosen, generator.set_state(state))
        return torch.where(flips[:, None, None, None], mirrored, latents)


@torch.no_grad()
def encode_images(family: Family, files: list[Path], resolution: int, mirrored: bool = False) -> Posteriors:
    """Encodes the middle square of each image, or of its mirror image.

    Raises GauchoError if an image has no finite latents.
    """
    means, stds = [], []
    for file in files:
        with Image.open(file) as image:
            picture = square(image.convert("RGB"), resolution)
        vae = family.pipeline.vae
        mean, std = family.encode_images(to_tensor(ImageOps.mirror(picture) if mirrored else picture)[None].to(vae.device, vae.dtype))
        if not torch.isfinite(mean).all():
            raise GauchoError(f"{file.name}: the VAE gives no finite latents for it; exclude it in curation")
        means.append(mean[0].float().cpu())
        stds.append(std[0].float().cpu())
    return Posteriors(torch.stack(means), torch.stack(stds))


@torch.no_grad()
def encode_prompts(family: Family, prompts: list[str]) -> dict[str, Conditioning]:
    """What the denoiser is told of each distinct prompt."""
    return {prompt: family.encode_prompt(prompt) for prompt in dict.fromkeys(prompts)}


def images_of_step(step: int, batch: int, count: int, seed: int) -> torch.Tensor:
    """Which of `count` images step number `step` learns from: every image once before any comes again."""
    chosen = []
    for position in range(step * batch, (step + 1) * batch):
        epoch, place = divmod(position, count)
        order = torch.randperm(count, generator=generator_for(seed, 1, epoch))
        chosen.append(int(order[place]))
    return torch.tensor(chosen)


def generator_for(seed: int, purpose: int, number: int) -> torch.Generator:
    """A generator on the CPU that depends on its arguments alone."""
    name = hashlib.sha256(f"{seed} {purpose} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(name[:7], "big"))
