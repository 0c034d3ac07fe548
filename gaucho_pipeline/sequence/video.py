"""Video models: each beat is a clip of its own, all from one noise; a beat that turns into the next dissolves into it, as films do.

The clip of the next beat begins while the one before still plays, so that both move while they cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from PIL import Image

from gaucho_pipeline.families.base import Sampling
from gaucho_pipeline.families.wan import Wan
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.sequence.base import Drawing, SequenceMethod
from gaucho_pipeline.sequence.steps import kept

_DISSOLVE = 1 / 3
"""How much of a beat is dissolved into the next."""


class Video(SequenceMethod):
    """As the module says."""

    name: ClassVar[str] = "video"
    changes_strengths: ClassVar[bool] = True

    def draw(self, drawing: Drawing) -> list[Image.Image]:
        clips = [self._clip(drawing, number, leads(drawing.story)[number]) for number in range(len(drawing.prompts))]
        return joined(drawing.story, clips)

    def calls(self, drawing: Drawing) -> int:
        halves = 2 if drawing.spec.guidance_scale > 1 else 1
        return drawing.spec.num_inference_steps * halves * len(drawing.prompts)

    @torch.inference_mode()
    def _clip(self, drawing: Drawing, number: int, lead: int) -> list[Image.Image]:
        """The frames of a beat, with those that it has before it begins."""
        family, spec, beat = drawing.family, drawing.spec, drawing.story.beats[number]
        assert isinstance(family, Wan)
        drawing.use(drawing.strengths[number])
        sampling = Sampling(spec.num_inference_steps, spec.guidance_scale, drawing.side, spec.negative_prompt)
        family.read([drawing.prompts[number]], sampling)
        with kept(family.network, drawing.steps.of(number)):
            return family.generate_clip(drawing.prompts[number], drawing.story.seed, sampling, lead + beat.frames)


def leads(story: Story) -> list[int]:
    """How many frames of each beat are seen before it begins, because the one before dissolves into it."""
    found = [0]
    for beat in story.beats[:-1]:
        found.append(round(beat.frames * _DISSOLVE) if beat.transition == "blend" else 0)
    return found


def joined(story: Story, clips: Sequence[Sequence[Image.Image]]) -> list[Image.Image]:
    """The frames of a story, of clips that each begin with their lead."""
    found, before = list[Image.Image](), leads(story)
    for number, beat in enumerate(story.beats):
        own = list(clips[number][before[number] : before[number] + beat.frames])
        lead = before[number + 1] if number + 1 < len(clips) else 0
        for place in range(lead):
            at = len(own) - lead + place
            own[at] = Image.blend(own[at], clips[number + 1][place], (place + 1) / (lead + 1))
        found += own
    return found
