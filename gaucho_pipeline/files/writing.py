"""Writing files so that a reader, or whoever comes after a crash, finds all of a file or nothing. What is written is the caller's."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO


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
