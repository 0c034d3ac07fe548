"""An object store behind the data folder, as a cache that several machines share: `GAUCHO_STORE=s3://bucket/prefix`.

`objects/<SHA-256>` holds files and images by what they hold, `manifests/<asset>/<concept>/<fingerprint>.json` names the files of an
artifact and is written last and never over another, so that a reader sees whole artifacts only, and two machines that make the same one
do each other no harm. `crawls/<concept>.json` names the crawl that was shared last, because that is not named by what it is made from.

The data folder stays the working copy: without the store everything goes on, and is shared later.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from gaucho_pipeline.assets.crawls import EXCUSED, crawl_name, crawl_version
from gaucho_pipeline.assets.files import strange_file
from gaucho_pipeline.assets.metrics import RawCrawlMetrics
from gaucho_pipeline.assets.rows import CrawledImage, read_rows
from gaucho_pipeline.assets.table import RAW_CRAWL
from gaucho_pipeline.errors import ConfigError, GauchoError, TransientError, _
from gaucho_pipeline.files.digests import is_file_of
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.files.writing import write_atomically, written_atomically
from gaucho_pipeline.store.artifact import Artifact, file_names
from gaucho_pipeline.store.manifest import Manifest, is_fingerprint
from gaucho_pipeline.store.manifest import fingerprint as fingerprint_of
from gaucho_pipeline.store.store import Store

if TYPE_CHECKING:
    from obstore.store import ObjectStore

STORE_VARIABLE = "GAUCHO_STORE"
_SHARED = ".shared"
_CLIENT = {"timeout": "60s", "connect_timeout": "5s"}
_RETRIES = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 2},
}
MAX_TABLE_BYTES = 256 * 2**20
"""Of a manifest, a pointer or a table that is read into memory."""
MAX_OBJECT_BYTES, MAX_WEIGHTS_BYTES = 2 * 2**30, 200 * 2**30
"""Of a file or an image that is fetched, and of one with weights."""
_YOUNG = timedelta(days=1)
"""Objects so young may be of an artifact whose manifest is still to come."""


def remote_from_environment() -> RemoteStore | None:
    """The store that GAUCHO_STORE names, if it names one. Raises ConfigError if it cannot be meant."""
    url = os.environ.get(STORE_VARIABLE, "").strip()
    return RemoteStore(url) if url else None


def required_remote() -> RemoteStore:
    """The same, for whoever cannot do without. Raises ConfigError if none is named."""
    if found := remote_from_environment():
        return found
    raise ConfigError(_("{store_variable}: is not set; it names the store, such as s3://bucket/prefix", store_variable=STORE_VARIABLE))


class RemoteStore:
    """An object store that obstore speaks to: `s3://`, `gs://`, `az://`, `file:///`."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError for an address that is none, and where obstore is not installed."""
        self.url = url
        self._store = _open(url)

    def has(self, asset: str, concept: str, fingerprint: str) -> bool:
        """Whether an artifact is there, whole. Raises TransientError if the store cannot be reached."""
        return self._read(_manifest_path(asset, concept, fingerprint)) is not None

    def share(self, local: Store, artifact: Artifact, again: bool = False) -> bool:
        """Puts an artifact into the store, if it is not known to be there; returns whether it had to be. `again`: looks at every file.

        Raises TransientError if the store cannot be reached, GauchoError if a file is not what was written.
        """
        made = artifact.manifest
        mark = local.root / _SHARED / hashlib.sha256(self.url.encode()).hexdigest()[:12] / made.asset / made.concept / made.fingerprint
        if (mark.exists() and not again) or not made.files:  # an artifact of an older version does not say what it holds
            return False
        was_there = again and self.has(made.asset, made.concept, made.fingerprint)
        with self._errors_told():
            for name, sha256 in made.files.items():
                self._put_object(sha256, artifact.folder / name)
            for sha256 in blobs_of(artifact):
                self._put_object(sha256, local.blob_path(sha256))
            self._put_manifest(made)
            if made.asset == RAW_CRAWL.name:
                pointer = {"fingerprint": made.fingerprint, "spec_version": made.provenance.spec_version}
                self._put(f"crawls/{made.concept}.json", json.dumps(pointer).encode())
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(mark, "")
        return not was_there

    def fetch(self, local: Store, asset: str, concept: str, fingerprint: str, forgotten: Collection[str] = ()) -> Artifact | None:
        """Puts an artifact of the store into the data folder; None if it is not there, or holds what was forgotten.

        Raises TransientError if the store cannot be reached, GauchoError if what it holds is damaged.
        """
        content = self._read(_manifest_path(asset, concept, fingerprint))
        if content is None:
            return None
        try:
            manifest = Manifest.model_validate_json(content)
        except ValueError:
            raise GauchoError(
                _(
                    "{url}: {manifest_path} is no manifest, or of another version",
                    url=self.url,
                    manifest_path=_manifest_path(asset, concept, fingerprint),
                )
            ) from None
        if (manifest.asset, manifest.concept, manifest.fingerprint) != (asset, concept, fingerprint) or not manifest.files:
            raise GauchoError(
                _("{url}: {manifest_path} is another artifact's", url=self.url, manifest_path=_manifest_path(asset, concept, fingerprint))
            )
        if strange := strange_file(asset, manifest.files):
            raise GauchoError(_("{url}: {name} is no file of {asset}", url=self.url, name=strange[:100], asset=asset))
        if asset != RAW_CRAWL.name and fingerprint_of(asset, concept, manifest.provenance) != fingerprint:
            raise GauchoError(
                _(
                    "{url}: {manifest_path} was made from something else than it says",
                    url=self.url,
                    manifest_path=_manifest_path(asset, concept, fingerprint),
                )
            )
        folder = local.root / ".fetching" / asset / concept / fingerprint
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # what a killed run has fetched is still there
            self._fill(folder, manifest)
            fetched = Artifact(folder, manifest)
            if fetched.holds(forgotten):
                shutil.rmtree(folder)
                return None
            check_crawl(fetched, self.url)
            for sha256 in blobs_of(fetched):
                self._get_object(sha256, local.blob_path(sha256), MAX_OBJECT_BYTES)
            return local.publish(folder, manifest)

    def _fill(self, folder: Path, manifest: Manifest) -> None:
        """Fetches the files of an artifact into a folder, and leaves nothing else in it."""
        for name, sha256 in manifest.files.items():
            most = MAX_WEIGHTS_BYTES if name.endswith(".safetensors") else MAX_OBJECT_BYTES
            self._get_object(sha256, folder / name, most)  # whose manifest has no name that leads out of it
        for name in file_names(folder):
            if name not in manifest.files:
                (folder / name).unlink()

    def last_crawl(self, concept: str, spec_version: str) -> str | None:
        """The fingerprint of the crawl that was shared last, if it was asked for the same."""
        content = self._read(f"crawls/{concept}.json")
        try:
            pointer = json.loads(content) if content else {}
            named = str(pointer["fingerprint"])
            return named if pointer.get("spec_version") == spec_version and is_fingerprint(named) else None
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
            return None

    def manifests(self) -> Iterator[tuple[str, datetime]]:
        """The paths of all manifests, and when each was written."""
        yield from self._list("manifests")

    def remove(self, needed: Collection[str], before: datetime, dry_run: bool = False) -> tuple[int, int]:
        """Removes manifests that are older and not needed, then objects of no manifest; returns how many of each."""
        old = [path for path, moment in self.manifests() if moment < before and path not in needed]
        left = [self._objects_of(content) for path, _ in self.manifests() if path not in old and (content := self._read(path))]
        used, limit = {sha256 for each in left for sha256 in each or ()}, min(before, datetime.now(UTC) - _YOUNG)
        is_known = None not in left  # what cannot be read here may be another version's, whose files are kept
        orphans = [path for path, moment in self._list("objects") if is_known and _name_in(path) not in used and moment < limit]
        for path in () if dry_run else (*old, *orphans):
            with self._errors_told():
                self._store.delete(path)
        return len(old), len(orphans)

    def withdraw(self, artifacts: Collection[Artifact], objects: Collection[str]) -> None:
        """Removes artifacts with their files, and objects, from the store: what others there still name stays, but for those objects.

        Raises TransientError if the store cannot be reached.
        """
        gone = {path_of(artifact) for artifact in artifacts}
        left = [content for path, _ in self.manifests() if path not in gone and (content := self._read(path))]
        used = {sha256 for content in left for sha256 in self._objects_of(content) or ()}
        files = {sha256 for artifact in artifacts for sha256 in artifact.manifest.files.values()} - used
        with self._errors_told():
            for path in (*gone, *(_object_path(sha256) for sha256 in files | set(objects))):
                if self._exists(path):
                    self._store.delete(path)

    def replace(self, local: Store, artifact: Artifact) -> None:
        """Shares an artifact in place of the one that is there under its name, if one is."""
        if self.has(artifact.manifest.asset, artifact.manifest.concept, artifact.manifest.fingerprint):
            with self._errors_told():
                for name, sha256 in artifact.manifest.files.items():
                    self._put_object(sha256, artifact.folder / name)
                self._put(path_of(artifact), artifact.manifest.to_json().encode())

    def _objects_of(self, content: bytes) -> set[str] | None:
        """The objects of a manifest, the images of a crawl among them; None for one that cannot be read."""
        try:
            manifest = Manifest.model_validate_json(content)
            found = {*manifest.files.values()}
            if manifest.asset == RAW_CRAWL.name and (table := self._read(_object_path(manifest.files["images.jsonl"]))):
                found |= {str(json.loads(line)["sha256"]) for line in table.splitlines() if line.strip()}
            return found
        except (ValueError, LookupError, TypeError, RecursionError):
            return None

    # ------------------------------------------------------------------------------------ objects

    def _put_object(self, sha256: str, path: Path) -> None:
        if self._exists(_object_path(sha256)):
            return
        if not is_file_of(path, sha256):
            raise GauchoError(_("{path}: is not what was written, and is not shared; see: gaucho fsck", path=path))
        self._put(_object_path(sha256), path)

    def _get_object(self, sha256: str, target: Path, most: int) -> None:
        """Writes an object's bytes, which are held against its name as they come; what exists rightly is left. `most`: bytes of it."""
        if is_file_of(target, sha256):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        sha, size = hashlib.sha256(), 0
        try:
            with self._errors_told(), written_atomically(target) as file:
                for chunk in self._store.get(_object_path(sha256)):
                    if (size := size + len(chunk)) > most:
                        raise self._too_large(_object_path(sha256), most)
                    sha.update(chunk)
                    file.write(chunk)
                if sha.hexdigest() != sha256:
                    raise GauchoError(
                        _(
                            "{url}: {object_path} is damaged; remove it, and have it shared again",
                            url=self.url,
                            object_path=_object_path(sha256),
                        )
                    )
        except FileNotFoundError:
            raise GauchoError(
                _(
                    "{url}: {object_path} is gone; have its artifact shared again: gaucho share",
                    url=self.url,
                    object_path=_object_path(sha256),
                )
            ) from None

    def _put_manifest(self, manifest: Manifest) -> None:
        from obstore.exceptions import AlreadyExistsError

        path = _manifest_path(manifest.asset, manifest.concept, manifest.fingerprint)
        with contextlib.suppress(AlreadyExistsError):  # another machine was first: what it wrote counts
            self._store.put(path, manifest.to_json().encode(), mode="create")

    def _put(self, path: str, content: bytes | Path) -> None:
        self._store.put(path, content)

    def _exists(self, path: str) -> bool:
        try:
            self._store.head(path)
        except FileNotFoundError:
            return False
        return True

    def _read(self, path: str) -> bytes | None:
        with self._errors_told():
            try:
                found = self._store.get(path)
                if found.meta["size"] > MAX_TABLE_BYTES:
                    raise self._too_large(path, MAX_TABLE_BYTES)
                return bytes(found.bytes())
            except FileNotFoundError:
                return None

    def _too_large(self, path: str, most: int) -> GauchoError:
        return GauchoError(_("{url}: {path} is larger than {most} MB, and is not taken", url=self.url, path=path, most=most // 2**20))

    def _list(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        with self._errors_told():
            for batch in self._store.list(prefix):
                yield from ((each["path"], each["last_modified"]) for each in batch)

    @contextlib.contextmanager
    def _errors_told(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError:
            raise
        except BaseError as error:
            first = str(error).strip().splitlines()[0]
            raise TransientError(
                _("{store_variable}: {url} cannot be reached: {first}", store_variable=STORE_VARIABLE, url=self.url, first=first)
            ) from None


@lru_cache(maxsize=4)
def _open(url: str) -> ObjectStore:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise ConfigError(
            _("{store_variable}: needs obstore; install: pip install 'gaucho-pipeline[s3]'", store_variable=STORE_VARIABLE)
        ) from None
    client: dict[str, Any] = dict(_CLIENT)
    if os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"):  # which is not read once other options are given
        client["allow_http"] = True
    options: dict[str, Any] = {"mkdir": True} if url.startswith("file:") else {"client_options": client, "retry_config": _RETRIES}
    try:
        return from_url(url, **options)
    except (BaseError, ValueError) as error:
        raise ConfigError(f"{STORE_VARIABLE}: {url}: {str(error).strip().splitlines()[0]}") from None


def _object_path(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256}"


def _manifest_path(asset: str, concept: str, fingerprint: str) -> str:
    return f"manifests/{asset}/{concept}/{fingerprint}.json"


def path_of(artifact: Artifact) -> str:
    """Where the manifest of an artifact is in a store."""
    return _manifest_path(artifact.manifest.asset, artifact.manifest.concept, artifact.manifest.fingerprint)


def _name_in(path: str) -> str:
    return path.rpartition("/")[2]


def check_crawl(artifact: Artifact, url: str) -> None:
    """Raises GauchoError for a crawl whose tables are not those that it is named by: what it says of images may have been written anew."""
    made = artifact.manifest
    if made.asset != RAW_CRAWL.name:
        return
    for name in ("images", *EXCUSED):
        if f"{name}.jsonl" not in made.files:
            raise GauchoError(_("{url}: the crawl {name} of {concept} lacks a table", url=url, name=made.fingerprint, concept=made.concept))
    assert isinstance(made.metrics, RawCrawlMetrics)
    kept, tables = (
        read_rows(artifact.folder / "images.jsonl", CrawledImage),
        [read_table(artifact.folder / f"{name}.jsonl") for name in EXCUSED],
    )
    excuses = [[(str(row.get("key", "")), str(row.get("reason", ""))) for row in each] for each in tables]
    own = crawl_name(kept, excuses, made.metrics.sources, made.provenance.spec_version, made.provenance.code_version), crawl_version(kept)
    if own != (made.fingerprint, made.data_version):
        text = _("{url}: the crawl {name} of {concept} says otherwise than its name", url=url, name=made.fingerprint, concept=made.concept)
        raise GauchoError(text)


def blobs_of(artifact: Artifact) -> list[str]:
    """The images that a crawl names."""
    if artifact.manifest.asset != RAW_CRAWL.name:
        return []
    return sorted({row.sha256 for row in read_rows(artifact.folder / "images.jsonl", CrawledImage)})


def share_if_asked(local: Store, artifact: Artifact, tell: Callable[[str], None]) -> None:
    """Shares an artifact where a store is named. That it cannot be reached is told, and stops nothing: it is shared later."""
    if remote := remote_from_environment():
        try:
            if remote.share(local, artifact):
                made = artifact.manifest
                tell(_("shared: {asset} of {concept} in {url}", asset=made.asset, concept=made.concept, url=remote.url))
        except GauchoError as error:
            if isinstance(error, ConfigError):
                raise
            tell(_("not shared yet: {error}; later: gaucho share", error=error))


def fetch_if_asked(
    local: Store,
    asset: str,
    concept: str,
    fingerprint: str | None,
    spec_version: str,
    forgotten: Collection[str],
    tell: Callable[[str], None],
) -> Artifact | None:
    """An artifact from the store, where one is named and has it. That it cannot be reached is told, and stops nothing."""
    if (remote := remote_from_environment()) is None:
        return None
    try:
        named = fingerprint or remote.last_crawl(concept, spec_version)
        found = remote.fetch(local, asset, concept, named, forgotten) if named else None
    except GauchoError as error:
        if isinstance(error, ConfigError):
            raise
        tell(_("not fetched: {error}", error=error))
        return None
    if found:
        tell(_("fetched: {asset} of {concept} from {url}", asset=asset, concept=concept, url=remote.url))
    return found
