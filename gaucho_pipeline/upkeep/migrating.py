"""`gaucho migrate`: takes a data folder of an older version over. What cannot be read any more is put aside, whole; a run makes it again.

Nothing is removed, and nothing is put aside that only looks old: what is damaged is for `gaucho fsck`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.store.manifest import older_version
from gaucho_pipeline.store.store import CURRENT, Store
from gaucho_pipeline.upkeep.references import at_work, folders_in


def migrate(store: Store) -> Iterator[str]:
    """Takes the artifacts over, and says of each what was done. Raises GauchoError while a stage is at work."""
    if busy := at_work(store):
        names = ", ".join(f"{asset} of {slug}" for asset, slug in busy)
        raise GauchoError(_("{names}: being made now; wait for it to end", names=names))
    for asset in ASSETS:
        for home in folders_in(store.root / asset):
            yield from _home(store, asset, home)


def _home(store: Store, asset: str, home: Path) -> Iterator[str]:
    """The artifacts of one asset of one concept."""
    counts, put_aside = store.fingerprint_of_current(asset, home.name), set()
    for folder in (each for each in folders_in(home) if each.name != CURRENT):
        if store.find(asset, home.name, folder.name) is None and (older := older_version(folder)):
            place = store.quarantine(folder)
            put_aside.add(folder.name)
            yield _("{asset} of {slug}: {older}; put aside: {place}", asset=asset, slug=home.name, older=older, place=place)
    if counts in put_aside:
        store.withdraw(asset, home.name)
    if (named := store.current(asset, home.name)) and not os.path.lexists(home / CURRENT):
        store.set_current(named)
        yield _("{asset} of {slug}: stands at {place}, too", asset=asset, slug=home.name, place=home / CURRENT)
