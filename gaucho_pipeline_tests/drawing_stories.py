"""Small stories on tiny models, for the tests of the ways to draw them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.families import Family
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.sequence.base import Drawing, SequenceMethod, Strengths
from gaucho_pipeline.sequence.steps import Steps

SIDE = 32
BEATS = (
    {"prompt": "a photo of chmrr tree", "frames": 3},
    {"prompt": "a cup on a table", "frames": 2, "transition": "cut"},
    {"prompt": "snow", "frames": 2},
)


def drawing_of(
    family: Family,
    folder: Path,
    *beats: dict[str, Any],
    strengths: tuple[Strengths, ...] | None = None,
    use: Callable[[Strengths], None] = lambda strengths: None,
    advance: Callable[[int], None] = lambda count: None,
    seed: int = 1,
    drift: float = 0.0,
    **keys: Any,
) -> Drawing:
    """A drawing of some beats, whose prompts are read as they are."""
    story = Story.model_validate({"name": "mine", "beats": beats or BEATS, "seed": seed, "drift": drift})
    spec = SequenceSpec.model_validate({"stories": (story,), "num_inference_steps": 3, "guidance_scale": 3.0} | keys)
    prompts = tuple(beat.prompt for beat in story.beats)
    return Drawing(family, spec, story, prompts, strengths or tuple({} for _ in prompts), SIDE, use, Steps(folder / "steps", advance))


def bytes_of(pictures: list[Any]) -> list[bytes]:
    return [picture.tobytes() for picture in pictures]


class Killed(Exception):
    """Stands for a kill at a moment of a drawing."""


def assert_goes_on_to_the_same_bytes(way: SequenceMethod, family: Family, folder: Path, at: int, calls: int, **keys: Any) -> None:
    """Draws a story, draws it again and ends that after some calls of the denoiser, and goes on."""
    whole = bytes_of(way.draw(drawing_of(family, folder / "whole", **keys)))
    computed: list[int] = []

    def count(by: int) -> None:
        computed.append(by)
        if len(computed) == at:
            raise Killed

    try:
        way.draw(drawing_of(family, folder / "killed", advance=count, **keys))
    except Killed:
        pass
    else:
        raise AssertionError("it was never asked so often")
    assert bytes_of(way.draw(drawing_of(family, folder / "killed", advance=count, **keys))) == whole
    assert len(computed) == calls  # none was computed twice
