"""What is asked of a model: light to import, for pages as well as for generating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Model = Literal["base", "tuned"]
MODELS: tuple[Model, Model] = ("base", "tuned")
"""The base model, and the same with what was learned."""


@dataclass(frozen=True)
class Sample:
    """A picture to generate: the same prompt and seed give the same picture."""

    prompt: str
    seed: int
