"""FLUX.2-klein: FLUX's successor for small cards, with Qwen3 for a text encoder and normalised, patchified latents. *Base* is taught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ADDED_ATTENTION, ATTENTION, Conditioning, Family, Recommended, Sampling, drawing_with

if TYPE_CHECKING:
    import torch

_ADDED = (*ADDED_ATTENTION, "to_qkv_mlp_proj")
_FEED_FORWARD = ("ff.linear_in", "ff.linear_out", "ff_context.linear_in", "ff_context.linear_out")


class Flux2Klein(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/flux2."""

    pipeline_class = "Flux2KleinPipeline"
    architecture = "flux-2-klein"
    recommended: ClassVar[Recommended] = drawing_with(50, 4.0)
    reads_portuguese = True  # Qwen's language models were trained on it
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "attention": (*ATTENTION, *_ADDED),
        "attention_ff": (*ATTENTION, *_ADDED, *_FEED_FORWARD),
    }
    max_sequence_length = 512
    hidden_layers = (9, 18, 27)
    """The layers of the text encoder that are read."""

    @property
    def resolution(self) -> int:
        return 1024

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        posterior, own, norm = self.vae.encode(pixels).latent_dist, type(self.pipeline), self.vae.bn
        mean = norm.running_mean.view(1, -1, 1, 1)
        std = (norm.running_var.view(1, -1, 1, 1) + self.vae.config.batch_norm_eps).sqrt()
        return (own._patchify_latents(posterior.mean) - mean) / std, own._patchify_latents(posterior.std) / std

    def is_guided(self, guidance: float) -> bool:
        return guidance > 1 and not self.pipeline.config.is_distilled

    def call_pipeline(self, keys: dict[str, Any], sampling: Sampling) -> torch.Tensor:
        self.parts.need("vae")  # by whose statistics the pipeline ends, before it decodes
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
