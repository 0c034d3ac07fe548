"""What exists of a concept: its artifacts that count, and those of other concepts that it needs, read once. What should exist is in
`recipes.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gaucho_pipeline.assets.table import Asset
from gaucho_pipeline.concepts.part import OtherInput
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
    damage: Mapping[str, str]
    """By asset: why there is none although one was made."""

    def others_of(self, inputs: Iterable[OtherInput]) -> dict[str, Artifact | None]:
        """Some of the artifacts of other concepts, by `asset/concept`."""
        return {f"{each.asset}/{each.concept}": self.others[each] for each in inputs}


def read_standing(store: Store, concept: str, assets: Iterable[Asset], others: Iterable[OtherInput]) -> Standing:
    """Reads what exists of a concept's assets, and of what it needs of others."""
    names = [asset.name for asset in assets]
    artifacts = {name: artifact for name in names if (artifact := store.current(name, concept))}
    damage = {name: text for name in names if name not in artifacts and (text := store.damage(name, concept))}
    return Standing(concept, artifacts, {each: store.current(each.asset, each.concept) for each in others}, damage)
