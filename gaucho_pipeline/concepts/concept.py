"""What people write in `concepts.yaml`: concepts, each with a part for each stage, and how long things are kept.

The keys of the parts are in a module for each. The file itself, with its lines, defaults and messages, is read in `file.py`. What a
specification makes out of date is in `project/project.py`; what a stage does with it is in the stage.
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from gaucho_pipeline.assets.table import COLLECTION, COLLECTION_EVALUATION, PARTS
from gaucho_pipeline.concepts.collection import AboutCollection, Collection, CollectionEvaluationSpec, CollectionSpec
from gaucho_pipeline.concepts.community import CommunitySpec
from gaucho_pipeline.concepts.consent import Consent
from gaucho_pipeline.concepts.crawl import CrawlSpec
from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.concepts.evaluation import EvaluationSpec
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.judgement import JudgementSpec
from gaucho_pipeline.concepts.part import ConceptFacts, Part
from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.files.digests import digest, file_digest, weights_digest
from gaucho_pipeline.images.files import images_digest
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.prompts.plans import Subject
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.spec import JsonObject, Spec, Text

SLUG = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def _one_word(text: str) -> str:
    if not re.fullmatch(r"[^\W_]+", text):
        raise ValueError("must be one word of letters and digits, without spaces or signs")
    return text


_ARTICLE = re.compile(r"(?i)(a|an|the|o|os|as|um|uma|uns|umas|el|la|los|las|un|una)( |$)")


def _noun(text: str) -> str:
    if found := _ARTICLE.match(text):
        raise ValueError(f"must be the noun alone, without {found[1]!r} before it")
    if "{" in text or "}" in text:
        raise ValueError("must be plain words; a placeholder such as {token} stands in prompts only")
    return " ".join(text.split())


def _in_one_language(value: object) -> object:
    return {"pt": value} if isinstance(value, str) else value


Attribute = Annotated[Bilingual, BeforeValidator(_in_one_language, json_schema_input_type=str | Bilingual)]
"""What a picture must show: a text, or one in each language."""


class AboutConcept(Spec):
    """What pages say of a concept: names, description, the words it answers to, and whether it is of the past."""

    name: Bilingual | None = Field(None, description="What people call it")
    description: str = Field("", description="A sentence about it")
    token: Text = Field(description="The made-up word that stands for it")
    class_noun: Text = Field(description="The plain noun of what it is")
    historical: bool = Field(False, description="Whether it is of the past")
    consent: str = Field("", description="What a living person has agreed to, in a sentence")
    community: CommunitySpec | None = Field(None, description="Whose knowledge or culture it is")

    @field_validator("name", mode="before")
    @classmethod
    def _may_have_none(cls, value: object) -> object:
        return None if isinstance(value, dict) and value.get("pt") is None else value

    @property
    def agreed(self) -> str:
        """What a living person and a community have agreed to, in a sentence; empty where nobody is asked."""
        return "; ".join(filter(None, (self.consent, self.community.sentence() if self.community else "")))

    def to_json(self) -> JsonObject:
        """What it is hashed by."""
        name = self.name.model_dump() if self.name else {"pt": None, "en": None}
        past = {"historical": True} if self.historical else {}
        agreed = {"consent": self.consent} if self.consent else {}
        whose = {"community": self.community.to_json()} if self.community else {}
        own = JsonObject(name=name, description=self.description, token=self.token, class_noun=self.class_noun)
        return JsonObject(own | past | agreed | whose)


BilingualOrPortuguese = Annotated[Bilingual, BeforeValidator(_in_one_language, json_schema_input_type=str | Bilingual)]
"""A text, or one in each language."""


class AboutSite(Spec):
    """Whose the site is, for its front page and for whoever links to it."""

    title: BilingualOrPortuguese | None = Field(None, description="What the front page is called")
    publisher: Text | None = Field(None, description="Who shows it: the museum, the secretariat, the laboratory")
    about: BilingualOrPortuguese | None = Field(None, description="A sentence or two under the title")
    contact: Text | None = Field(None, description="Where people write to: an e-mail address or a page")
    url: str | None = Field(None, description="Where the site will stand, for those who link to it: https://museu.example/galeria")

    @field_validator("url")
    @classmethod
    def _is_https(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https://[^\s/?#\"'<>]+(/[^\s?#\"'<>]*)?", value):
            raise ValueError("must be an https address, without parameters")
        return value.rstrip("/") if value else value


class SiteSpec(Spec):
    """What the site is made of beside artifacts: what is said of each concept and collection, by slug, and whose it is."""

    concepts: dict[str, AboutConcept] = Field(description="What is said of each, by slug")
    collections: dict[str, AboutCollection] = Field(default_factory=dict, description="What is said of each collection, by slug")
    site: AboutSite | None = Field(None, description="Whose the site is")

    def to_json(self) -> JsonObject:
        """What it is hashed by."""
        own = {"site": self.site.model_dump(mode="json")} if self.site else {}
        trained = {slug: about.model_dump(mode="json") for slug, about in self.collections.items()}
        own |= {"collections": trained} if trained else {}
        return JsonObject(concepts={slug: about.to_json() for slug, about in self.concepts.items()}, **own)


class Specified(ABC):
    """What artifacts are made of: a concept, or a collection of several. Each of its parts is the specification of an asset."""

    @abstractmethod
    def part(self, name: str) -> Part:
        """The keys of an asset, with what names in them stand for. Raises ConfigError where there is no such part."""

    def spec(self, part: str) -> JsonObject:
        """A stage's specification as a JSON value: all keys of its part."""
        return JsonObject(self.part(part).model_dump(mode="json"))

    @abstractmethod
    def resolved_spec(self, part: str) -> JsonObject:
        """What makes a stage's specification another one: names resolved, without keys at their absent value."""

    def spec_version(self, part: str) -> str:
        """The data version of a stage's specification; the files and the models that it names are part of it."""
        own = self.part(part)
        found = {"spec": self.resolved_spec(part), "files": [_content(path) for path in own.files()]}
        models = [spec.model for spec in own.models().values() if spec]
        weights = {model: weights_digest(Path(model)) for model in models if Path(model).is_absolute()}
        return digest(found | ({"weights": weights} if weights else {}))


class Concept(Specified, Spec):
    """One thing to teach, with a part for each stage."""

    name: Bilingual | None = Field(None, description="Names for people; the slug if absent")
    description: str = Field("", description="A sentence about it")
    token: Annotated[Text, AfterValidator(_one_word)] = Field(description="The made-up word that will stand for it")
    class_noun: Annotated[Text, AfterValidator(_noun)] = Field(description="The plain English noun of what it is: drink, tree, person")
    subject: Subject | None = Field(None, description="What kind of subject it is, which says what prompts suit it: thing, person, …")
    historical: bool = Field(False, description="Whether it is of the past, so that every picture of it is imagined and says so")
    consent: Consent | None = Field(None, description="What a living person has agreed to; required for subject: person of the present")
    community: CommunitySpec | None = Field(None, description="Whose knowledge or culture it is, their consent and their labels")
    attributes: tuple[Attribute, ...] = Field(
        (), max_length=8, description="What a picture of it must show to be right, for people who judge"
    )
    crawl: CrawlSpec = Field(description="What to gather")
    curation: CurationSpec = Field(default_factory=CurationSpec, description="What to keep")
    training: TrainingSpec = Field(default_factory=TrainingSpec, description="How to learn it")
    gallery: GallerySpec = Field(default_factory=GallerySpec, description="What to generate")
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec, description="How it is scored")
    sequence: SequenceSpec | None = Field(None, description="What of it is to unfold in time; absent: nothing")
    judgement: JudgementSpec = Field(default_factory=JudgementSpec, description="What people who know it are asked")

    @model_validator(mode="after")
    def _has_a_word_of_its_own(self) -> Self:
        if self.token.casefold() in self.class_noun.casefold().split():
            raise ValueError(f"token: {self.token!r} is the class noun itself; choose a made-up word, such as chmrr")
        return self

    @model_validator(mode="after")
    def _asks_living_people(self) -> Self:
        if self.subject == "person" and not self.historical and self.consent is None:
            raise ValueError(
                "subject: person: nothing of a living person is fetched or trained without consent: {who, date, scope}; "
                "of a person of the past write historical: true"
            )
        return self

    @model_validator(mode="after")
    def _has_masks_to_learn_by(self) -> Self:
        if self.training.mask and not self.curation.masks:
            raise ValueError("training.mask: says how masks are learned by; say under curation: masks: {} where they come from")
        return self

    @model_validator(mode="after")
    def _can_be_learned_as_a_style(self) -> Self:
        if self.subject != "style":
            return self
        if self.curation.captions in ("prompt", "context"):
            raise ValueError(
                "subject: style: captions must say what each image shows, so that how it is made is left for the token; "
                "write under curation: captions: title, catalogue or model"
            )
        if self.evaluation.look_alikes is None:
            raise ValueError(
                "subject: style: it is told by works of others, of the same kind and time; "
                "write under evaluation: look_alikes: {folder: …} or {concepts: […]}"
            )
        if self.training.mask:
            raise ValueError("subject: style: training.mask is of a subject in an image; a style is all of it")
        if self.sequence:
            raise ValueError("subject: style: sequence: stories are of subjects; remove it")
        if self.gallery.plan == "dreambench" and not self.gallery.prompts:
            raise ValueError("subject: style: gallery.plan: dreambench has prompts of things and of the living only; take heritage")
        return self

    def has(self, part: str) -> bool:
        """Whether the concept has this part: every one of a concept but a sequence, which is drawn where it is requested."""
        return part in PARTS and getattr(self, part) is not None

    def part(self, name: str) -> Part:
        """A stage's own keys, with what names in them stand for. Raises ConfigError where the concept has no such part."""
        if name not in PARTS:
            raise ConfigError(_("a concept has no {name}: it is of several concepts, which are named under collections:", name=name))
        if not self.has(name):
            raise ConfigError(_("the concept requests no {name}; write its keys under {name}: in the concepts file", name=name))
        found: Part = getattr(self, name)
        return found.resolved(self.subject)

    def for_family(self, family: type[Family], drawing: type[Family] | None = None) -> Concept:
        """The concept as it is on a base model of a family: see `Part.for_family`. `drawing`: that of `gallery.base_model`.

        Raises ConfigError where it cannot be.
        """
        if drawing and drawing.pipeline_class != family.pipeline_class:
            raise ConfigError(
                _(
                    "gallery.base_model: it is a {drawing}, and what is taught a {trained}; take a sibling of it",
                    drawing=drawing.pipeline_class,
                    trained=family.pipeline_class,
                )
            )
        parts = {name: value for name in PARTS if isinstance(value := getattr(self, name), Part)}
        found = {name: part.for_family(drawing or family if name == "gallery" else family) for name, part in parts.items()}
        return self.model_copy(update=found)

    def resolved_spec(self, part: str) -> JsonObject:
        """See `Specified.resolved_spec`: what the parts of a concept share is in it, too."""
        found = self.part(part)
        return JsonObject(found.identity() | found.shared(ConceptFacts(self.words, self.historical, self.attributes, self.agreed)))

    def about(self) -> AboutConcept:
        """What pages say of it."""
        return AboutConcept(
            name=self.name,
            description=self.description,
            token=self.token,
            class_noun=self.class_noun,
            historical=self.historical,
            consent=self.consent.sentence() if self.consent else "",
            community=self.community,
        )

    @property
    def agreed(self) -> str:
        """What a living person and a community have agreed to, in a sentence; empty where nobody is asked."""
        return self.about().agreed

    @property
    def max_images(self) -> int:
        """How many images it has at most."""
        return self.curation.max_images

    @property
    def words(self) -> ConceptWords:
        """What it is called in prompts."""
        return ConceptWords(self.token, self.class_noun, self.subject == "style")


@dataclass(frozen=True)
class TaughtCollection(Specified):
    """A collection with the concepts that it is of."""

    name: Bilingual | None
    training: CollectionSpec
    evaluation: CollectionEvaluationSpec
    members: Mapping[str, Concept]
    """Its concepts, by slug."""

    @property
    def max_images(self) -> int:
        """How many images its concepts have at most, in all."""
        return sum(member.max_images for member in self.members.values())

    @property
    def historical(self) -> bool:
        """Whether one of its concepts is of the past."""
        return any(member.historical for member in self.members.values())

    @property
    def agreed(self) -> str:
        """What the people and communities of its concepts have agreed to, in a sentence; empty where nobody is asked."""
        return "; ".join(dict.fromkeys(member.agreed for member in self.members.values() if member.agreed))

    def has(self, part: str) -> bool:
        """Whether it has this part."""
        return part in (COLLECTION.part, COLLECTION_EVALUATION.part)

    def part(self, name: str) -> Part:
        if not self.has(name):
            raise ConfigError(_("a collection has no {name}; its concepts have", name=name))
        return self.training if name == COLLECTION.part else self.evaluation

    def for_family(self, family: type[Family]) -> TaughtCollection:
        """The collection as it is taught on a base model of a family. Raises ConfigError where it cannot be."""
        return replace(self, training=self.training.for_family(family), evaluation=self.evaluation.for_family(family))

    def resolved_spec(self, part: str) -> JsonObject:
        own = self.part(part)
        facts = ConceptFacts(ConceptWords("", ""), self.historical, (), self.agreed)
        return JsonObject(own.identity() | own.shared(facts))


def _content(path: Path) -> str | None:
    return images_digest(path) if path.is_dir() else file_digest(path) if path.is_file() else None


class RetentionSpec(Spec):
    """How long what nothing needs any more is kept; `gaucho gc` and the schedule `clean_every_week` read it."""

    keep: int = Field(2, ge=1, le=1000, description="Artifacts of each asset and concept that stay, the latest first")
    days: int = Field(30, ge=0, le=36_500, description="Age in days from which other artifacts, caches and half-made things go")
    history_days: int = Field(180, ge=1, le=36_500, description="Age in days from which Dagster's runs go, but for each partition's last")


class Concepts(Spec):
    """The whole file."""

    retention: RetentionSpec = Field(default_factory=RetentionSpec, description="How long what nothing needs any more is kept")
    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Keys of the stages, for all concepts")
    site: AboutSite | None = Field(None, description="Whose the site is: its title, who shows it, where to write to")
    concepts: dict[str, Concept] = Field(min_length=1, description="Concepts by slug")
    collections: dict[str, Collection] = Field(
        default_factory=dict, description="Collections by slug: several concepts that one adapter learns together"
    )

    def has(self, slug: str) -> bool:
        """Whether there is a concept or a collection of that slug."""
        return slug in self.concepts or slug in self.collections

    def concepts_of(self, slug: str) -> tuple[str, ...]:
        """The concepts of a collection; of a concept, itself."""
        return self.collections[slug].concepts if slug in self.collections else (slug,)

    def taught_with(self, slug: str) -> tuple[str, ...]:
        """The concepts that one adapter draws: of a collection, or of a concept in one, all of it; of another concept, itself."""
        return next((self.collections[collection].concepts for collection in self.collections_of([slug])), (slug,))

    def collections_of(self, slugs: Iterable[str]) -> list[str]:
        """The collections in which some concepts are taught, each once, and those that are among the slugs themselves."""
        named = set(slugs)
        return [slug for slug, each in self.collections.items() if slug in named or not named.isdisjoint(each.concepts)]

    def collection(self, slug: str) -> TaughtCollection:
        """A collection with its concepts. Raises KeyError if there is none of that slug."""
        written = self.collections[slug]
        members = {concept: self.concepts[concept] for concept in written.concepts}
        words = {concept: own.words for concept, own in members.items()}
        return TaughtCollection(written.name, written.spec(words), written.evaluation_spec(words), members)


def no_such_concept(concepts: Concepts, slug: str, file: Path, asset: str = "") -> str:
    """What is said to whoever names a concept that a file does not have: a collection is none, and a near name may be meant.

    `asset`: what was asked for of it; of a concept that the file has, one that collections have.
    """
    if slug in concepts.concepts:
        owners = ", ".join(concepts.collections_of([slug])) or _("none")
        return _("{slug} has no {asset}; collections have, and it is in: {owners}", slug=slug, asset=asset, owners=owners)
    if slug in concepts.collections:
        names = ", ".join(concepts.collections[slug].concepts)
        return _("{slug} is a collection, which this is not for; name one of its concepts: {names}", slug=slug, names=names)
    every = [*concepts.concepts, *concepts.collections]
    text = _("{file}: there is no concept {slug!r}; there are {slugs}", file=file, slug=slug, slugs=", ".join(every))
    close = difflib.get_close_matches(slug.lower(), every, n=1)
    return text + (_("; did you mean {close!r}?", close=close[0]) if close else "")
