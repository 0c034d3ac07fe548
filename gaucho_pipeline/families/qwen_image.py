"""Qwen-Image: a flow-matching transformer whose VAE is that of a video model, with a mask for its prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ADDED_ATTENTION, ATTENTION, Conditioning, Family, Recommended, learning_with

if TYPE_CHECKING:
    import torch

_MODULATIONS = ("img_mod.1", "txt_mod.1")
"""DiffSynth-Studio names them for Qwen-Image."""
_FEED_FORWARD = ("img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2")


class QwenImage(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/qwenimage."""

    pipeline_class = "QwenImagePipeline"
    architecture = "qwen-image"
    recommended: ClassVar[Recommended] = learning_with(5e-5, 50, 4.0)
    """musubi-tuner's `docs/qwen_image.md`, whose rate goes with its shift; diffusers' script has 2e-4."""
    code_version = "2"
    training_shift: ClassVar[float | None] = 2.2
    reads_portuguese = True  # Qwen's language models were trained on it
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "attention": (*ATTENTION, *ADDED_ATTENTION),
        "attention_ff": (*ATTENTION, *ADDED_ATTENTION, *_FEED_FORWARD, *_MODULATIONS),
    }
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds", "mask": "prompt_embeds_mask"}
    own_side = 1024
    max_sequence_length = 512

    @classmethod
    def call_arguments(cls, guidance_scale: float) -> str:
        return f'negative_prompt=" ", true_cfg_scale={guidance_scale:g}'

    def guidance_keys(self, guidance: float) -> dict[str, Any]:
        return {"true_cfg_scale": guidance}

    def negative_text(self, negative_prompt: str) -> str:
        return negative_prompt or " "  # an empty one has no tokens at all

    def unpacked(self, latents: torch.Tensor, side: int) -> torch.Tensor:
        found: torch.Tensor = type(self.pipeline)._unpack_latents(latents, side, side, self.pipeline.vae_scale_factor)
        return found.squeeze(2)

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        posterior, config = self.vae.encode(pixels.unsqueeze(2)).latent_dist, self.vae.config
        mean, std = (pixels.new_tensor(values).view(1, -1, 1, 1) for values in (config.latents_mean, config.latents_std))
        return (posterior.mean[:, :, 0] - mean) / std, posterior.std[:, :, 0] / std

    def _decode(self, latents: torch.Tensor) -> list[Any]:
        config = self.vae.config
        mean, std = (latents.new_tensor(values).view(1, -1, 1, 1, 1) for values in (config.latents_mean, config.latents_std))
        decoded = self.vae.decode(latents.unsqueeze(2) / (1.0 / std) + mean).sample[:, :, 0]  # as the pipeline rounds
        pictures: list[Any] = self.pipeline.image_processor.postprocess(decoded.float())
        return pictures

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, mask = self.pipeline.encode_prompt(prompt, device=self.device, max_sequence_length=self.max_sequence_length)
        return {"embeds": embeds[0], "mask": embeds.new_ones(embeds.shape[1]).long() if mask is None else mask[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        count, channels, height, width = noisy.shape
        own, factor = type(self.pipeline), self.pipeline.vae_scale_factor
        packed = self.network(
            hidden_states=own._pack_latents(noisy, count, channels, height, width),
            encoder_hidden_states=conditioning["embeds"],
            encoder_hidden_states_mask=conditioning["mask"],
            timestep=t,
            img_shapes=[[(1, height // 2, width // 2)]] * count,
            return_dict=False,
        )[0]
        predicted: torch.Tensor = own._unpack_latents(packed, height * factor, width * factor, factor).squeeze(2)
        return predicted
