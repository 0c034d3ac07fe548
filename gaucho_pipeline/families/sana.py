"""Sana: a flow-matching transformer with linear attention, whose encoder gives latents without a spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, learning_with

if TYPE_CHECKING:
    import torch

_FEED_FORWARD = ("ff.conv_inverted", "ff.conv_point")


class Sana(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/sana."""

    pipeline_class = "SanaPipeline"
    architecture = "sana"
    recommended: ClassVar[Recommended] = learning_with(1e-4, 20, 4.5)
    """The rate of diffusers' `examples/dreambooth/README_sana.md`."""
    code_version = "2"
    reader = ""
    pixel_multiple = 32
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {"attention": ATTENTION, "attention_ff": (*ATTENTION, *_FEED_FORWARD)}
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds", "mask": "prompt_attention_mask"}
    max_sequence_length = 300

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        latents = self.vae.encode(pixels).latent * self.vae.config.scaling_factor
        return latents, latents.new_zeros(latents.shape)

    @classmethod
    def call_arguments(cls, guidance_scale: float) -> str:
        return f"{super().call_arguments(guidance_scale)}, complex_human_instruction=None"  # it was taught without

    def guidance_keys(self, guidance: float) -> dict[str, Any]:
        own = {"use_resolution_binning": False, "negative_prompt": None}  # the side that is asked for; what is not to be drawn is encoded
        return super().guidance_keys(guidance) | own

    def _decode(self, latents: torch.Tensor) -> list[Any]:
        decoded = self.vae.decode(latents.to(self.vae.dtype) / self.vae.config.scaling_factor).sample
        pictures: list[Any] = self.pipeline.image_processor.postprocess(decoded.float())
        return pictures

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, mask, _, _ = self.pipeline.encode_prompt(
            prompt,
            False,
            device=self.device,
            max_sequence_length=self.max_sequence_length,
            complex_human_instruction=None,
        )
        return {"embeds": embeds[0], "mask": mask[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        predicted: torch.Tensor = self.network(
            noisy,
            encoder_hidden_states=conditioning["embeds"],
            encoder_attention_mask=conditioning["mask"],
            timestep=t * 1000 * self.config.timestep_scale,
            return_dict=False,
        )[0]
        return predicted
