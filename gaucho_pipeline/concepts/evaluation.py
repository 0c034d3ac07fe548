"""The part `evaluation:` of a concept: how what was drawn and trained is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from gaucho_pipeline.assets.table import CURATED_SET
from gaucho_pipeline.concepts.models import EncoderSpec
from gaucho_pipeline.concepts.part import ConceptFacts, OtherInput, Part
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.scorers import ENCODERS, SCORERS
from gaucho_pipeline.spec import JsonObject, Spec, Text


class LookAlikes(Spec):
    """What might be taken for the concept: a picture should lie nearer to the concept than to these."""

    folder: Path | None = Field(None, description="A folder of images")
    concepts: tuple[Text, ...] = Field((), description="Other concepts of this file, whose curated images are taken")

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if (self.folder is None) == (not self.concepts):
            raise ValueError("name either a folder or concepts")
        return self


class EvaluationSpec(Part):
    """How what was drawn and trained is scored. Which encoders are used by default depends on the base model."""

    scorers: tuple[str, ...] = Field(tuple(SCORERS), description=f"The figures: {', '.join(SCORERS)}")
    clip: EncoderSpec | None = Field(None, description="A CLIP or SigLIP, for what compares pictures with words; null: none")
    dinov2: EncoderSpec | None = Field(None, description="A DINOv2, which knows one subject from another of its kind; null: none")
    dino: EncoderSpec | None = Field(None, description="The DreamBooth paper's DINO ViT-S/16; null: none")
    copy_detector: Path | None = Field(None, description="A TorchScript file that detects copies, such as SSCD, which is non-commercial")
    look_alikes: LookAlikes | None = Field(
        None, description="What might be taken for the concept; absent: what the base model draws of the class noun"
    )
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="By scorer: what the tuned figure must at least be, or at most where lower is better"
    )
    block: bool = Field(False, description="Whether a figure beyond its threshold keeps the concept off the site, and is no mere warning")

    @field_validator("scorers", "thresholds")
    @classmethod
    def _are_known(cls, value: Any) -> Any:
        if unknown := [name for name in value if name not in SCORERS]:
            raise ValueError(f"there is no scorer {', '.join(unknown)}; there are {', '.join(SCORERS)}")
        return value

    @model_validator(mode="after")
    def _are_asked_for(self) -> Self:
        if strangers := [name for name in self.thresholds if name not in self.scorers]:
            raise ValueError(f"thresholds: {', '.join(strangers)} is not among the scorers")
        return self

    def for_family(self, family: type[Family]) -> Self:
        """The same with the encoders that a family recommends and the scorers that these serve, where nobody has set a key."""
        encoders = {kind: EncoderSpec(**keys) for kind, keys in family.encoders.items()}
        scorers = tuple(name for name, scorer in SCORERS.items() if scorer.encoder in (None, *encoders))
        return self.with_recommended({**encoders, "scorers": scorers})

    def shared(self, concept: ConceptFacts) -> JsonObject:
        """What pictures must show, in English words, and whether works of others tell them: another one is another evaluation."""
        attributes = {"attributes": [each.read("en") for each in concept.attributes]} if concept.attributes else {}
        return JsonObject(**attributes, **({"is_style": True} if concept.words.is_style else {}))

    def files(self) -> tuple[Path, ...]:
        folder = self.look_alikes.folder if self.look_alikes else None
        return tuple(path for path in (self.copy_detector, folder) if path)

    def models(self) -> dict[str, EncoderSpec | None]:
        return self.encoders()

    def other_inputs(self, own: str) -> tuple[OtherInput, ...]:
        """The curated sets of the concepts that might be taken for this one."""
        others = self.look_alikes.concepts if self.look_alikes else ()
        return tuple(OtherInput(CURATED_SET.name, other, is_awaited=False) for other in others)

    def encoders(self) -> dict[str, EncoderSpec | None]:
        """The encoders by kind."""
        return {kind: getattr(self, kind) for kind in ENCODERS}
