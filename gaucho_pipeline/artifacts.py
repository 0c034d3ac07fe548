"""An artifact: an immutable folder that is filled in a staging place and renamed into place when it is whole.

`DATA/<asset>/<concept>/<fingerprint>/manifest.json`; `current.json` beside the fingerprints names the one that was
made or found last. The bytes of images stand once, in `DATA/blobs/`. What an asset is made from is in `pipeline.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationInfo, field_validator

from gaucho_pipeline.assets import ASSETS, Asset
from gaucho_pipeline.canonical import digest, file_digest
from gaucho_pipeline.errors import ForgottenError, GauchoError, TransientError
from gaucho_pipeline.metrics import Metrics

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
TRASH = ".trash"
QUARANTINE = ".quarantine"
"""In the data folder: what was damaged, to be looked at and removed."""
_SECONDS_OF_A_LOOK = 10.0
"""Who only looks whether anybody is at work holds the lock for a moment."""
WEIGHTS_SUFFIX = ".safetensors"
CURRENT = "current"
"""Beside the fingerprints of a concept's artifacts: a link to the one that counts."""


class Provenance(BaseModel):
    """What an artifact is made from: everything that shapes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec_version: str = Field(description="Data version of the specification")
    spec: dict[str, Any] = Field(description="The specification as its version has it: resolved, without keys at their absent value")
    inputs: dict[str, str] = Field(description="Data versions of the artifacts it was made from, by asset")
    code_version: str = Field(description="Version of the stage's code")
    base_model: dict[str, str | None] | None = Field(None, description="Id, revision and digest of the base model")


class Manifest(BaseModel):
    """What an artifact says of itself. An artifact that has one is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(SCHEMA_VERSION, description="Version of this layout")
    asset: str = Field(description="Its name in the table of assets")
    concept: str = Field(description="The concept's slug; 'all' for the site")
    fingerprint: str = Field(description="Hash of what it was made from (of what it holds, for raw_crawl)")
    data_version: str = Field(description="Hash of what it holds")
    provenance: Provenance = Field(description="What it was made from")
    made_at: str = Field(description="When, in UTC, ISO 8601")
    seconds: float = Field(description="How long it took")
    metrics: SerializeAsAny[Metrics] = Field(description="What was counted and measured, as the asset's model has it")
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 of every file but this, by its path; none in older ones")

    @field_validator("asset")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in ASSETS:
            raise ValueError(f"there is no asset {value!r}")
        return value

    @field_validator("metrics", mode="before")
    @classmethod
    def _of_the_asset(cls, value: Any, info: ValidationInfo) -> Any:
        return ASSETS[info.data["asset"]].metrics.model_validate(value) if "asset" in info.data else value


def fingerprint(asset: str, slug: str, provenance: Provenance) -> str:
    """The name of the artifact that comes out of this."""
    return digest({"asset": asset, "concept": slug, "provenance": provenance.model_dump(mode="json")})


@lru_cache(maxsize=20_000)
def _read_manifest(path: str, stamp: tuple[int, int, int]) -> Manifest:
    """A manifest, read once for as long as its file is the same."""
    return Manifest.model_validate_json(Path(path).read_text(encoding="utf-8"))


_FINGERPRINT = re.compile(r"[0-9a-zA-Z_-]{1,128}")


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
        """Whether any of its tables names one of some images, by SHA-256."""
        tables = [name for name in self.manifest.files if name.endswith(".jsonl") and "/" not in name]
        rows = (row for name in tables for row in read_table(self.folder / name))
        return any(isinstance(row, dict) and row.get("sha256") in images for row in rows)

    def strangers(self) -> list[str]:
        """The files in its folder that were not part of it."""
        known = {MANIFEST, *self.manifest.files}
        return [name for name in file_names(self.folder) if name not in known] if self.manifest.files else []


class Store:
    """The data folder."""

    def __init__(self, root: Path, forgotten: Collection[str] = ()) -> None:
        """`forgotten`: SHA-256 of images that are taken in no more."""
        self.root, self._forgotten = root, forgotten

    def check_writable(self) -> None:
        """Raises GauchoError if nothing can be written below the data folder."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise GauchoError(
                f"{self.root}: the data folder cannot be written ({error.strerror}); name another with --data or GAUCHO_DATA"
            ) from None

    def home(self, asset: str, concept: str) -> Path:
        return self.root / asset / concept

    def find(self, asset: str, concept: str, fingerprint: str) -> Artifact | None:
        """The artifact of a fingerprint if it stands whole."""
        folder = self.home(asset, concept) / fingerprint
        try:
            file = os.stat(folder / MANIFEST)
            manifest = _read_manifest(str(folder / MANIFEST), (file.st_ino, file.st_mtime_ns, file.st_size))
        except (OSError, ValueError):  # pydantic's errors are of these, too
            return None  # not there, damaged, or of an older layout: made anew
        return Artifact(folder, manifest)

    def current(self, asset: str, concept: str) -> Artifact | None:
        """The artifact that was made or found last."""
        named = self._pointed_at(asset, concept)
        return self.find(asset, concept, named) if named else None

    def _pointed_at(self, asset: str, concept: str) -> str | None:
        """The fingerprint that `current.json` names; None where there is no such file, or '' where it is none of ours."""
        try:
            pointer = json.loads((self.home(asset, concept) / "current.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, RecursionError, OSError):
            return ""
        named = pointer.get("fingerprint") if isinstance(pointer, dict) else None
        return named if isinstance(named, str) and _FINGERPRINT.fullmatch(named) else ""

    def damage(self, asset: str, concept: str) -> str:
        """Why nothing stands although something was made; empty where nothing ever was, or all is well."""
        named = self._pointed_at(asset, concept)
        if named is None or (named and self.find(asset, concept, named)):
            return ""
        file = self.home(asset, concept) / (f"{named}/{MANIFEST}" if named else "current.json")
        return f"{file.relative_to(self.root)} is damaged, or of an older version; it is made anew"

    def find_version(self, asset: str, concept: str, data_version: str) -> Artifact | None:
        """An artifact that holds this, of whatever it was made: the current one if it does."""
        current = self.current(asset, concept)
        if current and current.manifest.data_version == data_version:
            return current
        return next((each for each in self.all(asset, concept) if each.manifest.data_version == data_version), None)

    def all(self, asset: str, concept: str) -> list[Artifact]:
        """Every artifact that stands whole, the oldest first."""
        home = self.home(asset, concept)
        names = [path.name for path in home.iterdir() if path.name != CURRENT] if home.is_dir() else []
        found = [artifact for name in names if (artifact := self.find(asset, concept, name))]
        return sorted(found, key=lambda artifact: (artifact.manifest.made_at, artifact.manifest.fingerprint))

    def set_current(self, artifact: Artifact) -> None:
        """Has an artifact be the one that counts, which also stands at an address that stays the same: `current` beside it."""
        home, fingerprint = artifact.folder.parent, artifact.manifest.fingerprint
        write_atomically(home / "current.json", json.dumps({"fingerprint": fingerprint}))
        if (home / CURRENT).is_dir() and not (home / CURRENT).is_symlink():
            shutil.rmtree(home / CURRENT)  # what a copy that follows links has made of it
        with tempfile.TemporaryDirectory(dir=home, prefix=".link-") as folder:
            link = Path(folder) / CURRENT
            link.symlink_to(fingerprint, target_is_directory=True)
            os.replace(link, home / CURRENT)

    def stable(self, asset: str, concept: str) -> Path:
        """Where the artifact that counts stands, whichever it is: the address stays the same."""
        return self.home(asset, concept) / CURRENT

    def staging_folder(self, asset: str, concept: str, key: str) -> Path:
        """Where an artifact is filled before it is put in place."""
        return self.root / ".staging" / asset / concept / key

    @contextlib.contextmanager
    def staging(self, asset: str, concept: str, key: str) -> Iterator[Path]:
        """A folder to fill. What a killed run left in it under the same key is still there; other keys' are removed.

        Raises GauchoError if another process is filling it.
        """
        folder = self.staging_folder(asset, concept, key)
        home = folder.parent
        home.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(FileLock(home / ".lock", timeout=_SECONDS_OF_A_LOOK))
            except Timeout:
                raise TransientError(f"{asset} of {concept} is being made by another process; wait for it to end") from None
            for other in home.iterdir():
                if other.is_dir() and other.name != key:
                    shutil.rmtree(other)
            folder.mkdir(exist_ok=True)
            for part in folder.rglob(".*.part"):
                part.unlink()  # what a killed run was writing
            yield folder

    def publish(self, staging: Path, manifest: Manifest, leftovers: Collection[str] = (), counts: bool = True) -> Artifact:
        """Puts a filled folder in place: the manifest is written last, then one rename.

        `leftovers`: folders that are no part of it. `counts`: whether it is the one that counts now.
        """
        manifest = manifest.model_copy(update={"files": file_digests(staging, leftovers)})
        _make_readable(staging)
        folder = self.home(manifest.asset, manifest.concept) / manifest.fingerprint
        write_atomically(staging / MANIFEST, manifest.model_dump_json(indent=1))
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            old = staging.with_name(f"{staging.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            os.replace(folder, old)  # in one step, so that nothing half-removed is ever taken for whole
            os.replace(staging, folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(staging, folder)
        artifact = Artifact(folder, manifest)
        if counts:
            self.set_current(artifact)
        return artifact

    def withdraw(self, asset: str, concept: str) -> None:
        """Has no artifact be the one that counts; those that were made stand."""
        home = self.home(asset, concept)
        (home / "current.json").unlink(missing_ok=True)
        if (home / CURRENT).is_symlink():
            (home / CURRENT).unlink()

    def quarantine(self, path: Path) -> Path:
        """Puts a folder or a file aside, whole, where nothing takes it for anything; returns where it is."""
        place = self.root / QUARANTINE / path.relative_to(self.root)
        place.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while place.exists():
            number, place = number + 1, place.with_name(f"{path.name}-{number + 1}")
        os.replace(path, place)
        os.utime(place)  # from now on it is kept for a while
        return place

    def discard(self, path: Path) -> None:
        """Removes a folder or a file in one step for whoever looks: whole, or gone. Raises FileNotFoundError if it is gone already."""
        trash = self.root / TRASH / f"{path.name}-{os.getpid()}"
        trash.parent.mkdir(exist_ok=True)
        os.replace(path, trash)
        shutil.rmtree(trash) if trash.is_dir() else trash.unlink()

    def check(self, artifact: Artifact, with_weights: bool = True) -> None:
        """Raises GauchoError if an artifact is not what was written, and has it made anew then."""
        if damaged := artifact.damaged(with_weights):
            place, made = self.quarantine(artifact.folder), artifact.manifest
            raise GauchoError(
                f"{made.asset} of {made.concept}: {damaged[0]} is damaged; it was put aside ({place}); to have it made anew: gaucho run"
                + (f" {made.concept} --select {made.asset}" if artifact.asset.is_partitioned else "")
            )

    def blob_path(self, sha256: str) -> Path:
        return self.root / "blobs" / sha256[:2] / sha256

    def blob_size(self, sha256: str) -> int:
        """Bytes of a blob that stands."""
        return self.blob_path(sha256).stat().st_size

    def put_aside(self, sha256: str) -> None:
        """Has a blob whose bytes are not what its name says be none: the next crawl fetches it again."""
        with contextlib.suppress(FileNotFoundError):
            self.quarantine(self.blob_path(sha256))

    def add_blob(self, content: bytes) -> str:
        """Keeps bytes as they came; returns their SHA-256. Raises ForgottenError for an image that must not come back."""
        sha = hashlib.sha256(content).hexdigest()
        if sha in self._forgotten:
            raise ForgottenError(f"image {sha[:12]} was forgotten, and is not taken in again")
        path = self.blob_path(sha)
        if not path.exists() or path.read_bytes() != content:  # a disk may have changed what stands
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        return sha


def _make_readable(folder: Path) -> None:
    """Gives a folder and all in it the modes that the umask leaves: safetensors and temporary folders are their owner's alone."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod((0o777 if path.is_dir() else 0o666) & ~umask())


def file_names(folder: Path, without: Collection[str] = ()) -> list[str]:
    """The files below a folder, by their path in it, but for the manifest and what stands in some of its folders."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in files if name != MANIFEST and name.partition("/")[0] not in without]


def file_digests(folder: Path, without: Collection[str] = ()) -> dict[str, str]:
    """SHA-256 of each of them."""
    return {name: file_digest(folder / name) for name in file_names(folder, without)}


def is_file_of(path: Path, sha256: str) -> bool:
    """Whether a file is there with these bytes."""
    try:
        return file_digest(path) == sha256
    except OSError:
        return False


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file so that a reader sees all of it or nothing, also after a crash."""
    with written_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@lru_cache(maxsize=1)
def umask() -> int:
    """The file mode that the person who runs this takes from every file; it can only be read by setting it."""
    found = os.umask(0o022)
    os.umask(found)
    return found


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into, which takes its name when the block has ended well."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def sync_folder(folder: Path) -> None:
    """Has the names in a folder be on disk: a rename counts after a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes rows as JSON Lines, accents as they are, one after the other."""
    with written_atomically(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False, sort_keys=True, allow_nan=False).encode() + b"\n" for row in rows)


def read_table(path: Path) -> list[dict[str, Any]]:
    """Reads JSON Lines, text as text. Raises GauchoError if they are none."""
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]
    except ValueError:
        raise GauchoError(f"{path}: is damaged; remove its folder and run again: it is made anew") from None


_ROWS_AT_ONCE = 10_000
ATTRIBUTION_COLUMNS = ("file", "title", "author", "source", "license", "license_url", "sha256")


def write_attribution(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Writes ATTRIBUTION.csv: a line for each image, in UTF-8 with a mark that spreadsheets understand."""
    import pandas as pd  # here, because Dagster loads this module and pandas takes a while

    rows = ([_inert(record.get(column, "")) for column in ATTRIBUTION_COLUMNS] for record in records)
    with written_atomically(path) as file:
        file.write(f"\ufeff{','.join(ATTRIBUTION_COLUMNS)}\n".encode())
        while len(frame := pd.DataFrame.from_records(rows, columns=list(ATTRIBUTION_COLUMNS), nrows=_ROWS_AT_ONCE)):
            frame.to_csv(file, index=False, header=False, lineterminator="\n")


def _inert(value: object) -> str:
    """Text that no spreadsheet takes for a formula: where cells are parted by ';', what follows one begins a cell."""
    text = " ".join(str(value if value is not None else "").split())
    return re.sub(r"(^|;[\"'\s]*)(?=[=+\-@＝＋－＠])", r"\1'", text)


def now() -> str:
    """This moment in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
