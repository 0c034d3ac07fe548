"""What is known of a story's frames and films: what they were made from and how. How a file carries it is in `provenance/labels.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.prompts.stories import Frame
from gaucho_pipeline.provenance.facts import BeatFacts, Facts, OtherConcept
from gaucho_pipeline.sequence.drawing import PreparedStory, SequenceSettings
from gaucho_pipeline.store.manifest import Manifest


@dataclass(frozen=True)
class Drawn:
    """What stories are drawn with."""

    concept: str
    checkpoints: Mapping[str, Manifest]
    """By concept, the stories' own first."""
    spec: SequenceSpec
    settings: SequenceSettings
    imagined: bool
    consent: str = ""
    """What a living person has agreed to."""


def story_facts(prepared: PreparedStory, drawn: Drawn) -> Facts:
    """The facts of a whole story, drawn with what was learned."""
    story, spec, settings, concept = prepared.story, drawn.spec, drawn.settings, drawn.concept
    trained, beats = drawn.checkpoints[concept], list[BeatFacts]()
    for beat, prompt, own in zip(story.beats, prepared.prompts, prepared.strengths, strict=True):
        others = {} if own == {concept: 1.0} else {"strengths": dict(own)}
        beats.append(BeatFacts.model_validate({"prompt": prompt, "frames": beat.frames, "transition": beat.transition} | others))
    others_ = {slug: OtherConcept(checkpoint=each.data_version) for slug, each in drawn.checkpoints.items() if slug != concept}
    return Facts.of(
        prompt=" → ".join(prepared.prompts),
        story=story.name,
        beats=tuple(beats),
        negative_prompt=spec.negative_prompt or None,
        seed=story.seed,
        drift=story.drift or None,
        num_inference_steps=spec.num_inference_steps,
        guidance_scale=spec.guidance_scale,
        sequence_method=spec.method,
        motion_adapter=settings.motion_adapter,
        sampler=settings.sampler,
        size=settings.side,
        base_model=trained.provenance.base_model,
        concept=concept,
        checkpoint=trained.data_version,
        method=trained.training_spec().method,
        curated_set=trained.provenance.inputs.get("curated_set"),
        others=others_ or None,
        attribution="ATTRIBUTION.csv",
        imagined=True if drawn.imagined else None,
        consent=drawn.consent or None,
    )


def frame_facts(of_story: Facts, number: int, frame: Frame) -> Facts:
    """The facts of one frame: its own prompt, and the next beat's as far as that is in it."""
    beats = of_story.beats or ()
    own = {name: getattr(of_story, name) for name in of_story.model_fields_set if name != "beats"}
    own |= {"prompt": beats[frame.beat].prompt, "frame": number, "beat": frame.beat, "strengths": beats[frame.beat].strengths}
    if frame.share:
        own |= {"following_prompt": beats[frame.following].prompt, "share": round(frame.share, 4)}
    return Facts.of(**own)
