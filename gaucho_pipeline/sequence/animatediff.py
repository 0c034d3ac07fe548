"""AnimateDiff: a motion adapter between the layers of Stable Diffusion 1.5, which has learned from films how things move.

Stories longer than the adapter's window are drawn with free noise (arXiv 2310.15169), and so are those of several beats, whose prompts
follow one another. https://huggingface.co/docs/diffusers/api/pipelines/animatediff
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from PIL import Image

from gaucho_pipeline.concepts.models import ModelSpec
from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.families.building import built
from gaucho_pipeline.models import base_models
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.sequence.base import Drawing, SequenceMethod
from gaucho_pipeline.sequence.steps import kept

_WINDOW, _STRIDE = 16, 4
"""Frames that the adapters were made for, and by how many two windows lie apart: diffusers' own defaults."""
_SCHEDULE = {"clip_sample": False, "timestep_spacing": "linspace", "beta_schedule": "linear", "steps_offset": 1}
"""What the adapters were trained with, as their page at diffusers has it."""


class AnimateDiff(SequenceMethod):
    """As the module says."""

    name: ClassVar[str] = "animatediff"

    def open(self, family: Family, spec: SequenceSpec) -> Family:
        """The same family around an AnimateDiff pipeline. Raises GauchoError if the adapter does not load, or fit the model."""
        from diffusers import AnimateDiffPipeline, DDIMScheduler

        if getattr(family, "is_second", False):
            raise ConfigError(
                _("sequence.method: animatediff is for Stable Diffusion 1.5; this is of the second generation: take storyboard")
            )
        assert spec.motion_adapter  # the specification sees to it
        family.parts.need_all()
        pipeline = family.pipeline
        adapter = _load_adapter(spec.motion_adapter, family.network.dtype)
        scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, **_SCHEDULE)
        try:
            opened = AnimateDiffPipeline.from_pipe(pipeline, motion_adapter=adapter, scheduler=scheduler, dtype=family.network.dtype)
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            first = " ".join(str(error).split())[:200]
            raise GauchoError(
                _("sequence.motion_adapter: {model} does not go with the base model: {first}", model=spec.motion_adapter.model, first=first)
            ) from None
        opened.set_progress_bar_config(disable=True)
        opened.to(family.device)
        return type(family)(opened)

    @torch.inference_mode()
    def draw(self, drawing: Drawing) -> list[Image.Image]:
        drawing.use(drawing.strengths[0])
        count = len(drawing.story.frames())
        if len(drawing.prompts) == 1 and count <= _WINDOW:
            return self._draw(drawing, drawing.prompts[0], count, drawing.story.seed)
        drawing.family.pipeline.enable_free_noise(context_length=min(_WINDOW, count), context_stride=min(_STRIDE, count))
        try:
            return self._draw(drawing, prompts_over_time(drawing.story, drawing.prompts), count, drawing.story.seed)
        finally:
            _disable_free_noise(drawing.family.pipeline)

    def draw_alone(self, drawing: Drawing, prompt: str, seed: int) -> Image.Image:
        return self._clip(drawing, prompt, 1, seed)[0]

    def _draw(self, drawing: Drawing, prompt: str | dict[int, str], count: int, seed: int) -> list[Image.Image]:
        with kept(drawing.family.network, drawing.steps):
            return self._clip(drawing, prompt, count, seed)

    @torch.inference_mode()
    def _clip(self, drawing: Drawing, prompt: str | dict[int, str], count: int, seed: int) -> list[Image.Image]:
        spec = drawing.spec
        keys: dict[str, Any] = {"num_inference_steps": spec.num_inference_steps, "guidance_scale": spec.guidance_scale}
        keys |= {"height": drawing.side, "width": drawing.side, "generator": torch.Generator().manual_seed(seed)}
        if isinstance(prompt, dict):
            keys["negative_prompt"] = {0: spec.negative_prompt, count - 1: spec.negative_prompt}
        else:
            keys["negative_prompt"] = spec.negative_prompt
        frames: list[Image.Image] = drawing.family.pipeline(prompt=prompt, num_frames=count, output_type="pil", **keys).frames[0]
        return frames


def _disable_free_noise(pipeline: Any) -> None:
    """What the pipeline's own does, which fails on an adapter that has nothing for the middle block, as those of the first version."""
    pipeline._free_noise_context_length = None
    for block in (*pipeline.unet.down_blocks, pipeline.unet.mid_block, *pipeline.unet.up_blocks):
        if hasattr(block, "motion_modules"):
            pipeline._disable_free_noise_in_block(block)


def prompts_over_time(story: Story, prompts: tuple[str, ...]) -> dict[int, str]:
    """Prompts by the frame that they are at; the pipeline interpolates. Where a beat is cut off, its last frame has its prompt too."""
    found, frames = dict[int, str](), story.frames()
    for number, frame in enumerate(frames):
        is_first = number == 0 or frames[number - 1].beat != frame.beat
        is_last = number + 1 == len(frames) or frames[number + 1].beat != frame.beat
        if is_first or (is_last and frame.following == frame.beat):
            found[number] = prompts[frame.beat]
    return found


def _load_adapter(spec: ModelSpec, dtype: torch.dtype) -> Any:
    from diffusers import MotionAdapter

    folder = base_models.folder_of(spec.model)

    def told(text: str) -> GauchoError:
        return GauchoError(_("sequence.motion_adapter: {model} cannot be loaded: {first}", model=spec.model, first=text))

    with built(told, folder):
        return MotionAdapter.from_pretrained(
            str(folder or spec.model), revision=None if folder else spec.revision, dtype=dtype, use_safetensors=True
        )
