"""A text-image model of CLIP's or SigLIP's kind, by id and revision: how well texts fit a picture, as it was trained to say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families.building import built
from gaucho_pipeline.files.digests import weights_digest
from gaucho_pipeline.models.base_models import best_device, encoder_folder, quiet_libraries

if TYPE_CHECKING:
    from PIL import Image


def model_digest(model: str) -> str | None:
    """What tells the weights in a folder from others that were there before."""
    folder = encoder_folder(model)
    return weights_digest(folder) if folder and folder.is_dir() else None


def cannot_be_loaded(name: str, text: str) -> GauchoError:
    """What is told of a model that a key names."""
    return GauchoError(_("{name} cannot be loaded: {error}", name=name, error=text))


class TextImageModel:
    """A loaded model. Raises GauchoError if it cannot be had; `key` is the key of the specification that names it."""

    def __init__(self, key: str, model: str, revision: str | None) -> None:
        from transformers import AutoModel, AutoProcessor

        quiet_libraries()
        folder, self._name = encoder_folder(model), f"{key}: {model}"
        where = str(folder or model)
        with built(partial(cannot_be_loaded, self._name), folder):
            self._model = (
                AutoModel.from_pretrained(where, revision=revision, trust_remote_code=False, use_safetensors=True).eval().to(best_device())
            )
            self._processor = AutoProcessor.from_pretrained(where, revision=revision, trust_remote_code=False)

    def shares(self, picture: Image.Image, texts: list[str]) -> list[float]:
        """How probable each text is among all of them, 0 to 1, for an RGB picture. Raises GauchoError if the model gives no number."""
        import torch

        with torch.no_grad():
            logits = self._model(**self._inputs(picture, texts)).logits_per_image[0]
        if not torch.isfinite(logits).all():
            raise GauchoError(_("{name} gives no number for a picture; its weights are broken", name=self._name))
        found: list[float] = logits.softmax(0).tolist()
        return found

    def _inputs(self, picture: Image.Image, texts: list[str]) -> Any:
        inputs: Any = self._processor(text=texts, images=picture, return_tensors="pt", padding="max_length", truncation=True)
        return inputs.to(self._model.device)
