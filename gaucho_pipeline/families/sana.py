"""Sana: a flow-matching transformer with linear attention, whose encoder gives latents without a spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, drawing_with

if TYPE_CHECKING:
    import torch

_FEED_FORWARD = ("ff.conv_inverted", "ff.conv_point")


class Sana(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/sana."""

    pipeline_class = "SanaPipeline"
    architecture = "sana"
    recommended: ClassVar[Recommended] = drawing_with(20, 4.5)
    pixel_multiple = 32
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {"attention": ATTENTION, "attention_ff": (*ATTENTION, *_FEED_FORWARD)}
    max_sequence_length = 300

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        latents = self.pipeline.vae.encode(pixels).latent * self.pipeline.vae.config.scaling_factor
        return latents, latents.new_zeros(latents.shape)

    def guidance_keys(self, negative_prompt: str, guidance: float, count: int) -> dict[str, bool | float | list[str] | None]:
        own = {"use_resolution_binning": False, "complex_human_instruction": None}  # the side that is asked for, the prompt that was taught
        return super().guidance_keys(negative_prompt, guidance, count) | own

    def encode_prompt(self, prompt: str) -> Conditioning:
        embeds, mask, _, _ = self.pipeline.encode_prompt(
            prompt,
            False,
            device=self.pipeline.device,
            max_sequence_length=self.max_sequence_length,
            complex_human_instruction=None,
        )
        return {"embeds": embeds[0], "mask": mask[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        predicted: torch.Tensor = self.network(
            noisy,
            encoder_hidden_states=conditioning["embeds"],
            encoder_attention_mask=conditioning["mask"],
            timestep=t * 1000 * self.network.config.timestep_scale,
            return_dict=False,
        )[0]
        return predicted
