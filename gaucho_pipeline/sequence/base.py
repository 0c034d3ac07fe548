"""The contract of a way to draw a story: what differs between storyboards, AnimateDiff and video models, and nothing that does not.

A new one is a module of its own, a line in `registry.py`, and a name in the `sequence_methods` of the families that can do it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.families import Family
from gaucho_pipeline.prompts.stories import Story

if TYPE_CHECKING:
    from PIL import Image

    from gaucho_pipeline.sequence.steps import Steps

Strengths = Mapping[str, float]
"""How strongly each concept is drawn, by slug."""


@dataclass(frozen=True)
class Drawing:
    """A story as one model is to draw it."""

    family: Family
    """As the method's `open` gave it, with what was learned."""
    spec: SequenceSpec
    story: Story
    prompts: tuple[str, ...]
    """What the model reads of each beat."""
    strengths: tuple[Strengths, ...]
    """Of each beat; all empty where concepts are part of the weights, or are not drawn."""
    side: int
    """Of the frames, in pixels."""
    use: Callable[[Strengths], None]
    """Sets how strongly the model draws each concept from now on."""
    steps: Steps


class SequenceMethod(ABC):
    """One way to draw a story."""

    name: ClassVar[str]
    changes_strengths: ClassVar[bool] = False
    """Whether the strengths of concepts may differ from beat to beat."""

    def open(self, family: Family, spec: SequenceSpec) -> Family:
        """The base model as this method draws with it. Raises GauchoError if something that it needs does not load."""
        return family

    @abstractmethod
    def draw(self, drawing: Drawing) -> list[Image.Image]:
        """All frames of a story, in turn. Raises GauchoError if even the fewest do not fit into memory."""

    def draw_alone(self, drawing: Drawing, prompt: str, seed: int) -> Image.Image:
        """One frame that knows of no other."""
        spec = drawing.spec
        steps, guidance = spec.num_inference_steps, spec.guidance_scale
        found: Image.Image = drawing.family.generate([prompt], spec.negative_prompt, steps, guidance, [seed], drawing.side)[0]
        return found

    def calls(self, drawing: Drawing) -> int:
        """How often the denoiser is asked for a whole story."""
        return drawing.spec.num_inference_steps
