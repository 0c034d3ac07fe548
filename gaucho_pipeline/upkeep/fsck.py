"""Whether the data folder is as it was written: every artifact against its manifest, every image against its name, and caches.

`gaucho fsck` names what is wrong by its file; with `--repair` it is put into the quarantine, whole, and what needs it is made or fetched
again by the next run.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from safetensors import SafetensorError, safe_open

from gaucho_pipeline.assets.table import ASSETS, RAW_CRAWL
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.digests import is_file_of
from gaucho_pipeline.project.approvals import read_approvals
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.reporter import Progress, Reporter
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.manifest import MANIFEST, fingerprint, is_as_written, older_version
from gaucho_pipeline.store.store import CURRENT, Store
from gaucho_pipeline.upkeep.references import at_work, folders_in, images_of


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was written."""

    path: Path
    """The file, or the folder, that is wrong."""
    text: str
    unit: Path | None = None
    """What is put aside with it: a whole artifact, a blob, a cache. Nothing for what is a person's own to correct."""
    is_older: bool = False
    """Whether nothing happened to it: an older version has written it so."""
    lacks_link: Artifact | None = None
    """The artifact that counts and that older versions made no `current` for."""


def examine(project: Project, reporter: Reporter) -> list[Damage]:
    """Everything that is wrong with the data folder, and with the files beside the concepts file."""
    store = project.store
    artifacts = [(asset, home) for asset in ASSETS for home in folders_in(store.root / asset)]
    blobs = sorted(path for folder in folders_in(store.root / "blobs") for path in folder.iterdir() if not path.name.startswith("."))
    progress = reporter.progress("reading", len(artifacts) + len(blobs), "artifacts and images")
    damaged_blobs = {damage.path.name: damage for damage in _blobs(blobs, progress)}
    found = list(damaged_blobs.values())
    for asset, home in artifacts:
        found += _home(store, asset, home, set(damaged_blobs))
        progress.advance()
    return [*found, *_caches(store), *_beside(project)]


def repair(store: Store, damages: list[Damage]) -> list[Path]:
    """Puts what is wrong into the quarantine; returns where. A stage that is at work keeps what it is filling."""
    units = dict.fromkeys(damage.unit for damage in damages if damage.unit and damage.unit.exists())
    places = []
    for unit in units:
        if unit.is_symlink():
            unit.unlink()
        elif unit.exists():
            places.append(store.quarantine(unit))
    return places


def mend(store: Store, damages: list[Damage]) -> list[Damage]:
    """Makes what older versions made not, where the data folder can be written; returns what is left of the damages."""
    try:
        store.check_writable()
    except GauchoError:
        return damages
    for damage in damages:
        if damage.lacks_link:
            store.set_current(damage.lacks_link)
    return [damage for damage in damages if not damage.lacks_link]


def _blobs(blobs: list[Path], progress: Progress) -> Iterator[Damage]:
    for path in blobs:
        if path.parent.name != path.name[:2] or not is_file_of(path, path.name):
            yield Damage(path, "its bytes are not those that were fetched", path)
        progress.advance()


def _home(store: Store, asset: str, home: Path, damaged_blobs: set[str]) -> Iterator[Damage]:
    """What is wrong with the artifacts of one asset of one concept."""
    for folder in (each for each in folders_in(home) if each.name != CURRENT):  # which a copy may have made a folder of
        artifact = store.find(asset, home.name, folder.name)
        if artifact is None:
            older = older_version(folder)
            yield Damage(folder / MANIFEST, f"is of {older}" if older else "is no manifest", None if older else folder, bool(older))
            continue
        yield from _artifact(store, artifact, folder, damaged_blobs)
    if text := store.damage(asset, home.name):
        is_older = " of an older version " in text
        yield Damage(home / "current.json", text.partition(" ")[2] or text, None if is_older else home / "current.json", is_older)
    link, named = home / CURRENT, store.current(asset, home.name)
    leads = os.readlink(link) if link.is_symlink() else named.manifest.fingerprint if named and link.is_dir() else ""
    if named and not os.path.lexists(link):
        yield Damage(link, "is not there", is_older=True, lacks_link=named)
    elif named and leads != named.manifest.fingerprint:
        yield Damage(link, "does not lead to the artifact that counts", link)


def _artifact(store: Store, artifact: Artifact, folder: Path, damaged_blobs: set[str]) -> Iterator[Damage]:
    made = artifact.manifest
    if not is_as_written(folder):
        yield Damage(folder / MANIFEST, "is not what was written", folder)
        return  # what it says of the other files may be what is wrong
    if made.fingerprint != folder.name or (made.asset, made.concept) != (folder.parents[1].name, folder.parent.name):
        yield Damage(folder / MANIFEST, "is another artifact's", folder)
    elif made.asset != RAW_CRAWL.name and fingerprint(made.asset, made.concept, made.provenance) != made.fingerprint:
        yield Damage(folder / MANIFEST, "what it says that it was made from has another fingerprint", folder)
    for name in artifact.damaged():
        yield Damage(folder / name, "is gone, or not what was written", folder)
    for name in artifact.unexpected_files():
        yield Damage(folder / name, "is no part of the artifact", folder / name)
    if made.asset == RAW_CRAWL.name:
        try:
            lost = [sha for sha in images_of(artifact) if sha in damaged_blobs or not store.blob_path(sha).exists()]
        except GauchoError as error:
            yield Damage(folder / "images.jsonl", str(error), folder)
            return
        if lost:
            yield Damage(folder / "images.jsonl", f"names {len(lost)} images that are damaged or gone, {lost[0]} first", folder)


def _caches(store: Store) -> Iterator[Damage]:
    """What can be had again: measures, latents, pictures, what was fetched."""
    busy = bool(at_work(store))
    measures = store.root / ".measures" / "measures.sqlite"
    if measures.exists() and (text := _sqlite_fault(measures)):
        yield Damage(measures, text, measures)
    for path in sorted((store.root / ".posteriors").rglob("*.safetensors")):
        if text := _posterior_fault(path):
            yield Damage(path, text, path)
    for name in (".pictures", ".class_images"):
        for path in sorted((store.root / name).rglob("*.png")):
            if not _is_whole(path):
                yield Damage(path, "is no whole picture", path)
    for path in sorted((store.root / ".fetched").glob("*.jsonl")):
        lines = path.read_bytes().splitlines()
        wrong = [number for number, line in enumerate(lines, 1) if line.strip() and not _is_json(line)]
        if wrong and not busy:
            yield Damage(path, f"line {wrong[0]} is no JSON: what it said is fetched again")


def _beside(project: Project) -> Iterator[Damage]:
    """The files beside the concepts file: people's own, to be mended from version control."""
    for read, path in (
        (lambda: LockFile(project.lock_file), project.lock_file),
        (lambda: read_approvals(project), project.concepts_file.resolve().with_suffix(".approvals.json")),
        (lambda: Forgotten(project.forgotten_file), project.forgotten_file),
    ):
        try:
            read()
        except GauchoError as error:
            yield Damage(path, str(error).removeprefix(f"{path}: "))


def _sqlite_fault(path: Path) -> str:
    is_alone = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    options = "mode=ro&immutable=1" if is_alone else "mode=ro"  # SQLite writes a file beside it even to read, but where nobody can
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?{options}", uri=True, timeout=60)) as database:
            found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        return str(error)
    return "" if found == "ok" else str(found)


def _posterior_fault(path: Path) -> str:
    from gaucho_pipeline.methods.base import tensors_digest  # here, because it loads torch, and there may be nothing to look at

    try:
        with safe_open(path, "pt") as file:
            tensors, expected = {name: file.get_tensor(name) for name in file.keys()}, (file.metadata() or {}).get("sha256")  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        return str(error)
    return "" if tensors_digest(tensors) == expected else "its numbers are not those that were written"


def _is_whole(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
