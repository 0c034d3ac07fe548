"""An artifact: an immutable folder that is filled in a staging place and renamed into place when it is whole.

`DATA/<asset>/<concept>/<fingerprint>/manifest.json`; `current.json` beside the fingerprints names the one that was
made or found last. The bytes of images are kept once, in `DATA/blobs/`. What an asset is made from is in `project/project.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from gaucho_pipeline.errors import ForgottenError, GauchoError, TransientError, _
from gaucho_pipeline.files.writing import umask, write_atomically
from gaucho_pipeline.store.artifact import Artifact, file_digests
from gaucho_pipeline.store.manifest import MANIFEST, Manifest, _read_manifest, is_fingerprint, older_version

TRASH = ".trash"
QUARANTINE = ".quarantine"
"""In the data folder: what was damaged, to be looked at and removed."""
_SECONDS_OF_A_LOOK = 10.0
"""Who only looks whether anybody is at work holds the lock for a moment."""
CURRENT = "current"
"""Beside the fingerprints of a concept's artifacts: a link to the one that counts."""


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
                _(
                    "{root}: the data folder cannot be written ({strerror}); name another with --data or GAUCHO_DATA",
                    root=self.root,
                    strerror=error.strerror,
                )
            ) from None

    def home(self, asset: str, concept: str) -> Path:
        return self.root / asset / concept

    def find(self, asset: str, concept: str, fingerprint: str) -> Artifact | None:
        """The artifact of a fingerprint if it is complete."""
        folder = self.home(asset, concept) / fingerprint
        try:
            file = os.stat(folder / MANIFEST)
            manifest = _read_manifest(str(folder / MANIFEST), (file.st_ino, file.st_mtime_ns, file.st_size))
        except (OSError, ValueError):  # pydantic's errors are of these, too
            return None  # not there, damaged, or of an older layout: made again
        return Artifact(folder, manifest)

    def current(self, asset: str, concept: str) -> Artifact | None:
        """The artifact that was made or found last."""
        named = self.fingerprint_of_current(asset, concept)
        return self.find(asset, concept, named) if named else None

    def fingerprint_of_current(self, asset: str, concept: str) -> str | None:
        """The fingerprint that `current.json` names; None where there is no such file, or '' where it is none of ours."""
        try:
            pointer = json.loads((self.home(asset, concept) / "current.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, RecursionError, OSError):
            return ""
        named = pointer.get("fingerprint") if isinstance(pointer, dict) else None
        return named if isinstance(named, str) and is_fingerprint(named) else ""

    def damage(self, asset: str, concept: str) -> str:
        """Why nothing exists although something was made; empty where nothing ever was, or all is well."""
        named = self.fingerprint_of_current(asset, concept)
        if named is None or (named and self.find(asset, concept, named)):
            return ""
        file = self.home(asset, concept) / (f"{named}/{MANIFEST}" if named else "current.json")
        path = file.relative_to(self.root)
        if older := older_version(file.parent) if named else "":
            return _("{path} is of an older version ({older}); it is made again", path=path, older=older)
        return _("{path} is damaged; it is made again", path=path)

    def absence(self, asset: str, concept: str) -> str:
        """Why nothing counts although something was made: it is damaged, or was taken out; empty where nothing ever was, or all is well."""
        if self.current(asset, concept) or not self.home(asset, concept).is_dir():
            return ""
        text = _("it was made, and was taken out since: by forget, fsck --repair or gc; the next run makes it again")
        return self.damage(asset, concept) or text

    def find_version(self, asset: str, concept: str, data_version: str) -> Artifact | None:
        """An artifact that holds this, of whatever it was made: the current one if it does."""
        current = self.current(asset, concept)
        if current and current.manifest.data_version == data_version:
            return current
        return next((each for each in self.all(asset, concept) if each.manifest.data_version == data_version), None)

    def inputs_of(self, artifact: Artifact) -> list[Artifact]:
        """What an artifact was made from, as far as it still exists."""
        named = ((name.partition("/"), version) for name, version in artifact.manifest.provenance.inputs.items())
        found = (self.find_version(asset, other or artifact.manifest.concept, version) for (asset, _slash, other), version in named)
        return [each for each in found if each]

    def all(self, asset: str, concept: str) -> list[Artifact]:
        """Every artifact that is complete, the oldest first."""
        home = self.home(asset, concept)
        names = [path.name for path in home.iterdir() if path.name != CURRENT] if home.is_dir() else []
        found = [artifact for name in names if (artifact := self.find(asset, concept, name))]
        return sorted(found, key=lambda artifact: (artifact.manifest.made_at, artifact.manifest.fingerprint))

    def set_current(self, artifact: Artifact) -> None:
        """Has an artifact be the one that counts, which is also at an address that stays the same: `current` beside it."""
        home, fingerprint = artifact.folder.parent, artifact.manifest.fingerprint
        write_atomically(home / "current.json", json.dumps({"fingerprint": fingerprint}))
        if (home / CURRENT).is_dir() and not (home / CURRENT).is_symlink():
            shutil.rmtree(home / CURRENT)  # what a copy that follows links has made of it
        with tempfile.TemporaryDirectory(dir=home, prefix=".link-") as folder:
            link = Path(folder) / CURRENT
            link.symlink_to(fingerprint, target_is_directory=True)
            os.replace(link, home / CURRENT)

    def stable(self, asset: str, concept: str) -> Path:
        """Where the artifact that counts is, whichever it is: the address stays the same."""
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
                raise TransientError(
                    _("{asset} of {concept} is being made by another process; wait for it to end", asset=asset, concept=concept)
                ) from None
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
        write_atomically(staging / MANIFEST, manifest.to_json())
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
        """Has no artifact be the one that counts; those that were made are kept."""
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
        """Raises GauchoError if an artifact is not what was written, and has it made again then."""
        if damaged := artifact.damaged(with_weights):
            place, made = self.quarantine(artifact.folder), artifact.manifest
            again = f"gaucho run {made.concept} --select {made.asset}" if artifact.asset.is_partitioned else "gaucho run"
            raise GauchoError(
                _(
                    "{asset} of {concept}: {path} is damaged; it was put aside ({place}); to have it made again: {command}",
                    asset=made.asset, concept=made.concept, path=damaged[0], place=place, command=again,
                )
            )  # fmt: skip

    def blob_path(self, sha256: str) -> Path:
        return self.root / "blobs" / sha256[:2] / sha256

    def blob_size(self, sha256: str) -> int:
        """Bytes of a blob that exists."""
        return self.blob_path(sha256).stat().st_size

    def put_aside(self, sha256: str) -> None:
        """Has a blob whose bytes are not what its name says be none: the next crawl fetches it again."""
        with contextlib.suppress(FileNotFoundError):
            self.quarantine(self.blob_path(sha256))

    def add_blob(self, content: bytes) -> str:
        """Keeps bytes as they came; returns their SHA-256. Raises ForgottenError for an image that must not come back."""
        sha = hashlib.sha256(content).hexdigest()
        if sha in self._forgotten:
            raise ForgottenError(_("image {sha} was forgotten, and is not taken in again", sha=sha[:12]))
        path = self.blob_path(sha)
        if not path.exists() or path.read_bytes() != content:  # a disk may have changed what exists
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        return sha


def _make_readable(folder: Path) -> None:
    """Gives a folder and all in it the modes that the umask leaves: safetensors and temporary folders are their owner's alone."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod((0o777 if path.is_dir() else 0o666) & ~umask())
