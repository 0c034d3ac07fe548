"""T-LoRA (arXiv 2507.05964): a LoRA that learns from noisy steps in fewer of its ranks, for a handful of images.

What is learned under much noise is mostly the layout of the few training images: with fewer ranks there, less of that is memorised. The
mask belongs to the training alone. What is stored, measured and drawn is a plain LoRA with all its ranks, as every program reads it. The
paper's orthogonal start is left out: a plain LoRA could not hold it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.methods.lora import Lora

if TYPE_CHECKING:
    import torch

MIN_SHARE = 0.5
"""Of the ranks, how many learn from pure noise: the paper's choice."""


class TLora(Lora):
    """At noise level t, 0 to 1, the first `min + floor((1 - t) (rank - min))` ranks learn."""

    name = "t_lora"
    title = "T-LoRA"
    description = "a LoRA of which fewer ranks learn from noisy steps, for 3 to 12 images"

    def attach(self) -> None:
        from peft.tuners.lora import LoraLayer

        super().attach()
        self._mask: torch.Tensor | None = None
        for path, module in self.family.network.named_modules():
            if isinstance(module, LoraLayer):
                dimension = 1 if any(part in path for part in self.family.sequence_first) else 0
                for down in module.lora_A.values():
                    down.register_forward_hook(partial(self._masked, dimension))

    def learn_at(self, noise_levels: torch.Tensor | None) -> None:
        self._mask = None if noise_levels is None else rank_masks(noise_levels, self.spec.rank)

    def _masked(self, dimension: int, down: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        """What a module's first matrix gives, without the ranks that do not learn.

        `output`: (images, …, rank), of a convolution (images, rank, …); the images lie in `dimension`, each as one row or as several.
        """
        mask = self._mask
        if mask is None:
            return output
        rows, rest = divmod(output.shape[dimension], len(mask))
        if rest:
            raise ConfigError(_("training.method: t_lora is not for a base model that does not keep the images of a step apart; take lora"))
        shape = [1] * output.dim()
        shape[dimension], shape[1 if hasattr(down, "kernel_size") else -1] = rows * len(mask), mask.shape[1]
        return output * mask.to(output.dtype).repeat_interleave(rows, dim=0).view(shape)


def rank_masks(noise_levels: torch.Tensor, rank: int) -> torch.Tensor:
    """Which ranks learn, 1, and which do not, 0: (images, rank). `noise_levels`: (images,), 0 to 1."""
    import torch

    smallest = max(1, int(rank * MIN_SHARE))
    learning = smallest + ((1 - noise_levels) * (rank - smallest)).floor()
    return (torch.arange(rank, device=noise_levels.device) < learning[:, None]).float()
