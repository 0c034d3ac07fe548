"""What is known of a story's frames and films: what they were made from and how. What a file does with it is in `provenance.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.prompts.stories import Frame, Story
from gaucho_pipeline.sequence.base import Strengths
from gaucho_pipeline.store.manifest import Manifest


def story_facts(
    story: Story,
    prompts: Sequence[str],
    strengths: Sequence[Strengths],
    spec: SequenceSpec,
    settings: Mapping[str, Any],
    concept: str,
    checkpoints: Mapping[str, Manifest],
    imagined: bool,
) -> dict[str, Any]:
    """The facts of a whole story, drawn with what was learned; `checkpoints` by concept, the story's own first."""
    trained, beats = checkpoints[concept], list[dict[str, Any]]()
    for beat, prompt, own in zip(story.beats, prompts, strengths, strict=True):
        others = {} if own == {concept: 1.0} else {"strengths": dict(own)}
        beats.append({"prompt": prompt, "frames": beat.frames, "transition": beat.transition} | others)
    found = {
        "prompt": " → ".join(prompts),
        "story": story.name,
        "beats": beats,
        "negative_prompt": spec.negative_prompt or None,
        "seed": story.seed,
        "drift": story.drift or None,
        "num_inference_steps": spec.num_inference_steps,
        "guidance_scale": spec.guidance_scale,
        "sequence_method": spec.method,
        "motion_adapter": settings["motion_adapter"],
        "sampler": settings["sampler"],
        "size": settings["side"],
        "base_model": trained.provenance.base_model,
        "concept": concept,
        "checkpoint": trained.data_version,
        "method": trained.provenance.spec["method"],
        "curated_set": trained.provenance.inputs.get("curated_set"),
        "others": {slug: {"checkpoint": each.data_version} for slug, each in checkpoints.items() if slug != concept} or None,
        "attribution": "ATTRIBUTION.csv",
        "imagined": True if imagined else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def frame_facts(of_story: Mapping[str, Any], number: int, frame: Frame) -> dict[str, Any]:
    """The facts of one frame: its own prompt, and the next beat's as far as that is in it."""
    beats = of_story["beats"]
    found = {name: value for name, value in of_story.items() if name != "beats"}
    found |= {"prompt": beats[frame.beat]["prompt"], "frame": number, "beat": frame.beat}
    if "strengths" in beats[frame.beat]:
        found["strengths"] = beats[frame.beat]["strengths"]
    return found | ({"following_prompt": beats[frame.following]["prompt"], "share": round(frame.share, 4)} if frame.share else {})
