"""Whether a picture shows the concept, as a text-image model sees it: the share of its likeness that goes to what it should show.

Any model of CLIP's or SigLIP's kind, by id and revision. Prompts and pictures are compared as the model was trained to; of all prompts,
those in `positive_prompts` and in `negative_prompts`, the probabilities of the first are added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gaucho_pipeline.base_models import EMBEDDED_FOLDER, best_device, folder_of
from gaucho_pipeline.canonical import weights_digest
from gaucho_pipeline.concepts import EMBEDDED, Relevance
from gaucho_pipeline.errors import GauchoError

if TYPE_CHECKING:
    from PIL import Image


def _folder_of(model: str) -> Path | None:
    """The folder of a model that is on this disk; None for one from a hub, which its commit pins."""
    return EMBEDDED_FOLDER / "scorer" if model == EMBEDDED else folder_of(model)


def model_digest(model: str) -> str | None:
    """What tells the weights in a folder from others that were there before."""
    folder = _folder_of(model)
    return weights_digest(folder) if folder and folder.is_dir() else None


def relevance_model(spec: Relevance) -> Callable[[Image.Image], float]:
    """A function from an RGB picture to the probability, 0 to 1, that it shows the concept. Raises GauchoError without the model."""
    import torch
    from transformers import AutoModel, AutoProcessor

    where = str(_folder_of(spec.model) or spec.model)
    try:
        model = AutoModel.from_pretrained(where, revision=spec.revision, use_safetensors=True).eval().to(best_device())
        processor = AutoProcessor.from_pretrained(where, revision=spec.revision)
    except (OSError, ValueError) as error:
        raise GauchoError(f"curation.relevance: {spec.model} cannot be loaded: {str(error).strip().splitlines()[0]}") from None
    prompts = [*spec.positive_prompts, *spec.negative_prompts]

    @torch.no_grad()
    def relevance(picture: Image.Image) -> float:
        inputs = processor(text=prompts, images=picture, return_tensors="pt", padding="max_length", truncation=True).to(model.device)
        shares = model(**inputs).logits_per_image[0].softmax(0)
        share = float(shares[: len(spec.positive_prompts)].sum())
        if not math.isfinite(share):
            raise GauchoError(f"curation.relevance: {spec.model} gives no number for a picture; its weights are broken")
        return round(share, 4)

    return relevance
