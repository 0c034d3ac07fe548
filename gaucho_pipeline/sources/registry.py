"""The kinds of sources that there are, by their key in `concepts.yaml`. A new kind is a module of its own and a line here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Self, get_args

from pydantic import ConfigDict, Field, model_validator

from gaucho_pipeline.sources.base import ImageSource, ImageSourceSpec, PageQuestion, Proposal
from gaucho_pipeline.sources.commons import CommonsSpec
from gaucho_pipeline.sources.declared import FolderSpec, UrlsSpec
from gaucho_pipeline.sources.gbif import GBIFSpec
from gaucho_pipeline.sources.iiif import IIIFSpec
from gaucho_pipeline.sources.inaturalist import INaturalistSpec
from gaucho_pipeline.sources.openverse import OpenverseSpec
from gaucho_pipeline.sources.tainacan import TainacanSpec
from gaucho_pipeline.sources.wikidata import WikidataSpec
from gaucho_pipeline.spec import Absent, Spec

_NONE = Absent(None)  # a kind that a concept does not use is no part of its version


class SourceSpec(Spec):
    """One place where images are; exactly one of the keys."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    commons: Annotated[CommonsSpec | None, _NONE] = Field(None, description="Wikimedia Commons: a category, a search, or an item depicted")
    inaturalist: Annotated[INaturalistSpec | None, _NONE] = Field(None, description="Observations of a taxon on iNaturalist")
    wikidata: Annotated[WikidataSpec | None, _NONE] = Field(None, description="Files of Commons that show what a query of Wikidata names")
    openverse: Annotated[OpenverseSpec | None, _NONE] = Field(None, description="A search of Openverse")
    gbif: Annotated[GBIFSpec | None, _NONE] = Field(None, description="Specimens and observations of a taxon on GBIF")
    tainacan: Annotated[TainacanSpec | None, _NONE] = Field(None, description="A museum's collection in Tainacan")
    iiif: Annotated[IIIFSpec | None, _NONE] = Field(None, description="A IIIF manifest, or a collection of them")
    folder: Annotated[FolderSpec | None, _NONE] = Field(None, description="A folder of one's own")
    urls: Annotated[UrlsSpec | None, _NONE] = Field(None, description="Addresses with declared rights")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError(f"must have exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> str:
        """The key that is set."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def spec(self) -> ImageSourceSpec:
        """What is under it."""
        found: ImageSourceSpec = getattr(self, self.kind)
        return found


def _source_types() -> list[type[ImageSourceSpec]]:
    """The keys of every kind of source."""
    annotated = [field.annotation for field in SourceSpec.model_fields.values()]
    return [each for annotation in annotated for each in get_args(annotation) if each is not type(None)]


LIMITS = {host: limit for source in _source_types() for host, limit in source.limits.items()}
"""What hosts allow, as the sources state it."""


def recognise(address: str) -> list[Proposal | PageQuestion]:
    """What the address of a page may be, of every kind of source: what is sure first, then what has to be asked."""
    found = [each for source in _source_types() for each in source.recognise(address)]
    return sorted(found, key=lambda each: isinstance(each, PageQuestion))


def build_sources(specs: Sequence[SourceSpec], exclude: tuple[str, ...]) -> list[ImageSource]:
    """The sources in the specification's order, each under an origin of its own. Raises ConfigError for a table that cannot be read."""
    sources: list[ImageSource] = []
    of_kind, taken = Counter[str](), set[str]()
    for each in specs:
        of_kind[each.kind] += 1
        source = each.spec.build(of_kind[each.kind], exclude)
        number, bare = 2, source.origin
        while source.origin in taken:
            source.origin, number = f"{bare} ({number})", number + 1
        taken.add(source.origin)
        sources.append(source)
    return sources
