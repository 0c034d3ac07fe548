"""Locks: one for what is written beside files that people commit, which stands in the machine's temporary folder, and who holds any."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def lock_of(path: Path) -> FileLock:
    """The lock of a file or folder, the same for every process of one user on this machine."""
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir()) / f"gaucho-{os.getuid()}-{name}.lock")


def is_held(lock: Path) -> bool:
    """Whether a process holds a lock just now, also one of a folder that may only be read: nothing is written to find out there.

    Raises OSError where the disk cannot lock files.
    """
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    return _is_held_by_another(lock)


def _is_held_by_another(lock: Path) -> bool:
    """The same of a file that may only be read; one that is not there, or not even that, was never held by anybody who may be heard."""
    try:
        handle = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
