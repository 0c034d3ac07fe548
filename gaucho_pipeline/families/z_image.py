"""Z-Image: a flow-matching transformer that counts time from noise to picture, with prompts of any length side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.families.base import ATTENTION, Conditioning, Family, Recommended, learning_with
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

_ATTENTION = tuple(f"attention.{name}" for name in ATTENTION)
_FEED_FORWARD = ("feed_forward.w1", "feed_forward.w2", "feed_forward.w3")


class ZImage(Family):
    """https://huggingface.co/docs/diffusers/api/pipelines/z_image."""

    pipeline_class = "ZImagePipeline"
    architecture = "z-image"
    recommended: ClassVar[Recommended] = learning_with(1e-4, 50, 5.0)
    """musubi-tuner's `docs/zimage.md`."""
    code_version = "2"
    training_shift = 2.0  # that page's: its sampler's own, 6, leaves 3.7 % of the draws below half noise
    blocks: ClassVar[tuple[str, ...]] = ("noise_refiner", "context_refiner", "layers")
    not_adapted: ClassVar[dict[str, str]] = {
        "adaLN_modulation.0": "DiffSynth-Studio and diffusers' script for Z-Image leave modulations as they are"
    }
    reads_portuguese = True  # Qwen's language models were trained on it
    target_modules: ClassVar[dict[str, tuple[str, ...]]] = {"attention": _ATTENTION, "attention_ff": (*_ATTENTION, *_FEED_FORWARD)}
    own_side = 1024
    max_sequence_length = 512

    def is_guided(self, guidance: float) -> bool:
        return guidance > 0

    def _encode_prompt(self, prompt: str) -> Conditioning:
        prompts = [prompt]  # the pipeline writes into the list that it is given
        embeds, _ = self.pipeline.encode_prompt(
            prompts, device=self.device, do_classifier_free_guidance=False, max_sequence_length=self.max_sequence_length
        )
        return {"embeds": embeds[0]}

    def collate(self, conditionings: Sequence[Conditioning]) -> Conditioning:
        return {"embeds": [each["embeds"] for each in conditionings]}

    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        import torch

        clips = list(noisy.unsqueeze(2).unbind(0))
        return -torch.stack(self.network(clips, 1 - t, conditioning["embeds"], return_dict=False)[0]).squeeze(2)


class ZImageTurbo(ZImage):
    """Z-Image-Turbo, distilled to eight steps; its files say so by their name alone."""

    recommended: ClassVar[Recommended] = learning_with(1e-4, 9, 0.0)
    taught_instead = "Tongyi-MAI/Z-Image"

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        return "turbo" in name.lower()
