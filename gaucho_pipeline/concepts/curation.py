"""The part `curation:` of a concept: what to keep, and what captions say. The keys of the filters are with the filters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gaucho_pipeline.concepts.masks import MaskSources
from gaucho_pipeline.concepts.models import ModelSpec
from gaucho_pipeline.concepts.part import ConceptFacts, Part
from gaucho_pipeline.filters.registry import FilterSpec
from gaucho_pipeline.prompts.templates import CONTEXT
from gaucho_pipeline.spec import Absent, JsonObject, Operational, Text


class Relevance(ModelSpec):
    """Judging by a text-image model whether a picture shows the concept."""

    model: Text = Field(description="'embedded', a folder, or a hub id of a CLIP or SigLIP model")
    positive_prompts: tuple[Text, ...] = Field(min_length=1, description="What a picture of the concept shows, in words")
    negative_prompts: tuple[Text, ...] = Field(
        ("a document", "a map", "a slide with text", "a screenshot", "a drawing"), min_length=1, description="What other pictures show"
    )
    threshold: float = Field(0.5, ge=0, le=1, description="Least probability that it shows the concept")


class Captioner(ModelSpec):
    """A model that describes pictures in words."""

    code_version = "2"
    model: Text = Field(description="A folder, or a hub id of an image-to-text model such as BLIP or Florence-2")
    prompt: Annotated[Text | None, Absent(None)] = Field(None, description="What it is asked, for models that are; absent: nothing")
    synonyms: Annotated[tuple[Text, ...], Absent(())] = Field(
        (), description="Other words for the class noun: the first that it says, or the class noun, becomes the concept"
    )


class Context(ModelSpec):
    """What captions say of a picture beside the concept, chosen by a text-image model, so that it is not learned as part of it."""

    code_version = "2"
    model: Text = Field(description="'embedded', a folder, or a hub id of a CLIP or SigLIP model")
    medium: tuple[Text, ...] = Field(CONTEXT["medium"], min_length=1, description="What it is: a photo, an oil painting")
    place: tuple[Text, ...] = Field(CONTEXT["place"], description="Where: on the grass; none: nothing is said of it")
    light: tuple[Text, ...] = Field(CONTEXT["light"], description="When, or in what light: by night")
    view: tuple[Text, ...] = Field(CONTEXT["view"], description="How it is seen: close up")
    threshold: float = Field(0.5, ge=0, le=1, description="A phrase is said where it is at least this probable among those of its list")


class Segmenter(ModelSpec):
    """A model that finds the subject in pictures, for masks."""

    model: Text = Field(description="A folder, or a hub id of a CLIPSeg model")
    prompt: Text | None = Field(None, description="What it finds, in English; absent: the class noun")
    threshold: float = Field(0.5, gt=0, lt=1, description="Least probability with which a pixel is the subject")


class CurationSpec(FilterSpec, Part):
    """What an image must be to be worth training on."""

    max_side: int = Field(1536, ge=64, le=8192, description="Longer images are made smaller, to this longest side in pixels")
    relevance: Relevance | None = Field(None, description="Judging by a text-image model whether a picture shows the concept")
    near_duplicate_distance: int = Field(7, ge=0, le=15, description="Hashes this many bits apart are compared more closely")
    near_duplicate_correlation: float = Field(0.92, gt=0, le=1, description="Pictures that correlate so much are copies of one another")
    captions: Literal["prompt", "title", "model", "context", "catalogue"] = Field(
        "prompt",
        description="prompt: token and class noun; title: and the title; model: a captioner's; context: and place, light, view; "
        "catalogue: and what a table says, by caption_template",
    )
    caption_template: Annotated[Text | None, Absent(None)] = Field(
        None, description="For captions: catalogue: '{title}, {material}, {technique}'; parts whose column is empty are left out"
    )
    caption_language: Annotated[Literal["en", "pt"], Absent("en")] = Field(
        "en", description="Of what the catalogue says; pt: translated by the glossary, word by word"
    )
    caption_glossary: Annotated[Path | None, Operational()] = Field(
        None, description="A CSV with the columns pt, en, whose entries go before the glossary's own"
    )
    captioner: Captioner | None = Field(None, description="The model that writes captions, for captions: model")
    context: Annotated[Context | None, Absent(None)] = Field(None, description="What chooses place, light and view, for captions: context")
    masks: Annotated[MaskSources | None, Absent(None)] = Field(None, description="Where masks of the subject come from; absent: none")
    segmenter: Annotated[Segmenter | None, Absent(None)] = Field(
        None, description="What makes the masks of images that have none by curation.masks"
    )
    overrides: Annotated[Path | None, Operational()] = Field(
        None, description="The curator's overrides.csv; relative to the file that names it"
    )
    min_images: int = Field(4, ge=2, description="With fewer left, training does not start")
    max_images: int = Field(60, ge=2, le=10_000, description="The most images to keep, the most varied ones")

    def shared(self, concept: ConceptFacts) -> JsonObject:
        words = concept.words
        if words.is_style:
            return JsonObject(class_noun=words.class_noun, is_style=True)
        return JsonObject(class_noun=words.class_noun) if self.context or self.segmenter or self.captioner else JsonObject()

    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.overrides, self.masks.folder if self.masks else None, self.caption_glossary) if path)

    def models(self) -> dict[str, ModelSpec | None]:
        return {"relevance": self.relevance, "captioner": self.captioner, "context": self.context, "segmenter": self.segmenter}

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.max_images < self.min_images:
            raise ValueError(f"max_images ({self.max_images}) is less than min_images ({self.min_images})")
        if (self.captions == "model") != (self.captioner is not None):
            raise ValueError("captions: model and captioner go together")
        if (self.captions == "context") != (self.context is not None):
            raise ValueError("captions: context and context go together")
        if (self.captions == "catalogue") != (self.caption_template is not None):
            raise ValueError("captions: catalogue and caption_template go together")
        if self.segmenter and self.masks is None:
            raise ValueError("segmenter goes with masks: {}")
        if self.caption_language != "en" and self.captions != "catalogue":
            raise ValueError('caption_language goes with captions: catalogue; for titles alone write caption_template: "{title}"')
        if self.caption_glossary and self.caption_language != "pt":
            raise ValueError("caption_glossary goes with caption_language: pt")
        return self
