"""What exists of a concept: its artifacts that count, and those of other concepts that it needs, read once. What should exist is in
`recipes.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from gaucho_pipeline.assets.rows import TrainImage, read_rows
from gaucho_pipeline.assets.table import CHECKPOINT, CURATED_SET, Asset
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
    same_content: Mapping[str, str] = field(default_factory=dict)
    """By asset: the data version of its input that it was made from, where the one that stands differs from it in credits alone."""

    def others_of(self, inputs: Iterable[OtherInput]) -> dict[str, Artifact | None]:
        """Some of the artifacts of other concepts, by `asset/concept`."""
        return {f"{each.asset}/{each.concept}": self.others[each] for each in inputs}


def read_standing(store: Store, concept: str, assets: Iterable[Asset], others: Iterable[OtherInput]) -> Standing:
    """Reads what exists of a concept's assets, and of what it needs of others."""
    names = [asset.name for asset in assets]
    artifacts = {name: artifact for name in names if (artifact := store.current(name, concept))}
    absence = {name: text for name in names if name not in artifacts and (text := store.absence(name, concept))}
    read = {each: store.current(each.asset, each.concept) for each in others}
    return Standing(concept, artifacts, read, absence, _same_content(store, artifacts))


def _same_content(store: Store, artifacts: Mapping[str, Artifact]) -> dict[str, str]:
    """Of a checkpoint: the set that it learned from, where the one that stands holds the same images, captions and masks."""
    checkpoint, curated = artifacts.get(CHECKPOINT.name), artifacts.get(CURATED_SET.name)
    if checkpoint is None or not differs_in_credits(store, checkpoint, curated):
        return {}
    return {CHECKPOINT.name: checkpoint.manifest.provenance.inputs[CURATED_SET.name]}


def differs_in_credits(store: Store, checkpoint: Artifact, curated: Artifact | None) -> bool:
    """Whether a set is another than the one that a checkpoint learned from, and differs from it in credits alone."""
    recorded = checkpoint.manifest.provenance.inputs.get(CURATED_SET.name)
    if not recorded or curated is None or curated.manifest.data_version == recorded:
        return False
    learned = store.find_version(CURATED_SET.name, checkpoint.manifest.concept, recorded)
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
