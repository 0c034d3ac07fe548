"""The part `sequence:` of a concept: what is to unfold in time. Stories are in `prompts/stories.py`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gaucho_pipeline.assets.table import CHECKPOINT
from gaucho_pipeline.concepts.models import EncoderSpec, ModelSpec
from gaucho_pipeline.concepts.part import ConceptFacts, OtherInput, Part
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.prompts.stories import Stories
from gaucho_pipeline.spec import JsonObject, Operational

SEQUENCE_CODE_VERSIONS = {"storyboard": "1", "animatediff": "1", "video": "1"}
"""By method: raised when that one draws other frames of the same input. It makes stale what it drew, and nothing else."""
SEQUENCE_ENCODERS = ("clip", "dinov2")
"""The kinds of encoders that a sequence's figures need, of those of an evaluation."""


class SequenceSpec(Stories, Part):
    """What is to unfold in time, and how it is drawn. What is not set here is as in the gallery's recommendation."""

    method: Literal["storyboard", "animatediff", "video"] | None = Field(
        None, description="storyboard: frames that look at one another; animatediff: a motion adapter (SD 1.5); video; absent: the family's"
    )
    motion_adapter: ModelSpec | None = Field(None, description="The motion adapter, for animatediff")
    num_inference_steps: int = Field(25, ge=1, le=200, description="Denoising steps")
    guidance_scale: float = Field(6.0, ge=0, le=30, description="Classifier-free guidance")
    negative_prompt: str = Field("", max_length=2000, description="What not to draw")
    size: int | None = Field(None, ge=32, le=2048, multiple_of=8, description="Side of the frames in pixels; that of training if absent")
    visible_label: bool = Field(False, description="Write on each frame that it was generated")
    clip: EncoderSpec | None = Field(None, description="A CLIP or SigLIP, for what compares frames with words; null: none")
    dinov2: EncoderSpec | None = Field(None, description="A DINOv2, for what compares frames with images; null: none")
    batch_size: Annotated[int, Operational()] = Field(
        8, ge=1, le=64, description="Frames at once, of a storyboard; halved where memory runs out. Changes no result"
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.motion_adapter and self.method not in (None, "animatediff"):
            raise ValueError("motion_adapter goes with method: animatediff")
        if self.method == "animatediff" and not self.motion_adapter:
            raise ValueError("method: animatediff needs a motion_adapter")
        return self

    def for_family(self, family: type[Family]) -> Self:
        """The same with what a family recommends where nobody has set a key. Raises ConfigError if the family cannot draw it."""
        if not family.sequence_methods:
            raise ConfigError(
                _(
                    "sequence: {pipeline_class} draws single pictures only; take a Stable Diffusion or Wan as base_model",
                    pipeline_class=family.pipeline_class,
                )
            )
        method = self.method or ("animatediff" if self.motion_adapter else family.sequence_methods[0])
        if method not in family.sequence_methods:
            raise ConfigError(
                _(
                    "sequence.method: {pipeline_class} has {sequence_methods}; not {method!r}",
                    pipeline_class=family.pipeline_class,
                    sequence_methods=", ".join(family.sequence_methods),
                    method=method,
                )
            )
        if self.size and self.size % family.pixel_multiple:
            raise ConfigError(
                _(
                    "sequence.size: {pipeline_class} takes multiples of {pixel_multiple}",
                    pipeline_class=family.pipeline_class,
                    pixel_multiple=family.pixel_multiple,
                )
            )
        encoders = {kind: EncoderSpec(**keys) for kind, keys in family.encoders.items() if kind in SEQUENCE_ENCODERS}
        recommended = {**family.recommended.gallery, **family.recommended.sequence}
        return self.with_recommended(recommended | encoders).model_copy(update={"method": method})

    def shared(self, concept: ConceptFacts) -> JsonObject:
        return concept.to_drawing()

    def models(self) -> dict[str, ModelSpec | None]:
        return {"motion_adapter": self.motion_adapter, **self.encoders()}

    def other_inputs(self, own: str) -> tuple[OtherInput, ...]:
        """What was learned of the other concepts in its stories."""
        others = dict.fromkeys(other for story in self.stories for other in story.others(own))
        return tuple(OtherInput(CHECKPOINT.name, other, is_awaited=True) for other in others)

    @property
    def shows_others(self) -> bool:
        return True

    @property
    def way(self) -> tuple[str, str]:
        return str(self.method), SEQUENCE_CODE_VERSIONS[str(self.method)]

    def encoders(self) -> dict[str, EncoderSpec | None]:
        """The encoders by kind."""
        return {kind: getattr(self, kind) for kind in SEQUENCE_ENCODERS}
