"""A collection: several concepts that one adapter learns together, each by its own token.

What people write is `Collection`. What its stage is asked for is `CollectionSpec`: how it is taught, and the concepts with their words. A
concept that is taught in a collection has `TaughtTogether` for its training: its checkpoint is what the collection learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gaucho_pipeline.assets.table import COLLECTION, CURATED_SET, EVALUATION
from gaucho_pipeline.concepts.models import EncoderSpec
from gaucho_pipeline.concepts.part import ConceptFacts, OtherInput, Part
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.methods import ADAPTER_METHODS, METHODS
from gaucho_pipeline.prompts.templates import ConceptWords, prior_prompts
from gaucho_pipeline.spec import Absent, JsonObject, Operational, Spec, Text

MAX_CONCEPTS = 100


class AboutCollection(Spec):
    """What pages say of a collection."""

    name: Bilingual | None = Field(None, description="What people call it")
    concepts: tuple[str, ...] = Field(description="The slugs of its concepts")


class ConfusionEncoders(Part):
    """What tells whether pictures of one concept are taken for another: the best of these that there is."""

    dinov2: EncoderSpec | None = Field(None, description="A DINOv2, which knows one subject from another of its kind; null: none")
    dino: EncoderSpec | None = Field(None, description="The DreamBooth paper's DINO ViT-S/16; null: none")
    clip: EncoderSpec | None = Field(None, description="A CLIP or SigLIP; null: none")

    def for_family(self, family: type[Family]) -> Self:
        """The same with the encoders that a family recommends, where nobody has set a key."""
        return self.with_recommended({kind: EncoderSpec(**keys) for kind, keys in family.encoders.items()})

    def models(self) -> dict[str, EncoderSpec | None]:
        return self.encoders()

    def encoders(self) -> dict[str, EncoderSpec | None]:
        """The encoders by kind, best first."""
        return {"dinov2": self.dinov2, "dino": self.dino, "clip": self.clip}


class Collection(Spec):
    """Several concepts that are taught together, in one adapter that knows the token of each."""

    name: Bilingual | None = Field(None, description="Names for people; the slug if absent")
    concepts: tuple[Text, ...] = Field(min_length=2, max_length=MAX_CONCEPTS, description="The concepts of this file that it is of")
    weights: dict[Text, Annotated[float, Field(gt=0, le=100)]] = Field(
        default_factory=dict, description="How often a concept is shown, beside the others: 1 where nothing is said"
    )
    training: TrainingSpec = Field(default_factory=TrainingSpec, description="How they are taught together")
    evaluation: ConfusionEncoders = Field(
        default_factory=ConfusionEncoders, description="What tells whether pictures of one are taken for another"
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if len(set(self.concepts)) < len(self.concepts):
            raise ValueError("concepts: the same one stands twice")
        if strangers := [slug for slug in self.weights if slug not in self.concepts]:
            raise ValueError(f"weights: {', '.join(strangers)} is not among its concepts")
        if not METHODS[self.training.method].is_adapter:
            raise ValueError(f"training: a collection is taught by method: {' or '.join(ADAPTER_METHODS)}")
        if any(trial.prior == "class_images" for _values, trial in self.training.trials()):
            raise ValueError("training: prior: class_images is of one class noun; a collection keeps the base model by prior: self")
        if self.training.pinned:
            raise ValueError("training: pinned is of one concept's checkpoint; a collection stays while nothing of it changes")
        return self

    def spec(self, words: Mapping[str, ConceptWords]) -> CollectionSpec:
        """What its stage is asked for. `words`: those of each concept, by slug."""
        members = [{"slug": slug, **words[slug]._asdict(), "weight": self.weights.get(slug, 1.0)} for slug in self.concepts]
        return CollectionSpec.model_validate(_written(self.training) | {"members": members})

    def evaluation_spec(self, words: Mapping[str, ConceptWords]) -> CollectionEvaluationSpec:
        """What the stage of its evaluation is asked for. `words`: those of each concept, by slug."""
        members = [{"slug": slug, **words[slug]._asdict()} for slug in self.concepts]
        return CollectionEvaluationSpec.model_validate(_written(self.evaluation) | {"members": members})

    def about(self) -> AboutCollection:
        """What pages say of it."""
        return AboutCollection(name=self.name, concepts=self.concepts)

    def training_of(self, slug: str) -> TaughtTogether:
        """The training of each of its concepts. `slug`: the collection's."""
        return TaughtTogether.model_validate(_written(self.training) | {"collection": slug})


class CollectionMember(Spec):
    """A concept of a collection."""

    slug: Annotated[Text, Operational()] = Field(description="Its slug; another one changes nothing of what is learned")
    token: Text = Field(description="The made-up word that stands for it")
    class_noun: Text = Field(description="The plain noun of what it is")
    is_style: Annotated[bool, Absent(False)] = Field(False, description="Whether it is a style, in which anything may be shown")
    weight: Annotated[float, Absent(1.0)] = Field(1.0, gt=0, description="How often it is shown, beside the others")

    @property
    def words(self) -> ConceptWords:
        return ConceptWords(self.token, self.class_noun, self.is_style)


class CollectionSpec(TrainingSpec):
    """How several concepts are taught together."""

    members: tuple[CollectionMember, ...] = Field(description="The concepts")

    def shared(self, concept: ConceptFacts) -> JsonObject:
        """Words are each concept's own."""
        members = self.members if self.prior_loss_weight else ()
        return JsonObject(prior_prompts={_class_of(member): prior_prompts(member.words) for member in members})

    def other_inputs(self, own: str) -> tuple[OtherInput, ...]:
        """The curated sets of its concepts."""
        return tuple(OtherInput(CURATED_SET.name, member.slug, is_awaited=True) for member in self.members)


class TaughtTogether(TrainingSpec):
    """The training of a concept that is taught in a collection."""

    collection: Annotated[Text, Operational()] = Field(description="The collection's slug; what it learned is an input")

    def other_inputs(self, own: str) -> tuple[OtherInput, ...]:
        """What the collection learned."""
        return (OtherInput(COLLECTION.name, self.collection, is_awaited=True),)


class CollectionEvaluationSpec(ConfusionEncoders):
    """How the pictures of several concepts are held against the images of all of them."""

    members: tuple[CollectionMember, ...] = Field(description="The concepts")

    def other_inputs(self, own: str) -> tuple[OtherInput, ...]:
        """The evaluations of its concepts, from which their pictures and images follow."""
        return tuple(OtherInput(EVALUATION.name, member.slug, is_awaited=True) for member in self.members)


def owners_of(collections: Mapping[str, Collection]) -> dict[str, Sequence[str]]:
    """The collections of each concept that is in one, by slug; more than one is a mistake."""
    found: dict[str, list[str]] = {}
    for slug, collection in collections.items():
        for concept in collection.concepts:
            found.setdefault(concept, []).append(slug)
    return dict(found)


def _class_of(member: CollectionMember) -> str:
    """The class noun of a concept, which a style may share with a subject."""
    return f"{member.class_noun} (style)" if member.is_style else member.class_noun


def _written(part: Part) -> dict[str, Any]:
    """The keys that somebody has set: what a family recommends goes before the others."""
    return {name: getattr(part, name) for name in part.model_fields_set}
