"""Stable Diffusion 1.x and 2.x: epsilon or v-prediction on a discrete schedule, one text encoder. The embedded model is one of these."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import Conditioning, Family
from gaucho_pipeline.target_modules import TARGET_MODULES

if TYPE_CHECKING:
    import torch


class StableDiffusion(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/stable_diffusion/text2img."""

    pipeline_class = "StableDiffusionPipeline"
    architecture = "stable-diffusion-v1"
    denoiser = "unet"
    pixel_multiple = 8
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = TARGET_MODULES

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

    def encode_prompt(self, prompt: str) -> Conditioning:
        embeds, _ = self.pipeline.encode_prompt(prompt, self.pipeline.device, 1, False)
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
