"""Lumina 2: a flow-matching transformer that counts time from noise to picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, drawing_with

if TYPE_CHECKING:
    import torch

_FEED_FORWARD = ("feed_forward.linear_1", "feed_forward.linear_2", "feed_forward.linear_3")


class Lumina2(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/lumina2."""

    pipeline_class = "Lumina2Pipeline"
    architecture = "lumina-2"
    recommended: ClassVar[Recommended] = drawing_with(30, 4.0)
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

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        return -self.network(
            hidden_states=noisy,
            timestep=1 - t,
            encoder_hidden_states=conditioning["embeds"],
            encoder_attention_mask=conditioning["mask"],
            return_dict=False,
        )[0]
