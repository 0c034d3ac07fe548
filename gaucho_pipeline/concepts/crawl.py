"""The part `crawl:` of a concept: what to gather. The keys of a source are with the source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from gaucho_pipeline.concepts.part import Part
from gaucho_pipeline.rights.licenses import DEFAULT_LICENSES, FAMILIES, license_name
from gaucho_pipeline.sources.registry import SourceSpec
from gaucho_pipeline.spec import Absent, Text


class CrawlSpec(Part):
    """What to gather for a concept."""

    licenses: tuple[str, ...] = Field(
        DEFAULT_LICENSES, min_length=1, description=f"Licences that may be fetched: {', '.join(FAMILIES)}, or single ones such as cc-by-4.0"
    )
    max_images: int = Field(200, ge=1, le=100_000, description="The most images to gather, shared fairly among the sources")
    max_bytes: int = Field(2_000_000_000, ge=1, description="The most bytes to gather, of all images together")
    max_image_bytes: int = Field(30_000_000, ge=1, le=1_000_000_000, description="The largest image to take, in bytes")
    timeout: float = Field(60, gt=0, le=600, description="Seconds that one answer may take")
    media_hosts: tuple[str, ...] = Field((), description="Further hosts that images may come from; .example.org stands for all below it")
    allow_generated: Annotated[bool, Absent(False)] = Field(
        False, description="Whether images may be learned from that say of themselves that an algorithm made them"
    )
    exclude: tuple[Text, ...] = Field((), description="False friends: what has these words in its title, category or tags is left out")
    sources: tuple[SourceSpec, ...] = Field(min_length=1, description="Where to look, in this order")

    def files(self) -> tuple[Path, ...]:
        return tuple(path for source in self.sources for path in source.spec.paths)

    @field_validator("licenses")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(license_name(name) for name in value)
