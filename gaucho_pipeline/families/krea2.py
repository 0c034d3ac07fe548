"""Krea 2: a flow-matching transformer that reads many layers of a vision-language model. *Raw* is taught, *Turbo* draws in eight steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Recommended, learning_with
from gaucho_pipeline.families.model_files import MODEL_INDEX, Configs
from gaucho_pipeline.families.qwen_image import QwenImage
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_ATTENTION = (*ATTENTION, "to_gate")
_LAST_LAYER = 35
"""Of the text encoder that is read, where `model_index.json` names none."""
_FEED_FORWARD = ("ff.gate", "ff.up", "ff.down")


class Krea2(QwenImage):
    """https://huggingface.co/docs/diffusers/api/pipelines/krea2. Its VAE is Qwen-Image's."""

    pipeline_class = "Krea2Pipeline"
    architecture = "krea-2"
    code_version = "1"
    recommended: ClassVar[Recommended] = learning_with(3e-4, 28, 4.5)
    """Rank 32, alpha 32 and 3e-4 are its makers' own for LoRA; drawn with the pipeline's defaults."""
    training_shift = None
    blocks: ClassVar[tuple[str, ...]] = ("transformer_blocks", "text_fusion.layerwise_blocks", "text_fusion.refiner_blocks")
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {"attention": _ATTENTION, "attention_ff": (*_ATTENTION, *_FEED_FORWARD)}

    @classmethod
    def refusal(cls, configs: Configs) -> str | None:
        none = JsonObject()
        read = configs.get(MODEL_INDEX, none).get("text_encoder_select_layers") or [_LAST_LAYER]
        last = max((each for each in read if isinstance(each, int)), default=0) if isinstance(read, list) else 0
        layers = configs.get("text_encoder", none).child("text_config").get("num_hidden_layers")
        if isinstance(layers, int) and layers < last:
            return f"has a text encoder of {layers} layers, of which number {last} is read; fetch the whole model again"
        return super().refusal(configs)

    def is_guided(self, guidance: float) -> bool:
        return guidance > 0

    @classmethod
    def call_arguments(cls, guidance_scale: float) -> str:
        return f"guidance_scale={guidance_scale:g}"

    def guidance_keys(self, guidance: float) -> dict[str, Any]:
        return {"guidance_scale": guidance}

    def negative_text(self, negative_prompt: str) -> str:
        return negative_prompt

    def unpacked(self, latents: torch.Tensor, side: int) -> torch.Tensor:
        found: torch.Tensor = self.pipeline._unpack_latents(latents, side, side)
        return found.squeeze(2)

    def mu(self, latents: torch.Tensor) -> float:
        from diffusers.pipelines.krea2.pipeline_krea2 import calculate_shift

        if self.pipeline.config.is_distilled:
            return 1.15
        config, patch = self.pipeline.scheduler.config, self.pipeline.patch_size
        tokens = (latents.shape[-2] // patch) * (latents.shape[-1] // patch)
        given = (("base_image_seq_len", 256), ("max_image_seq_len", 6400), ("base_shift", 0.5), ("max_shift", 1.15))
        return float(calculate_shift(tokens, *(config.get(name, default) for name, default in given)))

    def _encode_prompt(self, prompt: str) -> Conditioning:
        embeds, mask = self.pipeline.encode_prompt(prompt, device=self.device, max_sequence_length=self.max_sequence_length)
        return {"embeds": embeds[0], "mask": mask[0]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        count, channels, height, width = noisy.shape
        patch, factor = self.pipeline.patch_size, self.pipeline.vae_scale_factor
        packed = self.network(
            hidden_states=self.pipeline._pack_latents(noisy, count, channels, height, width),
            encoder_hidden_states=conditioning["embeds"],
            timestep=t,
            position_ids=self.pipeline.prepare_position_ids(conditioning["embeds"].shape[1], height // patch, width // patch, noisy.device),
            encoder_attention_mask=conditioning["mask"],
            return_dict=False,
        )[0]
        predicted: torch.Tensor = self.pipeline._unpack_latents(packed, height * factor, width * factor).squeeze(2)
        return predicted


class Krea2Turbo(Krea2):
    """Krea 2 Turbo, distilled to eight steps."""

    recommended: ClassVar[Recommended] = learning_with(3e-4, 8, 0.0)
    taught_instead = "its sibling Raw, and name this one as gallery.base_model"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return index.get("is_distilled") is True or "turbo" in name.lower()
