"""FLUX.1: a flow-matching transformer over packed latents, with a guidance that is an input where the model was distilled."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.families.base import ADDED_ATTENTION, ATTENTION, Conditioning, Family, Recommended, learning_with
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_FEED_FORWARD = (
    "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2", "proj_mlp", "single_transformer_blocks.*.proj_out",
)  # fmt: skip
_MODULATIONS = ("norm1.linear", "norm1_context.linear", "norm.linear")
"""DiffSynth-Studio names them for FLUX.1 (`examples/flux`), and ComfyUI reads them."""


class Flux(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/flux."""

    pipeline_class = "FluxPipeline"
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds", "pooled": "pooled_prompt_embeds"}
    architecture = "flux-1-dev"
    code_version = "2"
    recommended: ClassVar[Recommended] = learning_with(1e-4, 28, 3.5)
    """The rate of sd-scripts' `docs/flux_train_network.md`; drawn as its pipeline does by itself."""
    blocks: ClassVar[tuple[str, ...]] = ("transformer_blocks", "single_transformer_blocks")
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "attention": (*ATTENTION, *ADDED_ATTENTION),
        "attention_ff": (*ATTENTION, *ADDED_ATTENTION, *_FEED_FORWARD, *_MODULATIONS),
    }
    own_side = 1024
    required_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    max_sequence_length = 512
    takes_negative_prompts = False  # its guidance was distilled into it
    guidance = 1.0
    """What a model with an embedded guidance is told while it is taught: the 1 of diffusers' README_flux.md and sd-scripts' page."""

    @property
    def has_distilled_guidance(self) -> bool:
        return bool(self.config["guidance_embeds"])

    def unpacked(self, latents: torch.Tensor, side: int) -> torch.Tensor:
        found: torch.Tensor = type(self.pipeline)._unpack_latents(latents, side, side, self.pipeline.vae_scale_factor)
        return found

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, pooled, _ = self.pipeline.encode_prompt(prompt, None, device=self.device, max_sequence_length=self.max_sequence_length)
        return {"embeds": embeds[0], "pooled": pooled[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        count, channels, height, width = noisy.shape
        own, factor = type(self.pipeline), self.pipeline.vae_scale_factor
        packed = self.network(
            hidden_states=own._pack_latents(noisy, count, channels, height, width),
            timestep=t,
            guidance=noisy.new_full((count,), self.guidance) if self.config.guidance_embeds else None,
            pooled_projections=conditioning["pooled"],
            encoder_hidden_states=conditioning["embeds"],
            txt_ids=noisy.new_zeros(conditioning["embeds"].shape[1], 3),
            img_ids=own._prepare_latent_image_ids(count, height // 2, width // 2, noisy.device, noisy.dtype),
            return_dict=False,
        )[0]
        predicted: torch.Tensor = own._unpack_latents(packed, height * factor, width * factor, factor)
        return predicted


class FluxSchnell(Flux):
    """FLUX.1-schnell, distilled to few steps: it has no guidance at all."""

    architecture = "flux-1-schnell"
    code_version = "3"
    max_sequence_length = 256  # https://huggingface.co/docs/diffusers/api/pipelines/flux: it cannot be more
    recommended: ClassVar[Recommended] = learning_with(1e-4, 4, 0.0)
    taught_instead = "black-forest-labs/FLUX.1-dev, or Chroma1, whose licence is open"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return config.get("guidance_embeds") is False or "schnell" in name.lower()
