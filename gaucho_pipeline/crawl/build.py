"""From a concept's specification to its sources, each under a name of its own."""

from __future__ import annotations

from gaucho_pipeline.concepts import CrawlSpec
from gaucho_pipeline.concepts import Source as SourceSpec
from gaucho_pipeline.crawl.commons import Commons
from gaucho_pipeline.crawl.declared import Folder, Urls
from gaucho_pipeline.crawl.inaturalist import INaturalist
from gaucho_pipeline.crawl.openverse import Openverse
from gaucho_pipeline.crawl.sources import Source


def build_sources(spec: CrawlSpec) -> list[Source]:
    """The sources in the specification's order. Raises ConfigError for a table that cannot be read."""
    sources: list[Source] = []
    taken = set[str]()
    for part in spec.sources:
        source = _build(part, spec.exclude, folders=sum(isinstance(s, Folder) for s in sources))
        number, bare = 2, source.origin
        while source.origin in taken:
            source.origin, number = f"{bare} ({number})", number + 1
        taken.add(source.origin)
        sources.append(source)
    return sources


def _build(part: SourceSpec, exclude: tuple[str, ...], folders: int) -> Source:
    if part.commons:
        return Commons(part.commons, exclude)
    if part.inaturalist:
        return INaturalist(part.inaturalist)
    if part.openverse:
        return Openverse(part.openverse)
    if part.folder:
        return Folder(part.folder, folders + 1)
    if part.urls:
        return Urls(part.urls)
    raise ValueError("a source without a kind")  # the model refuses it
