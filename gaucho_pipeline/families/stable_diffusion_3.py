"""Stable Diffusion 3.5: a flow-matching transformer with three text encoders."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, learning_with
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_ATTENTION = (
    *(f"{own}.{name}" for own in ("attn", "attn2") for name in ATTENTION),
    "attn.add_q_proj",
    "attn.add_k_proj",
    "attn.add_v_proj",
    "attn.to_add_out",
)
_FEED_FORWARD = ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2")


class StableDiffusion3(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/stable_diffusion/stable_diffusion_3."""

    pipeline_class = "StableDiffusion3Pipeline"
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds", "pooled": "pooled_prompt_embeds"}
    architecture = "stable-diffusion-v3.5"
    recommended: ClassVar[Recommended] = learning_with(1e-4, 28, 7.0)
    """The rate of sd-scripts' `docs/sd3_train_network.md`; drawn as its pipeline does by itself (its makers draw 3.5 with 4.5 to 5)."""
    code_version = "2"
    not_adapted: ClassVar[dict[str, str]] = {
        "norm1.linear": "diffusers' script for SD 3 leaves modulations as they are",
        "norm1_context.linear": "diffusers' script for SD 3 leaves modulations as they are",
    }
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {"attention": _ATTENTION, "attention_ff": (*_ATTENTION, *_FEED_FORWARD)}
    max_sequence_length = 256
    required_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")

    def _encode_prompt(self, prompt: str) -> Conditioning:
        with self._denoisers_configuration():
            embeds, _, pooled, _ = self.pipeline.encode_prompt(
                prompt, None, None, device=self.device, do_classifier_free_guidance=False, max_sequence_length=self.max_sequence_length
            )
        return {"embeds": embeds[0], "pooled": pooled[0]}

    @contextlib.contextmanager
    def _denoisers_configuration(self) -> Iterator[None]:
        """Has the pipeline know how wide its denoiser is, which it asks where the third encoder is not there."""
        if getattr(self.pipeline, self.denoiser) is not None:
            yield
            return
        object.__setattr__(self.pipeline, self.denoiser, SimpleNamespace(config=self.config))  # past what the pipeline registers
        try:
            yield
        finally:
            object.__setattr__(self.pipeline, self.denoiser, None)

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        predicted: torch.Tensor = self.network(
            hidden_states=noisy,
            timestep=t * 1000,
            encoder_hidden_states=conditioning["embeds"],
            pooled_projections=conditioning["pooled"],
            return_dict=False,
        )[0]
        return predicted


class StableDiffusion3Turbo(StableDiffusion3):
    """Stable Diffusion 3.5 Large Turbo, distilled to four steps; its files say so by their name alone."""

    recommended: ClassVar[Recommended] = learning_with(1e-4, 4, 0.0)
    taught_instead = "stabilityai/stable-diffusion-3.5-medium, or its large sibling"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return "turbo" in name.lower()
