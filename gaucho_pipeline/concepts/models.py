"""A model that is used beside the base model: how it is named and pinned."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, model_validator

from gaucho_pipeline.families import FAMILIES, Family
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.spec import Spec, Text

EMBEDDED = "embedded"


def recorded_family(base_model: str, pipeline_class: str) -> type[Family]:
    """The family of a model that something was taught on, by what is recorded of it: its name, and its class in diffusers."""
    return Embedded if base_model == EMBEDDED else FAMILIES.get(pipeline_class, StableDiffusion)


def check_pinned(model: str, revision: str | None) -> None:
    """Raises ValueError for what names no model, or one of a hub without its commit."""
    if not model.isprintable():
        raise ValueError("the model's name holds a sign that cannot be printed")
    if model == EMBEDDED or model.startswith((".", "/", "~")):
        return
    if model.endswith((".safetensors", ".ckpt")):
        return  # a single file, which is answered with how to make a folder of it
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise ValueError(f"{model!r} is neither 'embedded', a folder (./…) nor a hub id (owner/name)")
    if not revision or not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError("revision: a hub model must be pinned by its commit (40 hex digits)")


class ModelSpec(Spec):
    """A model that is used beside the base model, pinned."""

    model: Text = Field(description="'embedded', a folder, or a hub id")
    revision: str | None = Field(None, description="Commit of the hub's model; required for a hub id")

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        check_pinned(self.model, self.revision)
        return self


class EncoderSpec(ModelSpec):
    """A model that turns pictures into vectors, which figures compare."""
