"""`gaucho forget IMAGE`: an image leaves blobs, sets, measures, latents and pages, and does not come back.

For a person who does not want to be pictured, and for whoever holds the rights. The crawls that count lose its record, sets and pages that
held it are removed, because what is named by what it holds cannot hold less: the next run makes them again without it. Pages that were
published elsewhere are taken down by `gaucho publish` there. Killed, it is finished by the same command again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gaucho_pipeline.assets.rows import CrawledImage, ImageMention, TrainImage, parse_rows, read_rows, to_json, write_rows
from gaucho_pipeline.assets.table import ALL, ASSETS, CHECKPOINT, COLLECTION, CURATED_SET, EVALUATION, GALLERY_SITE, RAW_CRAWL
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.digests import digest, is_file_of
from gaucho_pipeline.files.tables import attributed, read_table, write_attribution
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.published import published_folders, shows_forgotten
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.remote import RemoteStore, remote_from_environment
from gaucho_pipeline.store.store import CURRENT, QUARANTINE, TRASH, Store
from gaucho_pipeline.upkeep.collecting import forget_measures
from gaucho_pipeline.upkeep.near_copies import NearCopy, fingerprint_of, near_copies
from gaucho_pipeline.upkeep.references import all_artifacts, busy_with, folders_in

_REDACTED = ("train.jsonl", "validation.jsonl")
"""The tables of what was taught from which an image's row goes; what was learned of it is in the weights, and stays."""
_TRAINED = (CHECKPOINT.name, COLLECTION.name)
_TABLES = {
    RAW_CRAWL.name: ("images.jsonl",),
    CURATED_SET.name: ("images.jsonl", "excluded.jsonl"),
    COLLECTION.name: _REDACTED,
    CHECKPOINT.name: (*_REDACTED, "together.jsonl"),
    EVALUATION.name: ("training.jsonl",),
}
"""The tables of an artifact in which an image stands with its SHA-256."""


_HASH = re.compile(r"[0-9a-f]{8,64}")
_WHOLE = 64


@dataclass
class Forgetting:
    """What was done."""

    sha256: str
    removed: list[Path] = field(default_factory=list)
    learned_from: list[Artifact] = field(default_factory=list)
    """Checkpoints and collections that had it among their training images."""
    concepts: list[str] = field(default_factory=list)
    """Those whose sets have to be made again."""
    alike: list[NearCopy] = field(default_factory=list)
    """Images that are like it and stood in sets: these are made again, and refuse it but where a curator has said to keep it."""
    published: list[Path] = field(default_factory=list)
    """Folders that were published into, and show it."""


def forget(project: Project, image: str, reason: str = "", with_unread: bool = False) -> Forgetting:
    """Forgets an image that is named by its SHA-256 (eight digits of it or more), its file's name, its address, or the page where people
    see it. A whole SHA-256 need not stand here: then only its tombstone is kept.

    `with_unread`: also remove, whole, the artifacts that cannot be read, of which nobody knows whether they hold it.

    Raises ConfigError if no image or several are meant, GauchoError where something cannot be read and is to stay, or while a stage is at
    work on a concept that has it, TransientError if an object store that is named cannot be reached: the same again finishes it.
    """
    store, forgotten = project.store, Forgotten(project.forgotten_file)
    unread = _unread(store)
    if unread and not with_unread:
        raise _refusal_of(unread, image)
    artifacts = [artifact for artifact in all_artifacts(store) if artifact.folder not in unread]
    done = Forgetting(_identify(store, artifacts, forgotten, image))
    fingerprint = fingerprint_of(store, done.sha256) or forgotten.fingerprint_of(done.sha256)
    alike = list(near_copies(store, artifacts, fingerprint, done.sha256))
    done.alike = list(dict.fromkeys(each for _unused, own in alike for each in own))
    holders = [(artifact, own) for artifact in artifacts if (own := _rows_of(artifact, done.sha256))]
    slugs = {artifact.manifest.concept for artifact, _unused in (*holders, *alike)}
    done.concepts = sorted(slugs | {each.parent.name for each in unread} - {ALL})
    if busy := busy_with(store, done.concepts):
        raise GauchoError(_("{busy}: at work; wait for the end, then forget", busy=", ".join(busy)))
    rows = [row for _unused, own in holders for row in own]
    names = {name for row in rows for name in (row.key, row.url) if name} | {f"sha1:{row.sha1}" for row in rows if row.sha1}
    if names or done.sha256 not in forgotten.sha256:
        forgotten.add(done.sha256, sorted(names), reason, fingerprint)  # first, so that it does not come back whatever happens now
    remote = remote_from_environment()
    if remote:
        whole = [artifact for artifact, _unused in holders if artifact.manifest.asset not in _TRAINED]
        pictures = {artifact.manifest.files[str(row.file)] for artifact, own in holders for row in own if _has(artifact, row)}
        remote.withdraw([*whole, *_sites(store, done)], {done.sha256} | pictures)
    for folder in unread:
        _delete(store, folder, done)
        if store.current(folder.parents[1].name, folder.parent.name) is None:
            store.withdraw(folder.parents[1].name, folder.parent.name)
    for artifact, own in holders:
        _take_out(store, artifact, own, done, remote)
    for artifact, _unused in alike:
        if artifact.folder.exists():  # the image itself was in some of them
            _remove(store, artifact, done)
    learned = {done.sha256, *(each.sha256 for each in done.alike)}  # images of a class stand in the credits alone
    trained = [each for each in artifacts if each.manifest.asset in _TRAINED and each.folder.exists() and each not in done.learned_from]
    done.learned_from += [each for each in trained if _learned_from(each) & learned]
    _remove_pages(store, done)
    gone = [each.name for each in folders_in(store.root / ".staging" / COLLECTION.name) if each.name not in project.concepts.collections]
    _remove_traces(store, done, [*project.concepts.collections_of(done.concepts), *gone])
    done.published = [folder for folder in published_folders(project) if shows_forgotten(folder, forgotten)]
    return done


def forget_concept(project: Project, slug: str, reason: str = "", with_unread: bool = False) -> list[Forgetting]:
    """Forgets every image that was ever gathered for a concept and still stands here: where a community takes back what it agreed to.

    Raises ConfigError if there is no such concept or it has no image, and what `forget` raises; the same again goes on from there.
    """
    crawls = project.store.all(RAW_CRAWL.name, slug)
    images = dict.fromkeys(row.sha256 for crawl in crawls for row in read_rows(crawl.folder / "images.jsonl", CrawledImage))
    if not images:
        project.concept(slug)
        raise ConfigError(_("{slug}: no image of it stands here", slug=slug))
    every = [forget(project, sha256, reason, with_unread) for sha256 in images]
    for done in every:  # those of its own are forgotten, too
        done.alike = [each for each in done.alike if each.sha256 not in images]
    return every


def _refusal_of(unread: Sequence[Path], image: str) -> GauchoError:
    text = _("{folder} cannot be read ({count} such in all) and may hold the image", folder=unread[0], count=len(unread))
    return GauchoError(_("{text}; to remove them whole, whatever they hold: gaucho forget --unread {image}", text=text, image=image))


def _unread(store: Store) -> list[Path]:
    """Artifacts of which nobody knows what they hold: the manifest cannot be read, or a table is another than was written."""
    folders = [each for asset in ASSETS for home in folders_in(store.root / asset) for each in folders_in(home) if each.name != CURRENT]
    return [each for each in folders if not _can_be_read(store.find(each.parents[1].name, each.parent.name, each.name))]


def _can_be_read(artifact: Artifact | None) -> bool:
    if artifact is None:
        return False
    written, tables = artifact.manifest.files, _TABLES.get(artifact.manifest.asset, ())
    return all(is_file_of(artifact.folder / name, written[name]) for name in tables if name in written)


def _identify(store: Store, artifacts: Sequence[Artifact], forgotten: Forgotten, image: str) -> str:
    """The SHA-256 of the image that is meant; also of one of which nothing is left but its bytes or its tombstone, or never was."""
    found = {row.sha256: row.key or row.source for artifact in artifacts for row in _rows(artifact) if _is_meant(row, image)}
    if _HASH.fullmatch(image):
        bytes_ = (path.name for path in (store.root / "blobs" / image[:2]).glob(f"{image}*"))
        found |= {sha256: "" for sha256 in (*bytes_, *forgotten.sha256) if sha256.startswith(image) and sha256 not in found}
    if not found and len(image) == _WHOLE and _HASH.fullmatch(image):
        return image
    if len(found) != 1:
        names = "; ".join(f"{sha256[:12]} {name}".strip() for sha256, name in sorted(found.items()))
        which = f"{len(found)} images are meant: {names}; name one by its number" if found else "no image here is that"
        raise ConfigError(_("{image}: {which} (its SHA-256, its file's name, its address, or its page)", image=image, which=which))
    return next(iter(found))


def _take_out(store: Store, artifact: Artifact, rows: Sequence[ImageMention], done: Forgetting, remote: RemoteStore | None) -> None:
    """Takes an image out of one artifact that has it."""
    made = artifact.manifest
    current = store.current(made.asset, made.concept)
    if made.asset in _TRAINED:
        done.learned_from += [artifact] if done.sha256 in _learned_from(artifact) else []
        redacted = _redact(store, artifact, [str(row.file) for row in rows if _has(artifact, row)])
        if remote and redacted:
            remote.replace(store, redacted)
    elif made.asset == RAW_CRAWL.name and current and current.folder == artifact.folder:
        _without(store, artifact, done.sha256)
        _delete(store, artifact.folder, done)
    else:
        _remove(store, artifact, done)


def _without(store: Store, crawl: Artifact, sha256: str) -> None:
    """A crawl that is the same but for one image: what its sources gave once is not lost because one image must go."""
    made = crawl.manifest
    version = digest([made.data_version, f"without {sha256}"])
    named = made.model_copy(update={"fingerprint": digest([made.fingerprint, f"without {sha256}"]), "data_version": version})
    rows = [row for row in read_rows(crawl.folder / "images.jsonl", CrawledImage) if row.sha256 != sha256]
    with store.staging(made.asset, made.concept, named.fingerprint) as staging:
        shutil.copytree(crawl.folder, staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        write_rows(staging / "images.jsonl", rows)
        write_attribution(staging / "ATTRIBUTION.csv", map(to_json, rows))
        store.publish(staging, named)


def _rows_of(artifact: Artifact, sha256: str) -> list[ImageMention]:
    return [row for row in _rows(artifact) if row.sha256 == sha256]


def _has(artifact: Artifact, row: ImageMention) -> bool:
    """Whether a picture of an image is among an artifact's own files."""
    return row.file in artifact.manifest.files


def _rows(artifact: Artifact) -> Iterator[ImageMention]:
    for name in _TABLES.get(artifact.manifest.asset, ()):
        if (path := artifact.folder / name).exists():
            yield from parse_rows(read_table(path), ImageMention, path)


def _is_meant(row: ImageMention, image: str) -> bool:
    if _HASH.fullmatch(image):
        return row.sha256.startswith(image)
    return image in (row.key, row.url, row.source, _file_name(row.key), _file_name(urlsplit(row.url).path))


def _file_name(place: str) -> str:
    """What a file is called at the end of a key or of an address, as people read it."""
    return unquote(place.rpartition("/")[2].rpartition(":")[2])


def _learned_from(artifact: Artifact) -> set[str]:
    """The SHA-256 of the images that something trained is due to."""
    tables = [path for name in ("train.jsonl", "together.jsonl") if (path := artifact.folder / name).exists()]
    return {row.sha256 for path in tables for row in read_rows(path, ImageMention)} | attributed(artifact.folder)


def _remove(store: Store, artifact: Artifact, done: Forgetting) -> None:
    made = artifact.manifest
    current = store.current(made.asset, made.concept)
    if current and current.folder == artifact.folder:
        store.withdraw(made.asset, made.concept)
    _delete(store, artifact.folder, done)


def _delete(store: Store, path: Path, done: Forgetting) -> None:
    store.discard(path)
    done.removed.append(path)


def _redact(store: Store, artifact: Artifact, files: Iterable[str]) -> Artifact | None:
    """Takes pictures that were only measured with out of a checkpoint, which stays what it is; None if there are none."""
    gone = set(files)
    if not gone:
        return None
    made = artifact.manifest
    with store.staging(made.asset, made.concept, f"{made.fingerprint}-redacted") as staging:
        shutil.copytree(artifact.folder, staging, copy_function=os.link, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        for name in gone:
            (staging / name).unlink()
        for table in _REDACTED:
            rows = read_rows(staging / table, TrainImage)
            write_rows(staging / table, [row for row in rows if row.file not in gone])
        current = store.current(made.asset, made.concept)
        redacted = store.publish(staging, made)
        if current:
            store.set_current(store.find(made.asset, made.concept, current.manifest.fingerprint) or current)
    return redacted


def _remove_pages(store: Store, done: Forgetting) -> None:
    """Removes every site that shows a concept which had the image."""
    for site in _sites(store, done):
        _remove(store, site, done)


def _sites(store: Store, done: Forgetting) -> list[Artifact]:
    sites = store.all(GALLERY_SITE.name, ALL)
    return [site for site in sites if site.manifest.shown_concepts() & set(done.concepts)]


def _remove_traces(store: Store, done: Forgetting, collections: Sequence[str]) -> None:
    """Removes the bytes, what was measured of them, their latents, and what half-made, fetched or put aside things still have of them."""
    if store.blob_path(done.sha256).exists():
        _delete(store, store.blob_path(done.sha256), done)
    forget_measures(store)
    for name in (".posteriors", ".samples", QUARANTINE, ".fetching"):  # made or fetched again, or waste; what they hold has no name
        if (store.root / name).exists():
            _delete(store, store.root / name, done)
    for slug in dict.fromkeys((*done.concepts, *collections)):
        for asset in (*_TABLES, GALLERY_SITE.name):
            for folder in (each for each in (store.root / ".staging" / asset / slug).glob("*") if each.is_dir()):
                _delete(store, folder, done)
    for path in store.root.glob(".fetched/*.jsonl"):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(done.sha256 in line for line in lines):
            write_atomically(path, "\n".join(line for line in lines if done.sha256 not in line) + "\n")
    shutil.rmtree(store.root / TRASH, ignore_errors=True)  # also of one that was killed
