"""Images that must not come back: `concepts.forgotten.json` beside the concepts file, which people commit with it.

The crawl, curation, the store, what is unpacked and what is published honour it. It holds hashes only, so that it says of nobody what was
pictured; the perceptual ones, by which a near copy is known, are personal data of who was (docs/law.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.writing import write_atomically

FORGOTTEN = "forgotten"
"""The reason of an image that is one of them."""


class Tombstone(BaseModel):
    """What is left of an image that was forgotten."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the file as it came")
    places: tuple[str, ...] = Field((), description="SHA-256 of each address and key under which it was listed: it is not fetched again")
    fingerprint: str | None = Field(
        None, pattern=r"^[0-9a-f]{16,1024}$", description="Perceptual hashes of its windows, by which a near copy is known; null without"
    )
    on: str = Field(description="Day, ISO 8601")
    reason: str = Field("", max_length=500, description="Why, in words that say of nobody who she is")


_FILE = TypeAdapter(tuple[Tombstone, ...])


class Forgotten:
    """All tombstones. Raises ConfigError if the file is broken: what must not come back is not to be guessed."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._take(_read(path))

    def _take(self, stones: tuple[Tombstone, ...]) -> None:
        self._stones = stones
        self.sha256 = frozenset(stone.sha256 for stone in stones)
        self.fingerprints = tuple(bytes.fromhex(stone.fingerprint) for stone in stones if stone.fingerprint)
        """Perceptual hashes, 8 bytes for each window."""
        self._places = frozenset(place for stone in stones for place in stone.places)

    def is_listed(self, names: Iterable[str]) -> bool:
        """Whether an image is one of them, by any of its addresses and keys."""
        return bool(self._places) and any(place_of(name) in self._places for name in names)

    def fingerprint_of(self, sha256: str) -> bytes:
        """The perceptual hashes of one of them; none where it has none."""
        return next((bytes.fromhex(stone.fingerprint or "") for stone in self._stones if stone.sha256 == sha256), b"")

    def add(self, sha256: str, names: Sequence[str], reason: str, fingerprint: bytes = b"") -> None:
        """Keeps a tombstone for an image that was listed under these addresses and keys. `fingerprint`: its perceptual hashes."""
        if self._path is None:
            raise ValueError("there is no file to keep it in")
        stone = Tombstone(
            sha256=sha256,
            places=tuple(sorted({place_of(name) for name in names})),
            fingerprint=(fingerprint or self.fingerprint_of(sha256)).hex() or None,
            on=datetime.now(UTC).date().isoformat(),
            reason=reason,
        )
        self._take((*(each for each in self._stones if each.sha256 != sha256), stone))
        write_atomically(self._path, _FILE.dump_json(self._stones, indent=1, exclude_none=True).decode() + "\n")


def place_of(name: str) -> str:
    """The hash of an address or key."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def _read(path: Path | None) -> tuple[Tombstone, ...]:
    try:
        return _FILE.validate_json(path.read_bytes()) if path else ()
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        raise ConfigError(
            _("{path}: {errors}; it names images that must not come back", path=path, errors=error.errors()[0]["msg"])
        ) from None
