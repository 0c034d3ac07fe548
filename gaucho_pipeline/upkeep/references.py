"""What of the data folder is needed, and by what: artifacts from those that count down to what they were made from, and their images."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from gaucho_pipeline.assets.rows import CrawledImage, read_rows
from gaucho_pipeline.assets.table import ALL, ASSETS, CHECKPOINT, CONCEPT_ASSETS, RAW_CRAWL
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.locks import is_held
from gaucho_pipeline.project.approvals import Approval, read_approvals
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.store import QUARANTINE, Store

_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
Key = tuple[str, str, str]
"""Asset, concept, fingerprint."""


def key_of(artifact: Artifact) -> Key:
    return artifact.manifest.asset, artifact.manifest.concept, artifact.manifest.fingerprint


def all_artifacts(store: Store) -> Iterator[Artifact]:
    """Every artifact that is complete, of whatever concept."""
    for asset in ASSETS:
        for home in folders_in(store.root / asset):
            yield from store.all(asset, home.name)


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder that are no links and not hidden."""
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink() and not each.name.startswith("."))


def needed(project: Project, without: Collection[str] = ()) -> set[Key]:
    """The artifacts that count, that are pinned, approved, published on the site or being read now, and all that they were made from.

    `without`: concepts whose own artifacts do not count.
    """
    store, found = project.store, set[Key]()
    homes = [(asset, home.name) for asset in ASSETS for home in folders_in(store.root / asset) if home.name not in without]
    homes = [(asset, slug) for asset, slug in homes if not project.concepts.has(slug) or project.has_asset(asset, slug)]
    todo = [artifact for asset, slug in homes if (artifact := store.current(asset, slug))]
    todo += [*_pinned(project), *_approved(project), *_being_read(store)]
    while todo:
        artifact = todo.pop()
        if key_of(artifact) not in found:
            found.add(key_of(artifact))
            todo += store.inputs_of(artifact)
    return found


def _pinned(project: Project) -> Iterator[Artifact]:
    for slug in project.slugs:
        name = project.concept(slug).training.pinned
        if name and (artifact := project.store.find(CHECKPOINT.name, slug, name)):
            yield artifact


def _approved(project: Project) -> Iterator[Artifact]:
    for slug, approval in read_approvals(project).items():
        for asset in CONCEPT_ASSETS:
            version = getattr(approval, asset.name) if asset.name in Approval.model_fields else None
            if version and (artifact := project.store.find_version(asset.name, slug, version)):
                yield artifact


def _being_read(store: Store) -> Iterator[Artifact]:
    """The inputs of every stage that is at work now."""
    for asset, slug in at_work(store):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            request = json.loads((store.root / ".requests" / asset / slug / "request.json").read_text(encoding="utf-8"))
            for name, folder in request["inputs"].items():
                if artifact := store.find(name.partition("/")[0], Path(folder).parent.name, Path(folder).name):
                    yield artifact


def busy_with(store: Store, slugs: Collection[str]) -> list[str]:
    """The stages at work now that make something of some concepts, or read something of them, in words."""
    found = [f"{asset} of {slug}" for asset, slug in at_work(store) if slug in slugs or slug == ALL]
    readers = [
        f"whoever reads {each.manifest.asset} of {each.manifest.concept}" for each in _being_read(store) if each.manifest.concept in slugs
    ]
    return sorted({*found, *readers})


def at_work(store: Store) -> list[tuple[str, str]]:
    """The assets and concepts of which a stage is filling an artifact now."""
    found = []
    for asset in ASSETS:
        for home in folders_in(store.root / ".staging" / asset):
            if is_held(home / ".lock"):
                found.append((asset, home.name))
    return found


def kept_images(project: Project) -> set[str]:
    """The SHA-256 of every image that any crawl names, whole, damaged or put aside, and of all that was ever fetched for a concept.

    An image that vanished upstream is here only: what cannot be read costs no image.
    """
    root, found = project.store.root, set[str]()
    tables = [*(root / RAW_CRAWL.name).glob("*/*/images.jsonl"), *(root / QUARANTINE / RAW_CRAWL.name).glob("*/*/images.jsonl")]
    journals = [root / ".fetched" / f"{slug}.jsonl" for slug in project.slugs]
    for path in (*tables, *(each for each in journals if each.exists())):
        found |= set(_SHA256.findall(path.read_text(encoding="utf-8", errors="replace")))
    return found


def images_of(crawl: Artifact) -> list[str]:
    """The SHA-256 of a crawl's images. Raises GauchoError if its table cannot be read."""
    try:
        return [row.sha256 for row in read_rows(crawl.folder / "images.jsonl", CrawledImage)]
    except (OSError, LookupError, TypeError) as error:
        raise GauchoError(
            _("{folder}: cannot be read ({error}); see: gaucho fsck", folder=crawl.folder / "images.jsonl", error=error)
        ) from None


def gone_concepts(project: Project) -> list[str]:
    """Concepts and collections of which something stands, and which the file no longer has."""
    there = {home.name for asset in ASSETS.values() if asset.is_partitioned for home in folders_in(project.store.root / asset.name)}
    return sorted(there - set(project.slugs) - set(project.concepts.collections))
