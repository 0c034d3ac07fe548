"""Project folders with the data of earlier versions, recorded by these before what writes data was changed; by commit."""

from __future__ import annotations

import tarfile
from pathlib import Path

FOLDER = Path(__file__).parent / "recorded" / "data"
VERSION_BEFORE = "dfe545a"
"""The version whose data this one reads without making anything again."""
ALL_VERSIONS = ("dfe545a", "edc22ec", "c8bc0d6")


def unpack(commit: str, folder: Path) -> Path:
    """The folder of the project: concepts.yaml, data and the table of sources. Its images are addresses that are never asked."""
    with tarfile.open(FOLDER / f"{commit}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "project"
