"""What every part of a concept is: the keys of one stage, and what beside them shapes what the stage makes.

The keys themselves are in a module for each part. A part says what of it the project has to know, so that nobody asks for its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from gaucho_pipeline.concepts.models import ModelSpec
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.prompts.plans import Subject
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.spec import JsonObject, Spec


class OtherInput(NamedTuple):
    """An artifact of another concept that is needed beside the asset's inputs."""

    asset: str
    concept: str
    is_awaited: bool
    """Whether what is made from it waits until it is up to date; else its existence is enough."""


class ConceptFacts(NamedTuple):
    """What parts of a concept have in common."""

    words: ConceptWords
    historical: bool
    """Whether it is of the past."""
    attributes: tuple[Bilingual, ...]
    """What a picture of it must show to be right."""
    consent: str
    """What a living person and a community have agreed to, in a sentence; empty where nobody is asked."""

    def to_drawing(self) -> JsonObject:
        """What of it shapes pictures and what they say of themselves."""
        past = {"historical": True} if self.historical else {}
        agreed = {"consent": self.consent} if self.consent else {}
        return JsonObject(**self.words.to_json(), **past, **agreed)


class Part(Spec):
    """A part of a concept: the specification of one asset."""

    def resolved(self, subject: Subject | None) -> Self:
        """The same with what names in it stand for. `subject`: what kind of thing the concept is."""
        return self

    def for_family(self, family: type[Family]) -> Self:
        """The same on a base model of a family. Raises ConfigError where it cannot be."""
        return self

    def shared(self, concept: ConceptFacts) -> JsonObject:
        """What of the concept itself shapes what is made: it is part of the version."""
        return JsonObject()

    def files(self) -> tuple[Path, ...]:
        """Files and folders that it names: what they hold is part of the version."""
        return ()

    def models(self) -> Mapping[str, ModelSpec | None]:
        """Models beside the base model, by key: the weights of those that are folders are part of the version."""
        return {}

    def other_inputs(self, own: str) -> tuple[OtherInput, ...]:
        """What it needs of other concepts. `own`: the concept's slug."""
        return ()

    @property
    def shows_others(self) -> bool:
        """Whether what is made shows other concepts too, and is imagined where one of them is of the past."""
        return False

    @property
    def stays(self) -> str | None:
        """Fingerprint of the artifact that is to stay, whatever else changes."""
        return None

    @property
    def way(self) -> tuple[str, str]:
        """The way in which it is made and that one's code version, where a part names ways with code of their own."""
        return "", "1"
