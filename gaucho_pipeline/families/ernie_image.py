"""ERNIE-Image: a single-stream flow-matching transformer over FLUX.2's latents, with Mistral's text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, learning_with
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_ATTENTION = tuple(f"self_attention.{name}" for name in ATTENTION)
_FEED_FORWARD = ("mlp.gate_proj", "mlp.up_proj", "mlp.linear_fc2")
_EPSILON = 1e-5
"""Of the VAE's normalisation, as the pipeline has it: its configuration says another."""


class ErnieImage(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/ernie_image. What rewrites prompts before it reads them is left out."""

    pipeline_class = "ErnieImagePipeline"
    architecture = "ernie-image"
    recommended: ClassVar[Recommended] = learning_with(3e-4, 50, 4.0)
    """OneTrainer's preset; drawn with the pipeline's defaults."""
    reader = ""
    blocks: ClassVar[tuple[str, ...]] = ("layers",)
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {"attention": _ATTENTION, "attention_ff": (*_ATTENTION, *_FEED_FORWARD)}
    sequence_first: ClassVar[tuple[str, ...]] = (".mlp.",)
    own_side = 1024
    without: ClassVar[tuple[str, ...]] = ("pe", "pe_tokenizer")

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        posterior, own = self.vae.encode(pixels).latent_dist, type(self.pipeline)
        mean, std = self._statistics()
        return (own._patchify_latents(posterior.mean) - mean) / std, own._patchify_latents(posterior.std) / std

    def _decode(self, latents: torch.Tensor) -> list[Any]:
        mean, std = self._statistics()
        plain = type(self.pipeline)._unpatchify_latents(latents * std + mean)
        pictures: list[Any] = self.pipeline.image_processor.postprocess(self.vae.decode(plain).sample.float())
        return pictures

    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each channel of patchified latents, (1, channels, 1, 1)."""
        norm = self.vae.bn
        return norm.running_mean.view(1, -1, 1, 1), (norm.running_var.view(1, -1, 1, 1) + _EPSILON).sqrt()

    def _encode_prompt(self, prompt: str) -> Conditioning:
        return {"embeds": self.pipeline.encode_prompt(prompt, self.device)[0]}

    def collate(self, conditionings: Sequence[Conditioning]) -> Conditioning:
        return {"embeds": [each["embeds"] for each in conditionings]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        text, lengths = type(self.pipeline)._pad_text(conditioning["embeds"], noisy.device, noisy.dtype, self.config["text_in_dim"])
        predicted: torch.Tensor = self.network(hidden_states=noisy, timestep=t * 1000, text_bth=text, text_lens=lengths, return_dict=False)[
            0
        ]
        return predicted


class ErnieImageTurbo(ErnieImage):
    """ERNIE-Image-Turbo, distilled to eight steps; its files say so by their name alone."""

    recommended: ClassVar[Recommended] = learning_with(3e-4, 8, 1.0)
    taught_instead = "baidu/ERNIE-Image"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return "turbo" in name.lower()
