"""Qwen-Image: a flow-matching transformer whose VAE is that of a video model, with a mask for its prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ADDED_ATTENTION, ATTENTION, Conditioning, Family, Recommended, drawing_with

if TYPE_CHECKING:
    import torch

_FEED_FORWARD = ("img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2")


class QwenImage(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/qwenimage."""

    pipeline_class = "QwenImagePipeline"
    architecture = "qwen-image"
    recommended: ClassVar[Recommended] = drawing_with(50, 4.0)
    reads_portuguese = True  # Qwen's language models were trained on it
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "attention": (*ATTENTION, *ADDED_ATTENTION),
        "attention_ff": (*ATTENTION, *ADDED_ATTENTION, *_FEED_FORWARD),
    }
    max_sequence_length = 512

    @property
    def resolution(self) -> int:
        return 1024

    def guidance_keys(self, negative_prompt: str, guidance: float, count: int) -> dict[str, bool | float | list[str] | None]:
        return {"true_cfg_scale": guidance, "negative_prompt": [negative_prompt or " "] * count}

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        posterior, config = self.pipeline.vae.encode(pixels.unsqueeze(2)).latent_dist, self.pipeline.vae.config
        mean, std = (pixels.new_tensor(values).view(1, -1, 1, 1) for values in (config.latents_mean, config.latents_std))
        return (posterior.mean[:, :, 0] - mean) / std, posterior.std[:, :, 0] / std

    def decode(self, latents: torch.Tensor) -> list[Any]:
        config = self.pipeline.vae.config
        mean, std = (latents.new_tensor(values).view(1, -1, 1, 1) for values in (config.latents_mean, config.latents_std))
        decoded = self.pipeline.vae.decode((latents * std + mean).unsqueeze(2)).sample[:, :, 0]
        pictures: list[Any] = self.pipeline.image_processor.postprocess(decoded.float())
        return pictures

    def encode_prompt(self, prompt: str) -> Conditioning:
        embeds, mask = self.pipeline.encode_prompt(prompt, device=self.pipeline.device, max_sequence_length=self.max_sequence_length)
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
