"""A lock for what is written beside files that people commit: it stands in the machine's temporary folder, not among them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from filelock import FileLock


def lock_of(path: Path) -> FileLock:
    """The lock of a file or folder, the same for every process of one user on this machine."""
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir()) / f"gaucho-{os.getuid()}-{name}.lock")
