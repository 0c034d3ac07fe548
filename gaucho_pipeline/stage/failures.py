"""What went wrong in a program, in one line for a person: memory, the disk, a file, and whether the same may succeed later."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from gaucho_pipeline.errors import GauchoError, _, shown
from gaucho_pipeline.files.writing import write_atomically

_DISK_FULL = (os.strerror(errno.ENOSPC), "database or disk is full", "PytorchStreamWriter failed writing file")


_TORCH_MEMORY_ERROR = "OutOfMemoryError"  # by its name, because torch is not for this module to import


@contextlib.contextmanager
def reports_failures(error_file: Path, memory_remedy: Callable[[], str] = str) -> Iterator[None]:
    """Tells what a program's block raises in one line, keeps it in a file, and ends the program with its exit status."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, (GauchoError, OSError, MemoryError, ValidationError)) or type(error).__name__ == _TORCH_MEMORY_ERROR
        if not known and not is_disk_full(error):
            raise
        message = explain(error, memory_remedy())
        with contextlib.suppress(OSError):
            write_atomically(error_file, json.dumps({"message": message, "is_transient": is_transient(error)}))
        print(f"error: {message}", file=sys.stderr, flush=True)
        sys.exit(getattr(error, "exit_code", 1))


def is_transient(error: BaseException) -> bool:
    """Whether the same may succeed later although nothing that it is made from has changed: the machine's fault, or the web's."""
    return (
        is_disk_full(error) or isinstance(error, ConnectionError | TimeoutError) or (isinstance(error, GauchoError) and error.is_transient)
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that the disk is full; torch, safetensors and SQLite raise errors of their own for it."""
    while error is not None:
        text = str(error)
        if getattr(error, "errno", None) == errno.ENOSPC or any(words in text for words in _DISK_FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def explain(error: BaseException, memory_remedy: str = "") -> str:
    """One line for a person. `memory_remedy`: what takes less memory."""
    if is_disk_full(error):
        if isinstance(error, OSError) and error.filename:
            return _("the disk is full ({path}); make room, then run again: it goes on where it stopped", path=error.filename)
        return _("the disk is full; make room, then run again: it goes on where it stopped")
    if isinstance(error, OSError) and error.errno == errno.ENOLCK:  # flock(2), on some network disks
        return _("the disk that holds the data folder cannot lock files, so that two runs might write at once; name another: --data FOLDER")
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    if isinstance(error, MemoryError) or type(error).__name__ == _TORCH_MEMORY_ERROR:
        return _("memory ran out; {remedy}", remedy=memory_remedy or _("close other programs, or take a machine with more"))
    return shown(" ".join(str(error).split()))
