"""Hashes of things: the one way to name a specification, a set of records or a file by what it holds."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from gaucho_pipeline.files.inside import files_inside

_CHUNK = 1 << 20


def digest(value: Any) -> str:
    """The SHA-256 (32 hex digits of it) of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]  # a file may have a name that is no UTF-8


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hex digits."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def folder_digest(folder: Path) -> str:
    """One hash for all files below a folder: their relative names and their bytes, not their times."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return digest([[p.relative_to(folder).as_posix(), file_digest(p)] for p in files])


def weights_digest(folder: Path) -> str:
    """The same of a model's folder, whose gigabytes are read again only where a file's size or time is another.

    Raises ConfigError for a folder that holds what leads out of it, or no regular files.
    """
    files_inside(folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return _digest_of_stamp(folder, tuple((p.relative_to(folder).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files))


@lru_cache(maxsize=16)
def _digest_of_stamp(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    return folder_digest(folder)


def is_file_of(path: Path, sha256: str) -> bool:
    """Whether a file is there with these bytes."""
    try:
        return file_digest(path) == sha256
    except OSError:
        return False
