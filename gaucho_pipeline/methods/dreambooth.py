"""DreamBooth (arXiv 2208.12242): all weights of the denoiser learn. Only they are stored; the rest is the base model's, by id and digest.

`unet/` or `transformer/` (and the text encoders, where they learned) are in diffusers' format in float32: what is gone on from.
`gaucho export` makes a whole pipeline of them.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.families.building import built
from gaucho_pipeline.methods.base import CheckpointInfo, Method, Weights

if TYPE_CHECKING:
    import torch


class DreamBooth(Method):
    """What is learned is as large as the denoiser; a frozen copy of it stays in memory for what the base model says."""

    name = "dreambooth"
    title = "DreamBooth"
    description = "all weights of the denoiser learn"
    is_adapter = False
    learning_rates = (1e-7, 3e-3)

    def attach(self) -> None:
        import torch

        self._frozen: dict[str, Any] = {}
        for name, module in self.modules.items():
            if self.family.parts.is_swapped(name):
                raise GauchoError(_("training.method: dreambooth teaches all weights, and they do not fit on this card; take method: lora"))
            self._frozen[name] = copy.deepcopy(module).requires_grad_(False)
            module.to(torch.float32).requires_grad_(True)

    def learn_at(self, noise_levels: torch.Tensor | None) -> None:
        """Nothing: all weights learn at every noise level."""

    def weights(self) -> Weights:
        return {
            f"{name}.{key}": tensor.detach().cpu() for name, module in self.modules.items() for key, tensor in module.named_parameters()
        }

    def set_weights(self, weights: Weights) -> None:
        import torch

        with torch.no_grad():
            for name, module in self.modules.items():
                for key, tensor in module.named_parameters():
                    tensor.copy_(weights[f"{name}.{key}"])

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        learning = self.modules
        self._put(self._frozen)
        try:
            yield
        finally:
            self._put(learning)

    def detach(self) -> None:
        self._put(self._frozen)
        self._frozen = {}

    def release(self) -> None:
        self._frozen = {}

    def _put(self, modules: dict[str, Any]) -> None:
        for name, module in modules.items():
            setattr(self.family.pipeline, name, module)

    def save(self, folder: Path, info: CheckpointInfo) -> None:
        for name, module in self.modules.items():
            module.save_pretrained(folder / name, safe_serialization=True)

    @staticmethod
    def how_to_load(slug: str, family: type[Family], base: str, revision: str | None = None) -> tuple[str, str]:
        load = f"from diffusers import {family.pipeline_class}\n\n"
        load += f'pipe = {family.pipeline_class}.from_pretrained("exported")  # made by: gaucho export {slug} exported'
        return load, f"`gaucho export {slug} FOLDER` makes a whole pipeline of it and the base model."

    @staticmethod
    def parts_in(family: Family, folder: Path) -> tuple[str, ...]:
        return tuple(name for name in (family.denoiser, *family.trainable_text_encoders) if (folder / name).is_dir())

    @staticmethod
    def load_part(family: Family, folder: Path, part: str) -> None:
        def told(text: str) -> GauchoError:
            return GauchoError(_("{folder} does not load: {error}", folder=folder / part, error=text))

        def load(kind: Any) -> Any:
            with built(told, folder / part):
                return kind.from_pretrained(folder / part, use_safetensors=True)

        family.parts.take_from(part, load)

    @staticmethod
    def fuse_part(family: Family, part: str) -> None:
        """Nothing: they are the model's own weights already."""
