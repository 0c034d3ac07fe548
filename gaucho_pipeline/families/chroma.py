"""Chroma1: FLUX.1-schnell's architecture without its guidance, taught anew under an open licence; one text encoder, whose mask is heard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ADDED_ATTENTION, ATTENTION, Conditioning, Family, Recommended, learning_with
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_FEED_FORWARD = (
    "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2", "proj_mlp", "single_transformer_blocks.*.proj_out",
)  # fmt: skip


class Chroma(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/chroma."""

    pipeline_class = "ChromaPipeline"
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds", "mask": "prompt_attention_mask"}
    architecture = "chroma-1"
    recommended: ClassVar[Recommended] = learning_with(3e-4, 40, 3.0)
    """OneTrainer's preset; drawn as its makers do."""
    blocks: ClassVar[tuple[str, ...]] = ("transformer_blocks", "single_transformer_blocks")
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "attention": (*ATTENTION, *ADDED_ATTENTION),
        "attention_ff": (*ATTENTION, *ADDED_ATTENTION, *_FEED_FORWARD),
    }
    without: ClassVar[tuple[str, ...]] = ("image_encoder", "feature_extractor")
    own_side = 1024
    max_sequence_length = 512

    def unpacked(self, latents: torch.Tensor, side: int) -> torch.Tensor:
        found: torch.Tensor = type(self.pipeline)._unpack_latents(latents, side, side, self.pipeline.vae_scale_factor)
        return found

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, mask = self.pipeline._get_t5_prompt_embeds(prompt, max_sequence_length=self.max_sequence_length, device=self.device)
        return {"embeds": embeds[0], "mask": mask[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        count, channels, height, width = noisy.shape
        own, factor = type(self.pipeline), self.pipeline.vae_scale_factor
        packed = own._pack_latents(noisy, count, channels, height, width)
        mask = self.pipeline._prepare_attention_mask(count, packed.shape[1], packed.dtype, conditioning["mask"])
        with _masked_when_computed_twice(self.network, mask):
            predicted = self.network(
                hidden_states=packed,
                timestep=t,
                encoder_hidden_states=conditioning["embeds"],
                txt_ids=noisy.new_zeros(conditioning["embeds"].shape[1], 3),
                img_ids=own._prepare_latent_image_ids(count, height // 2, width // 2, noisy.device, noisy.dtype),
                attention_mask=mask,
                return_dict=False,
            )[0]
        found: torch.Tensor = own._unpack_latents(predicted, height * factor, width * factor, factor)
        return found


class ChromaFlash(Chroma):
    """Chroma1-Flash, distilled to few steps; its files say so by their name alone."""

    recommended: ClassVar[Recommended] = learning_with(3e-4, 8, 1.0)
    taught_instead = "lodestones/Chroma1-HD, or its Base"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return "flash" in name.lower()


@contextlib.contextmanager
def _masked_when_computed_twice(network: Any, mask: torch.Tensor) -> Iterator[None]:
    """Has single blocks hear the prompt's mask under gradient checkpointing, too: diffusers 0.42.1 does not hand it on to them there."""
    if not network.gradient_checkpointing:
        yield
        return
    real, singles = network._gradient_checkpointing_func, set(network.single_transformer_blocks)
    network._gradient_checkpointing_func = lambda block, *args: real(block, *args, *((mask,) if block in singles else ()))
    try:
        yield
    finally:
        network._gradient_checkpointing_func = real
