"""Masks by a model that finds in a picture what a text names, of CLIPSeg's kind (arXiv 2112.10003), by id and revision.

Here a picture becomes a small grey picture of where the subject is. What becomes of that, and what comes before it, is in `masks.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gaucho_pipeline.concepts.curation import Segmenter
from gaucho_pipeline.curation.text_image import cannot_be_loaded
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.families.building import built
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.models.base_models import best_device, encoder_folder, quiet_libraries

if TYPE_CHECKING:
    from PIL import Image

_KIND = "clipseg"


def segmenting_model(spec: Segmenter, class_noun: str) -> Callable[[Image.Image], str]:
    """A function from an RGB picture to its mask: a PNG in base64, 8 bits, white where the model finds what `prompt` names.

    Raises ConfigError for a model of another kind, GauchoError if it cannot be had or gives no numbers.
    """
    import torch
    from PIL import Image
    from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, CLIPSegForImageSegmentation

    quiet_libraries()
    folder, name = encoder_folder(spec.model), f"curation.segmenter: {spec.model}"
    where, told = str(folder or spec.model), partial(cannot_be_loaded, name)
    with built(told):
        kind = AutoConfig.from_pretrained(where, revision=spec.revision, trust_remote_code=False).model_type
    if kind != _KIND:
        text = _("{name} is a {kind}; models of CLIPSeg's kind are read here, such as CIDAS/clipseg-rd64-refined", name=name, kind=kind)
        raise ConfigError(text)
    with built(told, folder):
        model = CLIPSegForImageSegmentation.from_pretrained(where, revision=spec.revision, use_safetensors=True)
        processor = AutoImageProcessor.from_pretrained(where, revision=spec.revision, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(where, revision=spec.revision, trust_remote_code=False)
    model.eval().to(best_device())
    words = tokenizer([spec.prompt or class_noun], padding="max_length", truncation=True, return_tensors="pt").to(model.device)

    @torch.no_grad()
    def find(picture: Image.Image) -> str:
        pixels = processor(picture, return_tensors="pt").to(model.device)["pixel_values"]
        shares = model(**words, pixel_values=pixels).logits.squeeze().sigmoid()
        if not torch.isfinite(shares).all():
            raise GauchoError(_("{name} gives no number for a picture; its weights are broken", name=name))
        mask = (shares >= spec.threshold).to(torch.uint8).mul(255).cpu().numpy()
        return base64.b64encode(png_bytes(Image.fromarray(mask))).decode()

    return find
