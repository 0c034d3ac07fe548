"""Stable Diffusion XL: as Stable Diffusion, with two text encoders, a pooled vector, and the size that a picture was cut from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.families.base import Conditioning, Recommended, Sampling, drawing_with
from gaucho_pipeline.families.stable_diffusion import StableDiffusion, StableDiffusionLCM, is_distilled
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch


class StableDiffusionXL(StableDiffusion):
    """https://huggingface.co/docs/diffusers/api/pipelines/stable_diffusion/stable_diffusion_xl."""

    pipeline_class = "StableDiffusionXLPipeline"
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds", "pooled": "pooled_prompt_embeds"}
    architecture = "stable-diffusion-xl-v1-base"
    sequence_methods: ClassVar[tuple[str, ...]] = ("storyboard",)
    code_version = "2"
    recommended: ClassVar[Recommended] = drawing_with(50, 5.0)
    reads_sizes = True
    required_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    trainable_text_encoders: ClassVar[tuple[str, ...]] = ("text_encoder", "text_encoder_2")
    without: ClassVar[tuple[str, ...]] = ()

    def file_metadata(self) -> dict[str, str]:
        kind = "v" if self._is_velocity else "epsilon"
        name = f"{self.architecture}/lora"
        return {"modelspec.architecture": name, "modelspec.prediction_type": kind, "ss_base_model_version": "sdxl_base_v1-0"}

    def _encode_prompt(self, prompt: str) -> Conditioning:
        device = self.device
        embeds, _, pooled, _ = self.pipeline.encode_prompt(prompt, device=device, do_classifier_free_guidance=False)
        return {"embeds": embeds[0], "pooled": pooled[0]}

    def _negative_prompts(self, sampling: Sampling) -> list[str]:
        return [] if self._is_nothing(sampling.negative_prompt) else super()._negative_prompts(sampling)

    def negative(self, sampling: Sampling, like: Conditioning) -> Conditioning:
        if self._is_nothing(sampling.negative_prompt):
            return {name: value * 0 for name, value in like.items()}
        return super().negative(sampling, like)

    def _is_nothing(self, negative_prompt: str) -> bool:
        """Whether prompts are weighed against zeros, as the pipeline does where it is given no negative prompt."""
        return not negative_prompt and bool(self.pipeline.config.force_zeros_for_empty_prompt)

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        height, width = (side * self.pipeline.vae_scale_factor for side in noisy.shape[-2:])
        sizes = conditioning.get("sizes")  # (n, 6): height, width, top, left, height and width of the cut
        if sizes is None:
            sizes = noisy.new_tensor([[height, width, 0, 0, height, width]]).repeat(len(noisy), 1)
        added = {"text_embeds": conditioning["pooled"], "time_ids": sizes.to(noisy)}
        predicted: torch.Tensor = self.network(noisy, self.timesteps(t), conditioning["embeds"], added_cond_kwargs=added).sample
        return predicted


class StableDiffusionXLDistilled(StableDiffusionXL):
    """SDXL-Turbo, Lightning and their kind, distilled to few steps."""

    recommended: ClassVar[Recommended] = drawing_with(4, 0.0)
    taught_instead = "stabilityai/stable-diffusion-xl-base-1.0"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return is_distilled(name)


class StableDiffusionXLLCM(StableDiffusionXLDistilled):
    """Latent consistency models of its size, as `StableDiffusionLCM`."""

    recommended: ClassVar[Recommended] = StableDiffusionLCM.recommended

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return StableDiffusionLCM.describes(name, index, config)
