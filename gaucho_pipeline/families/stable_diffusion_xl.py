"""Stable Diffusion XL: as Stable Diffusion, with two text encoders, a pooled vector, and the size that a picture was cut from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.families.base import Conditioning, Recommended, drawing_with
from gaucho_pipeline.families.stable_diffusion import StableDiffusion

if TYPE_CHECKING:
    import torch


class StableDiffusionXL(StableDiffusion):
    """https://huggingface.co/docs/diffusers/api/pipelines/stable_diffusion/stable_diffusion_xl."""

    pipeline_class = "StableDiffusionXLPipeline"
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds", "pooled": "pooled_prompt_embeds"}
    architecture = "stable-diffusion-xl-v1-base"
    sequence_methods: ClassVar[tuple[str, ...]] = ("storyboard",)
    recommended: ClassVar[Recommended] = drawing_with(50, 5.0)
    trainable_text_encoders: ClassVar[tuple[str, ...]] = ("text_encoder", "text_encoder_2")
    without: ClassVar[tuple[str, ...]] = ()

    def file_metadata(self) -> dict[str, str]:
        kind = "v" if self._is_velocity else "epsilon"
        name = f"{self.architecture}/lora"
        return {"modelspec.architecture": name, "modelspec.prediction_type": kind, "ss_base_model_version": "sdxl_base_v1-0"}

    def encode_prompt(self, prompt: str) -> Conditioning:
        device = self.pipeline.device
        embeds, _, pooled, _ = self.pipeline.encode_prompt(prompt, device=device, do_classifier_free_guidance=False)
        return {"embeds": embeds[0], "pooled": pooled[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        height, width = (side * self.pipeline.vae_scale_factor for side in noisy.shape[-2:])
        sizes = noisy.new_tensor([[height, width, 0, 0, height, width]]).repeat(len(noisy), 1)
        added = {"text_embeds": conditioning["pooled"], "time_ids": sizes}
        predicted: torch.Tensor = self.network(noisy, self.timesteps(t), conditioning["embeds"], added_cond_kwargs=added).sample
        return predicted
