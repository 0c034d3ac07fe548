"""Removes what nothing needs any more: old artifacts, images of no crawl, caches that nobody asked for lately.

Nothing that is referred to is removed, also under a running job: what a stage at work reads is needed, and images stay while anything is
being crawled.
"""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from gaucho_pipeline.assets.table import ASSETS, RAW_CRAWL
from gaucho_pipeline.concepts.concept import RetentionSpec
from gaucho_pipeline.judging.panel import PANELS
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import MANIFEST
from gaucho_pipeline.store.remote import path_of, required_remote
from gaucho_pipeline.store.store import QUARANTINE, TRASH, Store
from gaucho_pipeline.upkeep.references import Key, all_artifacts, at_work, folders_in, gone_concepts, kept_images, key_of, needed

_CACHES = (".posteriors", ".pictures", ".class_images", ".asked/answers")
_SECONDS_OF_A_DAY = 86_400.0
_BLOB_SECONDS = 3600.0
"""A crawl that has just ended may not have put its table in place yet."""


@dataclass(frozen=True)
class Waste:
    """Something that is needed no more."""

    kind: str
    path: Path
    size: int
    """Bytes on the disk."""


def find_waste(project: Project, retention: RetentionSpec, with_gone: bool = False) -> Iterator[Waste]:
    """What may be removed, but for images. `with_gone`: also of concepts that the file no longer has."""
    store, oldest = project.store, _oldest(retention)
    gone, artifacts = set(gone_concepts(project)), list(all_artifacts(store))
    roots = needed(project, without=gone if with_gone else ())
    spared = roots | _latest(artifacts, roots, retention.keep)
    yield from (_waste("artifact", each.folder) for each in artifacts if _may_go(each, spared, oldest, gone))
    yield from _unfinished(store, oldest)
    yield from (_waste("cache", path) for path in _unused(store, oldest))
    yield from (_waste("quarantine", path) for path in _files(store.root / QUARANTINE) if _put_aside_at(store, path) < oldest)
    for slug in gone if with_gone else ():
        homes = [store.home(asset, slug) for asset in ASSETS if not any(key[:2] == (asset, slug) for key in roots)]
        yield from (_waste("removed", home) for home in homes if home.exists())
        yield from (_waste("panel", path) for path in (store.root / PANELS).glob(slug))
        yield from (_waste("request", path) for path in (store.root / ".requests").glob(f"*/{slug}"))
        yield from (_waste("samples", path) for path in (store.root / ".samples").glob(f"*/{slug}"))
        yield from (_waste("journal", path) for path in (store.root / ".fetched").glob(f"{slug}.jsonl"))


def find_images(project: Project, retention: RetentionSpec) -> Iterator[Waste]:
    """Images that no crawl names and that were never fetched for a concept of the file. To be asked while nothing is being crawled."""
    kept, oldest = kept_images(project), min(_oldest(retention), time.time() - _BLOB_SECONDS)
    for folder in folders_in(project.store.root / "blobs"):
        for path in folder.iterdir():
            if path.name not in kept and _changed(path) < oldest:
                yield _waste("image", path)


def _oldest(retention: RetentionSpec) -> float:
    return time.time() - retention.days * _SECONDS_OF_A_DAY


def _put_aside_at(store: Store, path: Path) -> float:
    """When something was put into the quarantine: what is put aside whole keeps its files' own times."""
    parents = [each for each in path.parents if each.is_relative_to(store.root / QUARANTINE)]
    return max(_changed(each) for each in (path, *parents))


def _latest(artifacts: Iterable[Artifact], roots: Collection[Key], keep: int) -> set[Key]:
    """The latest artifacts of each asset and concept, what is needed first."""
    by_home: dict[tuple[str, str], list[Artifact]] = {}
    for artifact in artifacts:
        by_home.setdefault((artifact.manifest.asset, artifact.manifest.concept), []).append(artifact)
    found = set[Key]()
    for alike in by_home.values():
        alike.sort(key=lambda each: (key_of(each) in roots, each.manifest.made_at), reverse=True)
        found |= {key_of(each) for each in alike[:keep]}
    return found


def _may_go(artifact: Artifact, spared: set[Key], oldest: float, gone: Collection[str]) -> bool:
    """Whether an artifact is needed by nothing and old enough. Those of a concept that is gone go with it or not at all."""
    return artifact.manifest.concept not in gone and key_of(artifact) not in spared and _changed(artifact.folder / MANIFEST) <= oldest


def clean(project: Project, retention: RetentionSpec, tell: Callable[[str], None], with_gone: bool = False, dry_run: bool = False) -> int:
    """Removes all of it, and says how much there is of each kind; returns the bytes. While anything is being crawled, images stay."""
    wastes = list(find_waste(project, retention, with_gone))
    if not dry_run:
        roots = needed(project)  # an edit that was taken back meanwhile
        for waste in wastes:
            if waste.kind != "artifact" or _key_of_folder(waste.path) not in roots:
                remove(project.store, waste)
    with crawls_held_off(project) as may_remove_images:
        images = list(find_images(project, retention)) if may_remove_images else []
        for waste in () if dry_run else images:
            remove(project.store, waste)
    if not may_remove_images:
        tell("something is being crawled: images stay for now")
    if not dry_run:
        forget_measures(project.store)
    return told_sizes([*wastes, *images], tell)


def _key_of_folder(folder: Path) -> Key:
    return folder.parents[1].name, folder.parent.name, folder.name


def remove(store: Store, waste: Waste) -> None:
    """Removes it in one step for whoever looks; an artifact that has become the one that counts meanwhile stays."""
    if waste.kind == "artifact":
        asset, concept, _ = _key_of_folder(waste.path)
        current = store.current(asset, concept)
        if current and current.folder == waste.path:
            return
    with contextlib.suppress(FileNotFoundError):
        store.discard(waste.path)


@contextlib.contextmanager
def crawls_held_off(project: Project) -> Iterator[bool]:
    """Whether nothing is being crawled, and nothing will be within the block: images may be removed then."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a lock for each concept
    with contextlib.ExitStack() as stack:
        try:
            for slug in {*project.slugs, *gone_concepts(project)}:
                home = project.store.root / ".staging" / RAW_CRAWL.name / slug
                home.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(home / ".lock", blocking=False))
        except Timeout:
            yield False
        else:
            yield True


def forget_measures(store: Store) -> int:
    """Removes measures of images that exist no more; returns how many."""
    file = store.root / ".measures" / "measures.sqlite"
    if not file.exists():
        return 0
    with contextlib.closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        there = {sha for table in tables for (sha,) in database.execute(f'SELECT DISTINCT sha256 FROM "{table}"')}
        lost = [sha for sha in there if not store.blob_path(sha).exists()]
        for table in tables:
            database.executemany(f'DELETE FROM "{table}" WHERE sha256 = ?', [(sha,) for sha in lost])
        if lost:
            database.execute("VACUUM")
    return len(lost)


def remove_from_store(project: Project, days: int, dry_run: bool = False) -> tuple[int, int]:
    """Removes artifacts of the object store that are older and that nothing here needs; returns how many, and how many files.

    Raises ConfigError if no store is named.
    """
    remote, roots = required_remote(), needed(project)
    paths = {path_of(artifact) for artifact in all_artifacts(project.store) if key_of(artifact) in roots}
    return remote.remove(paths, datetime.now(UTC) - timedelta(days=days), dry_run)


def _waste(kind: str, path: Path) -> Waste:
    return Waste(kind, path, sum(file.lstat().st_size for file in _files(path)))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.exists() else []
    return [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]


def _unfinished(store: Store, oldest: float) -> Iterator[Waste]:
    """Folders without a manifest, and what was being filled so long ago that nobody will go on with it."""
    busy = set(at_work(store))
    for asset in ASSETS:
        for home in folders_in(store.root / asset):
            yield from (_waste("unfinished", each) for each in folders_in(home) if not (each / MANIFEST).exists())
        for home in folders_in(store.root / ".fetching" / asset):
            yield from (_waste("unfinished", each) for each in home.iterdir() if _changed(each) < oldest)
        for home in folders_in(store.root / ".staging" / asset):
            if (asset, home.name) not in busy:
                yield from (_waste("unfinished", each) for each in folders_in(home) if _last_change(each) < oldest)
    yield from (_waste("unfinished", each) for each in (store.root / TRASH).glob("*"))


def _unused(store: Store, oldest: float) -> Iterator[Path]:
    """Files of caches that nobody has read or written lately."""
    for name in _CACHES:
        for path in _files(store.root / name):
            found = path.stat()
            if max(found.st_mtime, found.st_atime) < oldest:
                yield path


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _last_change(folder: Path) -> float:
    return max([_changed(folder), *(_changed(path) for path in folder.rglob("*"))])


def told_sizes(wastes: Iterable[Waste], tell: Callable[[str], None]) -> int:
    """Says how much there is of each kind; returns the bytes in all."""
    counts: dict[str, tuple[int, int]] = {}
    for waste in wastes:
        count, size = counts.get(waste.kind, (0, 0))
        counts[waste.kind] = (count + 1, size + waste.size)
    for kind, (count, size) in sorted(counts.items()):
        tell(f"  {kind:<12} {count:>6}  {size / 1e6:10.1f} MB")
    return sum(size for _, size in counts.values())
