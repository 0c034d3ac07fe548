"""Where masks of a concept's images come from: a mask says which of an image's pixels are the subject."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from gaucho_pipeline.spec import Operational, Spec


class MaskSources(Spec):
    """Where masks come from; the first of these that an image has is taken."""

    folder: Annotated[Path | None, Operational()] = Field(
        None, description="A folder of masks: each is called as its image, or by the first 16 digits of its SHA-256; white is the subject"
    )
    alpha: bool = Field(True, description="Whether what is transparent in an image is not the subject")
    backdrop: bool = Field(True, description="Whether a plain backdrop all around is not the subject")

    @model_validator(mode="after")
    def _names_one(self) -> MaskSources:
        if not (self.folder or self.alpha or self.backdrop):
            raise ValueError("names no source of masks; leave masks out instead")
        return self
