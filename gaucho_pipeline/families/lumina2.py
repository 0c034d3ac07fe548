"""Lumina 2: a flow-matching transformer that counts time from noise to picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, learning_with
from gaucho_pipeline.families.single_files import fused

if TYPE_CHECKING:
    import torch

_FUSED = (r"(.*)\.attn\.", ("to_q", "to_k", "to_v"), r"diffusion_model.\1.attention.qkv")
_RENAMED = (
    (r"(.*)\.attn\.to_out\.0", r"diffusion_model.\1.attention.out"),
    (r"(.*)\.feed_forward\.linear_(\d)", r"diffusion_model.\1.feed_forward.w\2"),
    (r"(.*)", r"diffusion_model.\1"),
)

_FEED_FORWARD = ("feed_forward.linear_1", "feed_forward.linear_2", "feed_forward.linear_3")


class Lumina2(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/lumina2."""

    pipeline_class = "Lumina2Pipeline"
    architecture = "lumina-2"
    recommended: ClassVar[Recommended] = learning_with(1e-4, 30, 4.0)
    """The rate of diffusers' `examples/dreambooth/README_lumina2.md`."""
    code_version = "3"
    training_shift = 3.16
    """What the shift by size that its makers train with comes to at 1024 px, and sd-scripts' `nextdit_shift`; the sampler's own is 6."""
    diffusers_reads_single_file = False  # it asks for modulations, which are not adapted
    blocks: ClassVar[tuple[str, ...]] = ("noise_refiner", "context_refiner", "layers")
    unswapped_blocks: ClassVar[tuple[str, ...]] = ("noise_refiner", "context_refiner")
    not_adapted: ClassVar[dict[str, str]] = {"norm1.linear": "diffusers' script for Lumina 2 leaves modulations as they are"}
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {"attention": ATTENTION, "attention_ff": (*ATTENTION, *_FEED_FORWARD)}
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds", "mask": "prompt_attention_mask"}
    max_sequence_length = 256

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, mask, _, _ = self.pipeline.encode_prompt(prompt, False, device=self.device, max_sequence_length=self.max_sequence_length)
        return {"embeds": embeds[0], "mask": mask[0]}

    def encode_negative(self, negative_prompt: str) -> Conditioning:
        """Without the instruction that its pipeline puts before prompts."""
        self.parts.need(*self.text_encoders)
        embeds, mask = self.pipeline._get_gemma_prompt_embeds(
            [negative_prompt], device=self.device, max_sequence_length=self.max_sequence_length
        )
        return {"embeds": embeds[0], "mask": mask[0]}

    @staticmethod
    def to_single_file(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """In its makers' own names, which ComfyUI reads: there query, key and value are one matrix."""
        return fused(weights, _FUSED, _RENAMED)

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        return -self.network(
            hidden_states=noisy,
            timestep=1 - t,
            encoder_hidden_states=conditioning["embeds"],
            encoder_attention_mask=conditioning["mask"],
            return_dict=False,
        )[0]
