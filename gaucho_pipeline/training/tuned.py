"""The model in training: what it predicts, tuned or untouched.

What it learns from is in `objective.py`, how it is measured in `validation.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import torch
from accelerate import Accelerator

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.families.base import Conditioning
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models.base_models import Loaded
from gaucho_pipeline.training.posteriors import Size

_PRECISIONS = {torch.float32: "no", torch.float16: "fp16", torch.bfloat16: "bf16"}


class TunedModel:
    """A base model with what is learned of a concept on it.

    `conditionings` holds what the untouched text encoders say of every prompt. What differs between base models is their family's to know,
    and what is learned in is the method's.
    """

    def __init__(self, base: Loaded, spec: TrainingSpec, conditionings: dict[str, Conditioning]) -> None:
        self.family, self.device, self.dtype = base.family, base.device, base.dtype
        self.accelerator = Accelerator(mixed_precision=_PRECISIONS[base.dtype])
        self.method = METHODS[spec.method](base.family, spec)
        self.family.parts.hold(*self.method.names)
        self.method.attach()
        self.peaks = base.peaks
        self._conditionings, self._is_reading = conditionings, spec.train_text_encoder
        self._is_checkpointing: bool | None = None  # of the model that is given it may be either
        self.eval_batch_size = 0
        """Images that are computed at once where nothing is learned; 0: all."""
        self.noises = spec.validation_noises
        """Under how many it is measured."""
        if spec.channels_last:
            self.family.network.to(memory_format=torch.channels_last)
        if spec.compile:
            self.family.network.compile(dynamic=True)

    def predict(
        self,
        noisy: torch.Tensor,
        t: torch.Tensor,
        prompts: list[str],
        sizes: Sequence[Size | None] = (),
        tuned: bool = True,
        learning: bool = False,
    ) -> torch.Tensor:
        """What the denoiser says of noisy latents under prompts, float32: as it was taught, or untouched.

        `sizes`: those of the images, for a family that reads them; else they are as many None. `learning`: `backward` follows.
        """
        self.method.learn_at(t if learning else None)
        told = {"sizes": torch.tensor(sizes, device=noisy.device)} if sizes and None not in sizes else {}
        with contextlib.nullcontext() if tuned else self.method.disable_adapter(), self.accelerator.autocast():
            return self.family.predict(noisy, t, self._conditioning(prompts, tuned) | told).float()

    def backward(self, loss: torch.Tensor) -> None:
        """Adds a loss's gradient to what learns. What is drawn or measured next is so with all that was learned."""
        self.accelerator.backward(loss)
        self.method.learn_at(None)

    def _conditioning(self, prompts: list[str], tuned: bool) -> Conditioning:
        if tuned and self._is_reading:
            return self.family.collate([self.family.encode_prompt(prompt) for prompt in prompts])
        return self.family.collate([self._conditionings[prompt] for prompt in prompts])

    def set_gradient_checkpointing(self, on: bool) -> None:
        """Has parts of what learns computed twice, which saves memory, or not."""
        if on == self._is_checkpointing:
            return
        self._is_checkpointing = on
        for module in self.method.modules.values():
            if hasattr(module, "activation_checkpointing_enable"):  # a text encoder, of transformers
                module.train(on)  # as that asks for
                module.activation_checkpointing_enable() if on else module.activation_checkpointing_disable()
            else:
                module.enable_gradient_checkpointing() if on else module.disable_gradient_checkpointing()
