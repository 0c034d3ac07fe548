"""Near copies of an image that must go, in the sets that exist: of other concepts, where nobody named them.

That curation refuses them from then on is in `curation/__main__.py`; what happens to the sets is in `forgetting.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gaucho_pipeline.assets.rows import CuratedImage, read_rows
from gaucho_pipeline.assets.table import CURATED_SET
from gaucho_pipeline.curation.hashes import is_like
from gaucho_pipeline.curation.reading import MeasuresCache, measure_all
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.store import Store


@dataclass(frozen=True)
class NearCopy:
    """An image of a set that is like one that was forgotten."""

    concept: str
    sha256: str
    title: str
    is_decided: bool
    """Whether a curator has decided that it stays in the set."""


def near_copies(store: Store, artifacts: Iterable[Artifact], fingerprint: bytes, but: str) -> Iterator[tuple[Artifact, list[NearCopy]]]:
    """The curated sets that keep an image like the one of a fingerprint, and which; `but`: the SHA-256 of that one itself."""
    if not fingerprint:
        return
    sets = [each for each in artifacts if each.manifest.asset == CURATED_SET.name]
    rows = {each.folder: [row for row in read_rows(each.folder / "images.jsonl", CuratedImage) if row.sha256 != but] for each in sets}
    images = dict.fromkeys(row.sha256 for own in rows.values() for row in own if store.blob_path(row.sha256).exists())
    cache = _measured(store, images)
    alike = {sha256 for sha256 in images if _is_like(cache.get(sha256), fingerprint)}
    for each in sets:
        own = [row for row in rows[each.folder] if row.sha256 in alike]
        if own:
            yield each, [NearCopy(each.manifest.concept, row.sha256, row.title, bool(row.by)) for row in own]


def fingerprint_of(store: Store, sha256: str) -> bytes:
    """The perceptual hashes of an image, by which near copies are known; none where it cannot be read any more."""
    if not store.blob_path(sha256).exists():
        return b""
    measured = _measured(store, [sha256]).get(sha256)
    return measured.hashes if isinstance(measured, Measures) else b""


def _measured(store: Store, images: Iterable[str]) -> MeasuresCache:
    """The cache of measures, with those of some images in it."""
    cache = MeasuresCache(store.root / ".measures")
    for _unused in measure_all(images, store.blob_path, cache, lambda count: lambda: None):
        pass
    return cache


def _is_like(measured: object, fingerprint: bytes) -> bool:
    return isinstance(measured, Measures) and is_like(measured.hashes, measured.mirrored, fingerprint)
