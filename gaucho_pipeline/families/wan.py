"""Wan: a video model, to which an image is a clip of one frame. It learns from images, and draws pictures and clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, Sampling, learning_with
from gaucho_pipeline.families.model_files import Configs
from gaucho_pipeline.families.single_files import renamed
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_RENAMED = (
    (r"(.*)\.attn1\.to_([qkv])", r"diffusion_model.\1.self_attn.\2"),
    (r"(.*)\.attn1\.to_out\.0", r"diffusion_model.\1.self_attn.o"),
    (r"(.*)\.attn2\.to_([qkv])", r"diffusion_model.\1.cross_attn.\2"),
    (r"(.*)\.attn2\.to_out\.0", r"diffusion_model.\1.cross_attn.o"),
    (r"(.*)\.ffn\.net\.0\.proj", r"diffusion_model.\1.ffn.0"),
    (r"(.*)\.ffn\.net\.2", r"diffusion_model.\1.ffn.2"),
    (r"(.*)", r"diffusion_model.\1"),
)

_FEED_FORWARD = ("ffn.net.0.proj", "ffn.net.2")


class Wan(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/wan."""

    pipeline_class = "WanPipeline"
    architecture = "wan2.1-t2v"
    recommended: ClassVar[Recommended] = learning_with(2e-4, 50, 5.0)
    """The rate of musubi-tuner's `docs/wan.md`."""
    blocks: ClassVar[tuple[str, ...]] = ("blocks",)
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "attention": ATTENTION,
        "attention_ff": (*ATTENTION, *_FEED_FORWARD),
    }
    sequence_methods: ClassVar[tuple[str, ...]] = ("video",)
    own_side = 480  # the smaller one that its makers trained on: the denoiser itself takes any
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

    @classmethod
    def call_arguments(cls, guidance_scale: float) -> str:
        return f"{super().call_arguments(guidance_scale)}, num_frames=1"

    def denoise(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> torch.Tensor:
        """Latents of a clip of one frame for each prompt, from its own seed."""
        import torch

        clips = [self.denoise_clip(prompt, seed, sampling, 1) for prompt, seed in zip(prompts, seeds, strict=True)]
        return torch.cat(clips).squeeze(2)

    def denoise_clip(self, prompt: str, seed: int, sampling: Sampling, frames: int) -> torch.Tensor:
        """Latents of a clip, (1, channels, packed frames, height, width), that has at least so many frames."""
        import torch

        packed = self.pipeline.vae_scale_factor_temporal
        keys = self.prompt_keys([prompt], sampling) | {"num_frames": 1 + -(-(frames - 1) // packed) * packed}
        return self.call_pipeline(keys | {"generator": torch.Generator().manual_seed(seed)}, sampling)

    def generate_clip(self, prompt: str, seed: int, sampling: Sampling, frames: int) -> list[Any]:
        """So many frames that follow one another, square."""
        return self._decode_clips(self.denoise_clip(prompt, seed, sampling, frames))[0][:frames]

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        posterior = self.vae.encode(pixels.unsqueeze(2)).latent_dist
        mean, deviation = self._statistics(pixels)
        return ((posterior.mean - mean) / deviation).squeeze(2), (posterior.std / deviation).squeeze(2)

    def _decode(self, latents: torch.Tensor) -> list[Any]:
        return [clip[0] for clip in self._decode_clips(latents.unsqueeze(2))]

    def _decode_clips(self, latents: torch.Tensor) -> list[list[Any]]:
        mean, deviation = self._statistics(latents)
        decoded = self.vae.decode(latents.to(self.vae.dtype) / (1.0 / deviation) + mean).sample  # as the pipeline rounds
        clips: list[list[Any]] = self.pipeline.video_processor.postprocess_video(decoded.float(), output_type="pil")
        return clips

    def _statistics(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each channel of latents, as the VAE states them."""
        config = self.vae.config
        mean, deviation = (like.new_tensor(values).view(1, -1, 1, 1, 1) for values in (config.latents_mean, config.latents_std))
        return mean, deviation

    @staticmethod
    def to_single_file(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """In its makers' own names, which ComfyUI reads."""
        return renamed(weights, _RENAMED)

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, _ = self.pipeline.encode_prompt(
            prompt, do_classifier_free_guidance=False, max_sequence_length=self.max_sequence_length, device=self.device
        )
        return {"embeds": embeds[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        predicted: torch.Tensor = self.network(
            hidden_states=noisy.unsqueeze(2), timestep=t * 1000, encoder_hidden_states=conditioning["embeds"], return_dict=False
        )[0]
        return predicted.squeeze(2)
