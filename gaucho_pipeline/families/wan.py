"""Wan: a video model, to which an image is a clip of one frame. It learns from images, and draws pictures and clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, drawing_with
from gaucho_pipeline.families.model_files import Configs
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_FEED_FORWARD = ("ffn.net.0.proj", "ffn.net.2")


class Wan(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/wan."""

    pipeline_class = "WanPipeline"
    architecture = "wan2.1-t2v"
    recommended: ClassVar[Recommended] = drawing_with(50, 5.0)
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "attention": ATTENTION,
        "attention_ff": (*ATTENTION, *_FEED_FORWARD),
    }
    sequence_methods: ClassVar[tuple[str, ...]] = ("video",)
    max_sequence_length = 512

    @classmethod
    def refusal(cls, configs: Configs) -> str | None:
        if "transformer_2" in configs:
            return "has two denoisers, one for each half of the noise; what can be taught has one: take Wan 2.1"
        if configs.get("vae", JsonObject()).get("is_residual"):
            return "has noise that differs from place to place (Wan 2.2, 5B); what can be taught has one for all: take Wan 2.1"
        transformer = configs.get("transformer", JsonObject())
        if transformer.get("image_dim") or transformer.get("in_channels", 16) != transformer.get("out_channels", 16):
            return "draws clips that begin with an image; what can be taught draws from words alone"
        return super().refusal(configs)

    @property
    def resolution(self) -> int:
        return 480  # the smaller side that its makers trained on: the denoiser itself takes any

    def generate(
        self, prompts: Sequence[str], negative_prompt: str, steps: int, guidance: float, seeds: Sequence[int], side: int
    ) -> list[Any]:
        """A clip of one frame for each prompt, from its own seed."""
        return [
            self.generate_clip(prompt, negative_prompt, steps, guidance, seed, side, 1)[0]
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    def generate_clip(self, prompt: str, negative_prompt: str, steps: int, guidance: float, seed: int, side: int, frames: int) -> list[Any]:
        """So many frames that follow one another, square: of the one and a multiple of what its VAE packs that the model draws."""
        import torch

        packed = self.pipeline.vae_scale_factor_temporal
        whole = 1 + -(-(frames - 1) // packed) * packed
        found: list[Any] = self.pipeline(
            prompt=prompt,
            negative_prompt=negative_prompt,
            num_frames=whole,
            height=side,
            width=side,
            num_inference_steps=steps,
            guidance_scale=guidance,
            max_sequence_length=self.max_sequence_length,
            generator=torch.Generator().manual_seed(seed),
            output_type="pil",
        ).frames[0]
        return found[:frames]

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        posterior = self.pipeline.vae.encode(pixels.unsqueeze(2)).latent_dist
        mean, deviation = self._statistics(pixels)
        return ((posterior.mean - mean) / deviation).squeeze(2), (posterior.std / deviation).squeeze(2)

    def decode(self, latents: torch.Tensor) -> list[Any]:
        mean, deviation = self._statistics(latents)
        decoded = self.pipeline.vae.decode(latents.unsqueeze(2) * deviation + mean).sample
        pictures: list[Any] = [clip[0] for clip in self.pipeline.video_processor.postprocess_video(decoded.float(), output_type="pil")]
        return pictures

    def _statistics(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each channel of latents, as the VAE states them."""
        config = self.pipeline.vae.config
        mean, deviation = (like.new_tensor(values).view(1, -1, 1, 1, 1) for values in (config.latents_mean, config.latents_std))
        return mean, deviation

    def encode_prompt(self, prompt: str) -> Conditioning:
        embeds, _ = self.pipeline.encode_prompt(
            prompt, do_classifier_free_guidance=False, max_sequence_length=self.max_sequence_length, device=self.pipeline.device
        )
        return {"embeds": embeds[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        predicted: torch.Tensor = self.network(
            hidden_states=noisy.unsqueeze(2), timestep=t * 1000, encoder_hidden_states=conditioning["embeds"], return_dict=False
        )[0]
        return predicted.squeeze(2)
