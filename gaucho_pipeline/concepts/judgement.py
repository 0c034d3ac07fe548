"""The part `judgement:` of a concept: what people who know it are asked of its pictures. What a picture must show is the concept's own."""

from __future__ import annotations

from pydantic import Field

from gaucho_pipeline.concepts.part import ConceptFacts, Part
from gaucho_pipeline.spec import JsonObject


class JudgementSpec(Part):
    """What a person is asked: pairs of pictures, and single ones. Six controls, whose answers are known, come on top."""

    pairs: int = Field(36, ge=6, le=120, multiple_of=6, description="Pairs of pictures, of which the one that shows it is chosen")
    singles: int = Field(20, ge=10, le=60, multiple_of=10, description="Single pictures, of which people say what they show")

    def shared(self, concept: ConceptFacts) -> JsonObject:
        return JsonObject(attributes=[each.model_dump() for each in concept.attributes])
