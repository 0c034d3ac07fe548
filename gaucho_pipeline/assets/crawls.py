"""The name of a crawl, which is a hash of what its tables say: whoever reads one from elsewhere works it out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gaucho_pipeline.assets.metrics import SourceCounts
from gaucho_pipeline.assets.rows import CrawledImage
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.spec import JsonObject

_IDENTITY = ("key", "sha256", "title", "author", "source", "license", "license_url")
EXCUSED = ("refused", "failed", "gone")
"""Its tables of what was not kept."""
Excuse = tuple[str, str]
"""The key of what was not kept, and why; empty where no reason is given."""


def crawl_version(kept: Sequence[CrawledImage]) -> str:
    """The data version of a crawl: which images it kept, and whose they are."""
    return digest(_identity(kept))


def crawl_name(
    kept: Sequence[CrawledImage],
    excuses: Iterable[Sequence[Excuse]],
    sources: Mapping[str, SourceCounts],
    spec_version: str,
    code_version: str,
) -> str:
    """Its fingerprint: everything that makes it another one than the current one. `excuses`: of each table in EXCUSED."""
    flags = [[row.flags, row.previous_license] for row in kept]
    counts = {origin: each.model_dump() for origin, each in sources.items()}
    return digest([_identity(kept), flags, [[list(each) for each in rows] for rows in excuses], counts, spec_version, code_version])


def _identity(kept: Sequence[CrawledImage]) -> list[JsonObject]:
    return [JsonObject({name: getattr(row, name) for name in _IDENTITY}) for row in kept]
