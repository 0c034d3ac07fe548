"""FLUX.2-klein: FLUX's successor for small cards, with Qwen3 for a text encoder and normalised, patchified latents. *Base* is taught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ADDED_ATTENTION, ATTENTION, Conditioning, Family, Recommended, Sampling, learning_with
from gaucho_pipeline.families.model_files import Configs
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_ADDED = (*ADDED_ATTENTION, "to_qkv_mlp_proj", "single_transformer_blocks.*.attn.to_out")
"""The last of them is no list, as those of other blocks are (huggingface/diffusers#13011)."""
_FEED_FORWARD = ("ff.linear_in", "ff.linear_out", "ff_context.linear_in", "ff_context.linear_out")


class Flux2Klein(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/flux2."""

    pipeline_class = "Flux2KleinPipeline"
    architecture = "flux-2-klein"
    code_version = "2"
    recommended: ClassVar[Recommended] = learning_with(1e-4, 50, 4.0)
    """Those of musubi-tuner for FLUX.2-klein-base-4B; for the 9B OneTrainer has 3e-5."""
    blocks: ClassVar[tuple[str, ...]] = ("transformer_blocks", "single_transformer_blocks")
    reads_portuguese = True  # Qwen's language models were trained on it
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "attention": (*ATTENTION, *_ADDED),
        "attention_ff": (*ATTENTION, *_ADDED, *_FEED_FORWARD),
    }
    own_side = 1024
    max_sequence_length = 512
    hidden_layers = (9, 18, 27)
    """The layers of the text encoder that are read."""

    @classmethod
    def refusal(cls, configs: Configs) -> str | None:
        layers = configs.get("text_encoder", JsonObject()).get("num_hidden_layers")
        if isinstance(layers, int) and layers < max(cls.hidden_layers):
            return f"has a text encoder of {layers} layers, of which number {max(cls.hidden_layers)} is read; fetch the whole model again"
        return super().refusal(configs)

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        posterior, own, norm = self.vae.encode(pixels).latent_dist, type(self.pipeline), self.vae.bn
        mean = norm.running_mean.view(1, -1, 1, 1)
        std = (norm.running_var.view(1, -1, 1, 1) + self.vae.config.batch_norm_eps).sqrt()
        return (own._patchify_latents(posterior.mean) - mean) / std, own._patchify_latents(posterior.std) / std

    def is_guided(self, guidance: float) -> bool:
        return guidance > 1 and not self.pipeline.config.is_distilled

    def call_pipeline(self, keys: dict[str, Any], sampling: Sampling) -> torch.Tensor:
        self.parts.need("vae", self.denoiser)  # by whose statistics the pipeline ends, before it decodes
        return super().call_pipeline(keys, sampling)

    def _decode(self, latents: torch.Tensor) -> list[Any]:
        """Pictures of latents, or of what the pipeline ends with: that is as the VAE takes it, and normalising it again would round."""
        if latents.shape[1] != self.vae.config.latent_channels:
            own, norm = type(self.pipeline), self.vae.bn
            std = (norm.running_var.view(1, -1, 1, 1) + self.vae.config.batch_norm_eps).sqrt()
            latents = own._unpatchify_latents(latents * std + norm.running_mean.view(1, -1, 1, 1))
        pictures: list[Any] = self.pipeline.image_processor.postprocess(self.vae.decode(latents).sample.float())
        return pictures

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, ids = self.pipeline.encode_prompt(
            prompt,
            device=self.device,
            max_sequence_length=self.max_sequence_length,
            text_encoder_out_layers=self.hidden_layers,
        )
        return {"embeds": embeds[0], "ids": ids[0]}

    def mu(self, latents: torch.Tensor) -> float:
        from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

        return float(compute_empirical_mu(latents.shape[-1] * latents.shape[-2], 50))

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        own = type(self.pipeline)
        places = own._prepare_latent_ids(noisy).to(noisy.device)
        packed = self.network(
            hidden_states=own._pack_latents(noisy),
            timestep=t,
            guidance=None,
            encoder_hidden_states=conditioning["embeds"],
            txt_ids=conditioning["ids"],
            img_ids=places,
            return_dict=False,
        )[0]
        predicted: torch.Tensor = own._unpack_latents_with_ids(packed, places)
        return predicted


class Flux2KleinDistilled(Flux2Klein):
    """FLUX.2-klein without *base* in its name, distilled to four steps."""

    recommended: ClassVar[Recommended] = learning_with(1e-4, 4, 1.0)
    takes_negative_prompts = False
    taught_instead = "its sibling with base in the name, such as black-forest-labs/FLUX.2-klein-base-4B"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return index.get("is_distilled") is True
