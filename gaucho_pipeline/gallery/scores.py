"""Scores of pictures: likeness to images that were never learned from, and to the words.

Cosines of CLIP embeddings; they compare only with scores of the same encoder, whose name stands beside them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from gaucho_pipeline.base_models import EMBEDDED_FOLDER
from gaucho_pipeline.images import square

EMBEDDED_SCORER = EMBEDDED_FOLDER / "scorer"


class Scorer:
    """An image-text encoder. The embedded one knows the embedded world; of photographs it says little."""

    def __init__(self, folder: Path = EMBEDDED_SCORER) -> None:
        self.name = "embedded scorer" if folder == EMBEDDED_SCORER else folder.name
        self._model = CLIPModel.from_pretrained(folder).eval()
        self._tokenizer = CLIPTokenizer.from_pretrained(folder)
        self._processor = CLIPImageProcessorPil.from_pretrained(folder)

    @torch.inference_mode()
    def embed_images(self, pictures: list[Image.Image]) -> torch.Tensor:
        """Unit vectors, (n, width)."""
        side = self._model.config.vision_config.image_size
        inputs = self._processor([square(p.convert("RGB"), side) for p in pictures], return_tensors="pt")
        return _unit(self._model.visual_projection(self._model.vision_model(**inputs).pooler_output))

    @torch.inference_mode()
    def embed_texts(self, texts: list[str]) -> torch.Tensor:
        """Unit vectors, (n, width)."""
        inputs = self._tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        return _unit(self._model.text_projection(self._model.text_model(input_ids=inputs.input_ids).pooler_output))


def likeness(pictures: torch.Tensor, real: torch.Tensor) -> float:
    """Mean cosine of every picture with every real image."""
    return round((pictures @ real.T).mean().item(), 4)


def agreement(pictures: torch.Tensor, texts: torch.Tensor) -> float:
    """Mean cosine of each picture with its own text."""
    return round((pictures * texts).sum(1).mean().item(), 4)


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)
