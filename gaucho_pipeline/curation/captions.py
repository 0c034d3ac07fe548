"""What each picture is said to show, in the words that the model will learn it by.

A caption is a prompt with {token} and {class_noun}, filled in by training, so that another token does not change the set. Without
{token} a caption would not teach the concept: one that lacks it is put after the plain prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gaucho_pipeline.concepts import Captioner, CurationSpec
from gaucho_pipeline.errors import GauchoError

if TYPE_CHECKING:
    from PIL import Image

PROMPT = "a photo of {token} {class_noun}"
_LONGEST = 300


def with_token(text: str) -> str:
    """A caption that names the concept."""
    clean = " ".join(text.split())[:_LONGEST]
    return clean if "{token}" in clean else f"{PROMPT}, {clean}" if clean else PROMPT


def captions_of(
    rows: Mapping[str, Mapping[str, Any]], spec: CurationSpec, written: Mapping[str, str], described: Mapping[str, str]
) -> dict[str, str]:
    """A caption for every picture, by SHA-256: the curator's if `written` has one, else as the specification says.

    `described` is what a captioning model said, for `captions: model`.
    """
    found = {}
    for sha, row in rows.items():
        if written.get(sha):
            found[sha] = with_token(written[sha])
        elif spec.captions == "title":
            found[sha] = with_token(str(row["title"]).replace("{", "(").replace("}", ")"))
        elif spec.captions == "model":
            found[sha] = with_token(described.get(sha, "").replace("{", "(").replace("}", ")"))
        else:
            found[sha] = PROMPT
    return found


def captioning_model(spec: Captioner) -> Callable[[Image.Image], str]:
    """A function from an RGB picture to a sentence. Raises GauchoError if the model cannot be had."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(spec.model, revision=spec.revision)
        model = AutoModelForImageTextToText.from_pretrained(spec.model, revision=spec.revision, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        raise GauchoError(f"curation.captioner: {spec.model} cannot be loaded: {str(error).strip().splitlines()[0]}") from None

    @torch.no_grad()
    def describe(picture: Image.Image) -> str:
        inputs = processor(images=picture, return_tensors="pt")
        return str(processor.batch_decode(model.generate(**inputs, max_new_tokens=40), skip_special_tokens=True)[0]).strip()

    return describe
