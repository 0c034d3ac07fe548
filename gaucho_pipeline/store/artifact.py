"""An artifact on disk: a folder with a manifest, immutable once it is in place. How it gets there is in `store.py`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.assets.table import ASSETS, Asset
from gaucho_pipeline.files.digests import file_digest, is_file_of
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.store.manifest import MANIFEST, Manifest

WEIGHTS_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Artifact:
    """A whole artifact on disk."""

    folder: Path
    manifest: Manifest

    @property
    def asset(self) -> Asset:
        return ASSETS[self.manifest.asset]

    def damaged(self, with_weights: bool = True) -> list[str]:
        """The files that are gone, or whose bytes are not those that were written."""
        names = [name for name in self.manifest.files if with_weights or not name.endswith(WEIGHTS_SUFFIX)]
        return [name for name in names if not is_file_of(self.folder / name, self.manifest.files[name])]

    def holds(self, images: Collection[str]) -> bool:
        """Whether any of its files is one of some images, or any of its tables names one, by SHA-256."""
        return bool(self.first_of(images))

    def first_of(self, images: Collection[str], passing_over: Collection[str] = ()) -> str:
        """The first of some images, by SHA-256, that is one of its files or that any of its tables names but for some; empty without."""
        if file := next((sha256 for sha256 in self.manifest.files.values() if sha256 in images), ""):
            return file
        tables = [name for name in self.manifest.files if name.endswith(".jsonl") and "/" not in name and name not in passing_over]
        rows = (row for name in tables for row in read_table(self.folder / name))
        return next((str(row["sha256"]) for row in rows if isinstance(row, dict) and row.get("sha256") in images), "")

    def unexpected_files(self) -> list[str]:
        """The files in its folder that were not part of it."""
        known = {MANIFEST, *self.manifest.files}
        return [name for name in file_names(self.folder) if name not in known] if self.manifest.files else []


def file_names(folder: Path, without: Collection[str] = ()) -> list[str]:
    """The files below a folder, by their path in it, but for the manifest and what is in some of its folders."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in files if name != MANIFEST and name.partition("/")[0] not in without]


def file_digests(folder: Path, without: Collection[str] = ()) -> dict[str, str]:
    """SHA-256 of each of them."""
    return {name: file_digest(folder / name) for name in file_names(folder, without)}
