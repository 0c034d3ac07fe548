"""What the VAE says of pictures, kept on disk by all that shapes it: two trainings on the same images encode them once.

What is read back is held against its own hash; what does not fit is as good as not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.methods.base import tensors_digest

_LAYOUT = 2
"""Raised when views are cut otherwise."""


@dataclass(frozen=True)
class Posterior:
    """What the VAE says of one picture: mean and standard deviation of its latents, float32, (channels, height, width), normalised."""

    mean: torch.Tensor
    std: torch.Tensor

    def sample(self, generator: torch.Generator) -> torch.Tensor:
        """Latents of the picture, drawn again."""
        return self.mean + self.std * torch.randn(self.mean.shape, generator=generator)


class PosteriorCache:
    """Posteriors of the views of images, for one base model; without a folder, nothing is kept."""

    def __init__(self, folder: Path | None, base_model: Mapping[str, str | None] | None = None, dtype: str = "") -> None:
        self._folder, self._model = folder, [_LAYOUT, base_model, dtype]

    def get(self, pixels: str, shape: Sequence[Any]) -> list[Posterior] | None:
        """The views of the image with this hash of pixels, cut and turned as `shape` says; None if they are not there whole."""
        if self._folder is None or not (path := self._path(pixels, shape)).is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                expected = (file.metadata() or {}).get("sha256")
        except (SafetensorError, OSError):
            return None
        if expected != tensors_digest(tensors):
            return None
        return [Posterior(tensors[f"{number}.mean"], tensors[f"{number}.std"]) for number in range(len(tensors) // 2)]

    def put(self, pixels: str, shape: Sequence[Any], views: Sequence[Posterior]) -> None:
        if self._folder is None:
            return
        tensors = {f"{number}.{name}": getattr(view, name) for number, view in enumerate(views) for name in ("mean", "std")}
        path = self._path(pixels, shape)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(tensors, {"sha256": tensors_digest(tensors)}))

    def _path(self, pixels: str, shape: Sequence[Any]) -> Path:
        name = digest([self._model, pixels, list(shape)])
        assert self._folder
        return self._folder / name[:2] / f"{name}.safetensors"
