"""The facts that a generated file carries: from what it was made, and how. How a file carries them is in `labels.py`."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from gaucho_pipeline.spec import JsonObject


class OtherConcept(BaseModel):
    """A further concept that is drawn with, beside the one that a file is of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: str = Field(description="Data version of what was learned of it")
    strength: float | None = Field(None, description="How much of that is in the picture; none in stories, where each beat has its own")


class BeatFacts(BaseModel):
    """A beat of a story."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(description="What the model read")
    frames: int = Field(description="How many it has")
    transition: str = Field(description="How it begins: blend or cut")
    strengths: dict[str, float] | None = Field(None, description="How strongly each concept is drawn, where not the story's own alone")


class Facts(BaseModel):
    """What is known of a picture, a frame or a film. What does not apply is left out of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(description="What the model read")
    written_prompt: str | None = Field(None, description="What a person wrote, where that is another language")
    negative_prompt: str | None = Field(None, description="What was not to be drawn")
    seed: int = Field(description="Of its noise")
    num_inference_steps: int = Field(description="Denoising steps")
    guidance_scale: float = Field(description="Classifier-free guidance")
    sampler: str = Field(description="The scheduler's class in diffusers")
    size: int = Field(description="Side in pixels")
    base_model: dict[str, str | None] | None = Field(None, description="Id, revision and digest of the base model")
    taught_on: dict[str, str | None] | None = Field(
        None, description="Id, revision and digest of the base model that was taught, where another draws"
    )
    distilled_guidance: bool | None = Field(None, description="True where guidance_scale is an input of a model that was distilled with it")
    concept: str = Field(description="The concept's slug")
    checkpoint: str | None = Field(None, description="Data version of what was learned; none of the base model's pictures")
    method: str | None = Field(None, description="How it was taught: lora, t_lora or dreambooth")
    strength: float | None = Field(None, description="How much of what was learned, where not all of it")
    training_step: int | None = Field(None, description="The step of a training under way whose weights drew it")
    curated_set: str | None = Field(None, description="Data version of the images that it was learned from")
    attribution: str | None = Field(None, description="The file that credits those images")
    imagined: bool | None = Field(None, description="True for what is of the past, and no record of it")
    consent: str | None = Field(None, description="What the living person whom it shows, and the community whose it is, have agreed to")
    others: dict[str, OtherConcept] | None = Field(None, description="Further concepts that are drawn with, by slug")
    story: str | None = Field(None, description="The story's name")
    beats: tuple[BeatFacts, ...] | None = Field(None, description="The story's beats, of a film or a filmstrip")
    drift: float | None = Field(None, description="How far the noise wanders from frame to frame")
    sequence_method: str | None = Field(None, description="How frames are drawn together")
    motion_adapter: dict[str, str | None] | None = Field(None, description="Id, revision and digest of the motion adapter")
    frame: int | None = Field(None, description="The frame's number, from 0")
    beat: int | None = Field(None, description="The beat that a frame is of, from 0")
    strengths: dict[str, float] | None = Field(None, description="How strongly each concept is drawn, of a frame")
    following_prompt: str | None = Field(None, description="The prompt of the beat that follows, where it is blended to")
    share: float | None = Field(None, description="How much of the following beat is in a frame")
    shows: str | None = Field(None, description="What a filmstrip shows that is not the story: base or control")

    @classmethod
    def of(cls, **facts: object) -> Self:
        """The facts among these that are known: what is None is as if it were not there."""
        return cls.model_validate({name: value for name, value in facts.items() if value is not None})

    def with_facts(self, **facts: object) -> Self:
        """The same with others."""
        return self.model_copy(update=facts)

    def to_json(self) -> JsonObject:
        """What a file says: without what does not apply."""
        return JsonObject(self.model_dump(mode="json", exclude_unset=True))
