"""What exists of a concept: its artifacts that count, and those of other concepts that it needs, read once. What should exist is in
`recipes.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from gaucho_pipeline.assets.rows import TrainImage, read_rows
from gaucho_pipeline.assets.table import CHECKPOINT, COLLECTION, CURATED_SET, Asset
from gaucho_pipeline.concepts.part import OtherInput
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.store import Store


@dataclass(frozen=True)
class Standing:
    """What exists of a concept at one moment."""

    concept: str
    artifacts: Mapping[str, Artifact]
    """The artifacts that count, by asset."""
    others: Mapping[OtherInput, Artifact | None]
    """Those of other concepts that it needs; None for what was never made."""
    absence: Mapping[str, str]
    """By asset: why there is none although one was made."""
    same_content: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By asset: the data versions of inputs that it was made from, where the current ones differ from them in credits alone."""

    def others_of(self, inputs: Iterable[OtherInput]) -> dict[str, Artifact | None]:
        """Some of the artifacts of other concepts, by `asset/concept`."""
        return {f"{each.asset}/{each.concept}": self.others[each] for each in inputs}


def read_standing(store: Store, concept: str, assets: Iterable[Asset], others: Iterable[OtherInput]) -> Standing:
    """Reads what exists of a concept's assets, and of what it needs of others."""
    names = [asset.name for asset in assets]
    artifacts = {name: artifact for name in names if (artifact := store.current(name, concept))}
    absence = {name: text for name in names if name not in artifacts and (text := store.absence(name, concept))}
    read = {each: store.current(each.asset, each.concept) for each in others}
    sets = {CURATED_SET.name: artifacts.get(CURATED_SET.name)}
    sets |= {f"{each.asset}/{each.concept}": made for each, made in read.items() if each.asset == CURATED_SET.name}
    trained = [made for name in (CHECKPOINT.name, COLLECTION.name) if (made := artifacts.get(name))]
    same = {made.manifest.asset: found for made in trained if (found := _same_content(store, made, sets))}
    return Standing(concept, artifacts, read, absence, same)


def _same_content(store: Store, trained: Artifact, sets: Mapping[str, Artifact | None]) -> dict[str, str]:
    """The sets that something was taught on, by input, where the current ones hold the same images, captions and masks."""
    recorded = trained.manifest.provenance.inputs
    return {name: recorded[name] for name, curated in sets.items() if differs_in_credits(store, trained, curated, name)}


def differs_in_credits(store: Store, trained: Artifact, curated: Artifact | None, name: str = CURATED_SET.name) -> bool:
    """Whether a set is another than the one that a checkpoint or a collection learned from, and differs from it in credits alone.

    `name`: the input that it is.
    """
    recorded = trained.manifest.provenance.inputs.get(name)
    if not recorded or curated is None or curated.manifest.data_version == recorded:
        return False
    learned = store.find_version(CURATED_SET.name, curated.manifest.concept, recorded)
    return learned is not None and _content_of(learned.folder) == _content_of(curated.folder)


_CONTENT = ("sha256", "file", "pixels", "caption", "mask_pixels")


@lru_cache(maxsize=256)
def _content_of(folder: Path) -> str:
    """The hash of what training reads of a curated set: its images, captions and masks, and not whose they are."""
    try:
        rows = read_rows(folder / "images.jsonl", TrainImage)  # an artifact is never changed
    except (GauchoError, OSError):  # of another version, or damaged: like no other
        return folder.as_posix()
    return digest([[getattr(row, name) for name in _CONTENT] for row in rows])
