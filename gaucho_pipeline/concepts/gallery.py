"""The part `gallery:` of a concept: what to generate."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gaucho_pipeline.concepts.models import ModelSpec, check_pinned
from gaucho_pipeline.concepts.part import ConceptFacts, Part
from gaucho_pipeline.concepts.prompt import Prompt
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.families.samplers import SamplerName
from gaucho_pipeline.prompts.glossary import translate
from gaucho_pipeline.prompts.plans import PLANS, Subject
from gaucho_pipeline.spec import Absent, JsonObject, Operational, Text


class GallerySpec(Part):
    """What to generate, with the base model and with the tuned one."""

    base_model: Annotated[Text | None, Absent(None)] = Field(
        None, description="A sibling of training.base_model that draws instead of it, such as one distilled to few steps; absent: the same"
    )
    revision: Annotated[str | None, Absent(None)] = Field(None, description="Commit of that model on a hub; required for a hub id")
    plan: str = Field("heritage", description=f"The prompts to use where none are given: {', '.join(PLANS)}")
    prompts: tuple[Prompt, ...] = Field((), max_length=200, description="Prompts with {token} and {class_noun}")
    language: Annotated[Literal["en", "pt"], Absent("en")] = Field(
        "en", description="pt: the prompts are Portuguese, and pass through a glossary where the base model reads English only"
    )
    glossary: Annotated[dict[Text, Text], Absent({})] = Field(
        default_factory=dict, description="Further Portuguese words and what they are in English"
    )
    translate: Annotated[bool, Absent(True)] = Field(
        True, description="Whether Portuguese prompts are put into English; absent: where the base model reads English only"
    )
    class_pictures: Annotated[bool, Absent(False)] = Field(
        True, description="Also draw the class noun alone, which shows what else was changed"
    )
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...] = Field(
        (1, 2, 3, 4), min_length=1, max_length=64, description="One picture for each"
    )
    num_inference_steps: int = Field(25, ge=1, le=200, description="Denoising steps")
    guidance_scale: float = Field(6.0, ge=0, le=30, description="Classifier-free guidance")
    negative_prompt: str = Field("", max_length=2000, description="What not to generate")
    sampler: Annotated[SamplerName | None, Absent(None)] = Field(
        None, description="The sampler, for Stable Diffusion 1, 2 and XL; the base model's own if absent"
    )
    size: Annotated[int | None, Absent(None)] = Field(
        None, ge=32, le=2048, multiple_of=8, description="Side of the pictures in pixels; that of training if absent"
    )
    visible_label: Annotated[bool, Absent(False)] = Field(False, description="Write on each picture that it was generated")
    batch_size: Annotated[int, Operational()] = Field(
        8, ge=1, le=64, description="Pictures at once; halved where memory runs out. Changes no result"
    )

    @field_validator("plan")
    @classmethod
    def _is_a_plan(cls, value: str) -> str:
        if value not in PLANS:
            raise ValueError(f"there is no plan of that name; there are {', '.join(PLANS)}")
        return value

    @field_validator("seeds", "prompts")
    @classmethod
    def _are_distinct(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) != len(value):
            raise ValueError("the same one stands twice")
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.base_model:
            check_pinned(self.base_model, self.revision)
        if self.language == "pt" and not self.prompts:
            raise ValueError("language: pt goes with prompts; the plans are English")
        if self.glossary and self.language != "pt":
            raise ValueError("glossary goes with language: pt")
        return self

    def resolved(self, subject: Subject | None) -> Self:
        """The same with the prompts that its plan has for a kind of subject, where it lists none."""
        return self if self.prompts else self.model_copy(update={"prompts": PLANS[self.plan](subject)})

    def for_family(self, family: type[Family]) -> Self:
        """The same with what a family recommends where nobody has set a key. Raises ConfigError if the family cannot draw it."""
        found = self.with_recommended(family.recommended.gallery)
        if found.negative_prompt and not family.takes_negative_prompts:
            raise ConfigError(
                _(
                    "gallery.negative_prompt: the guidance of this {pipeline_class} was distilled into it, and knows none; remove it",
                    pipeline_class=family.pipeline_class,
                )
            )
        if found.sampler and family.denoiser != "unet":
            raise ConfigError(_("gallery.sampler: {pipeline_class} has one sampler, its own", pipeline_class=family.pipeline_class))
        if found.size and found.size % family.pixel_multiple:
            raise ConfigError(
                _(
                    "gallery.size: {pipeline_class} takes multiples of {pixel_multiple}",
                    pipeline_class=family.pipeline_class,
                    pixel_multiple=family.pixel_multiple,
                )
            )
        return found.with_recommended({"translate": not family.reads_portuguese})

    def shared(self, concept: ConceptFacts) -> JsonObject:
        return concept.to_drawing()

    def models(self) -> dict[str, ModelSpec | None]:
        return {"base_model": ModelSpec(model=self.base_model, revision=self.revision) if self.base_model else None}

    def for_model(self, prompt: str) -> tuple[str, list[str]]:
        """What the base model reads of a prompt, and the words of it that the glossary does not hold."""
        return self.in_english(prompt) if self.translate else (prompt, [])

    def in_english(self, prompt: str) -> tuple[str, list[str]]:
        """A prompt in English, and the words of it that the glossary does not hold."""
        return translate(prompt, self.glossary) if self.language == "pt" else (prompt, [])

    def identity(self) -> JsonObject:
        found = super().identity()
        del found["plan"]  # its prompts stand for it
        if self.language == "pt":
            found["read_prompts"] = [[self.for_model(prompt)[0], self.in_english(prompt)[0]] for prompt in self.prompts]
            found.pop("glossary", None)  # what it makes of them stands for it
        return found
