"""Stable Diffusion 1.x and 2.x: epsilon or v-prediction on a discrete schedule, one text encoder. The embedded model is one of these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import Conditioning, Family, Recommended, Sampling, drawing_with
from gaucho_pipeline.families.model_files import Configs
from gaucho_pipeline.families.target_modules import TARGET_MODULES
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch


class StableDiffusion(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/stable_diffusion/text2img."""

    pipeline_class = "StableDiffusionPipeline"
    architecture = "stable-diffusion-v1"
    denoiser = "unet"
    reader = "ComfyUI, A1111 and Forge"
    blocks: ClassVar[tuple[str, ...]] = ("down_blocks", "mid_block", "up_blocks")
    pixel_multiple = 8
    sequence_methods: ClassVar[tuple[str, ...]] = ("storyboard", "animatediff")
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = TARGET_MODULES

    trainable_text_encoders: ClassVar[tuple[str, ...]] = ("text_encoder",)
    without: ClassVar[tuple[str, ...]] = ("safety_checker", "feature_extractor")

    @classmethod
    def refusal(cls, configs: Configs) -> str | None:
        none = JsonObject()
        scheduler = configs.get("scheduler", none)
        latents, taken = configs.get("vae", none).get("latent_channels", 4), configs.get("unet", none).get("in_channels", 4)
        if taken != latents:
            return f"takes {taken} channels for {latents} of a picture: it is made for inpainting or editing; take a text-to-image model"
        if (kind := scheduler.get("prediction_type", "epsilon")) not in ("epsilon", "v_prediction"):
            return f"predicts {kind!r}; what can be taught predicts epsilon or v_prediction"
        if kind == "epsilon" and scheduler.get("rescale_betas_zero_snr"):
            return (
                "predicts noise on a schedule that ends in nothing but noise, of which no picture can be told; where its makers meant "
                "v_prediction, say so in scheduler/scheduler_config.json, else set rescale_betas_zero_snr to false there"
            )
        return super().refusal(configs)

    @property
    def is_second(self) -> bool:
        """Whether it is of the second generation, which projects by matrices where the first does by convolutions."""
        return bool(self.config.use_linear_projection)

    def file_metadata(self) -> dict[str, str]:
        name = {(True, True): "stable-diffusion-v2-768-v", (True, False): "stable-diffusion-v2-512"}
        found = {"modelspec.architecture": f"{name.get((self.is_second, self._is_velocity), self.architecture)}/lora"}
        found |= {"modelspec.prediction_type": "v" if self._is_velocity else "epsilon"}
        found |= {"ss_v2": str(self.is_second)}
        generation, width = ("sd_v2", 1024) if self.is_second else ("sd_v1", 768)
        if self.config.cross_attention_dim == width:  # a model of another size is none of these, whoever made it
            found |= {"ss_base_model_version": generation}
        return found | ({"ss_v_parameterization": "True"} if self._is_velocity else {})

    @cached_property
    def noise_scheduler(self) -> Any:
        """The schedule that it was trained on, whichever sampler its pipeline draws with."""
        from diffusers import DDPMScheduler

        return DDPMScheduler.from_config(self.pipeline.scheduler.config)

    @property
    def _is_velocity(self) -> bool:
        return bool(self.noise_scheduler.config.prediction_type == "v_prediction")

    def timesteps(self, t: torch.Tensor) -> torch.Tensor:
        """Noise levels as the schedule counts them, from 0."""
        count = self.noise_scheduler.config.num_train_timesteps
        return (t * count).round().long().clamp(max=count - 1)

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, _ = self.pipeline.encode_prompt(prompt, self.device, 1, False)
        return {"embeds": embeds[0]}

    def draw_noise_levels(self, count: int, generator: torch.Generator, latents: torch.Tensor) -> torch.Tensor:
        import torch

        steps = self.noise_scheduler.config.num_train_timesteps
        return torch.randint(0, steps, (count,), generator=generator) / steps

    def validation_noise_levels(self, count: int) -> torch.Tensor:
        steps = self.noise_scheduler.config.num_train_timesteps
        return (super().validation_noise_levels(count) * steps).floor() / steps

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        noisy: torch.Tensor = self.noise_scheduler.add_noise(latents, noise, self.timesteps(t))
        return noisy

    def target(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.noise_scheduler.get_velocity(latents, noise, self.timesteps(t)) if self._is_velocity else noise

    def loss_weights(self, t: torch.Tensor, gamma: float | None) -> torch.Tensor:
        """Min-SNR: a noise level's weight is capped at gamma over its signal-to-noise ratio (arXiv 2303.09556).

        The ratio is one larger for v-prediction.
        """
        if gamma is None:
            return super().loss_weights(t, gamma)
        alphas = self.noise_scheduler.alphas_cumprod.to(t.device)[self.timesteps(t)]
        snr = alphas / (1 - alphas)
        over = snr + 1 if self._is_velocity else snr.clamp(min=1e-8)
        return snr.clamp(max=gamma) / over

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        predicted: torch.Tensor = self.network(noisy, self.timesteps(t), conditioning["embeds"]).sample
        return predicted

    def is_guided(self, guidance: float) -> bool:
        return guidance > 1 and not self.config.get("time_cond_proj_dim")  # which a model has that was distilled with its guidance

    def denoise_from(self, latents: torch.Tensor, conditionings: Sequence[Conditioning], seed: int, sampling: Sampling) -> torch.Tensor:
        """Latents that the pipeline denoised, from this noise and encoded prompts; `seed`: of samplers that draw noise."""
        import torch

        keys = self.conditioning_keys(conditionings, sampling)
        return self.call_pipeline(keys | {"latents": latents, "generator": torch.Generator().manual_seed(seed)}, sampling)


def is_distilled(name: str) -> bool:
    """Whether a model was distilled to few steps, by its name."""
    return re.search(r"turbo|lightning|lcm|hyper-?sd", name, re.IGNORECASE) is not None


class StableDiffusionDistilled(StableDiffusion):
    """SD-Turbo and its kind, distilled to few steps."""

    recommended: ClassVar[Recommended] = drawing_with(4, 0.0)
    taught_instead = "the model that it was distilled from, such as stable-diffusion-v1-5/stable-diffusion-v1-5"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return is_distilled(name)


class StableDiffusionLCM(StableDiffusionDistilled):
    """Latent consistency models, which are told a guidance of 3 to 13.

    https://huggingface.co/docs/diffusers/api/pipelines/latent_consistency_models.
    """

    recommended: ClassVar[Recommended] = drawing_with(4, 8.0)

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return bool(config.get("time_cond_proj_dim"))
