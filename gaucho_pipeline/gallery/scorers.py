"""The scorers: figures of generated pictures, each for the base model and for the tuned one.

A new scorer is an entry here and its key in `SampleGalleryMetrics` (`metrics.py`); the page and Dagster show it as they show the others.
Cosines of CLIP embeddings compare only with those of the same encoder, whose name stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from gaucho_pipeline.base_models import EMBEDDED_FOLDER
from gaucho_pipeline.gallery.samples import MODELS, Model
from gaucho_pipeline.images import square
from gaucho_pipeline.metrics import BaseTuned

EMBEDDED_ENCODER = EMBEDDED_FOLDER / "scorer"


class Encoder:
    """An image-text encoder. The embedded one knows the embedded world; of photographs it says little."""

    def __init__(self, folder: Path = EMBEDDED_ENCODER) -> None:
        self.name = "embedded scorer" if folder == EMBEDDED_ENCODER else folder.name
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


@dataclass(frozen=True)
class Embeddings:
    """What scorers compare, as unit vectors of one encoder."""

    pictures: torch.Tensor
    """Generated ones, (n, width)."""
    prompts: torch.Tensor
    """The prompt of each, its token left out, (n, width)."""
    validation: torch.Tensor
    """Images that were never learned from, (m, width)."""


@dataclass(frozen=True)
class Scorer:
    """One figure of pictures."""

    name: str
    """Its key in the metrics."""
    score: Callable[[Embeddings], float]
    pt: str
    en: str
    """What it says, in a few words."""
    higher_is_better: bool = True


def clip_i(embedded: Embeddings) -> float:
    """CLIP-I: mean cosine of every picture with every validation image (DreamBooth, arXiv 2208.12242, section 4.2)."""
    return round((embedded.pictures @ embedded.validation.T).mean().item(), 4)


def clip_t(embedded: Embeddings) -> float:
    """CLIP-T: mean cosine of each picture with its own prompt (as above)."""
    return round((embedded.pictures * embedded.prompts).sum(1).mean().item(), 4)


SCORERS: tuple[Scorer, ...] = (
    Scorer("clip_i", clip_i, "CLIP-I: semelhança com imagens não vistas", "CLIP-I: similarity to validation images"),
    Scorer("clip_t", clip_t, "CLIP-T: acordo com o pedido", "CLIP-T: agreement with the prompt"),
)


def score(
    encoder: Encoder, pictures: Mapping[Model, list[Image.Image]], prompts: list[str], validation: list[Image.Image]
) -> dict[str, BaseTuned]:
    """Every scorer's figure of the pictures of both models; `prompts` are those of the pictures, in their order."""
    texts, real = encoder.embed_texts(prompts), encoder.embed_images(validation)
    embedded = {model: Embeddings(encoder.embed_images(pictures[model]), texts, real) for model in MODELS}
    return {each.name: BaseTuned(**{model: each.score(embedded[model]) for model in MODELS}) for each in SCORERS}


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)
