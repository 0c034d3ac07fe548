"""Images of one's own, in a folder, under one statement of rights."""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline.concepts import FolderSource
from gaucho_pipeline.crawl.records import Listing, Record
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.rights import parse_license

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".tga"}


def read_folder(source: FolderSource) -> Listing:
    """The images below the folder, by name. Links that lead out of it are not followed.

    Raises ConfigError if the folder is not there or holds no image.
    """
    folder = source.path
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}; make it, or correct the path")
    inside = folder.resolve()
    license_ = parse_license(source.license)
    records, unusable = [], []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        name = path.relative_to(folder).as_posix()
        key, origin = f"folder:{name}", f"folder: {folder.name}"
        if not path.resolve().is_relative_to(inside):
            unusable.append({"key": key, "origin": origin, "reason": "a link leads out of the folder"})
        elif path.suffix.lower() in _SUFFIXES:
            records.append(Record(key, origin, str(path), path.stem, source.author, source.source, license_))
    if not records:
        raise ConfigError(f"{folder} holds no image ({', '.join(sorted(_SUFFIXES))})")
    return Listing(tuple(records), tuple(unusable), None)


def read_bytes(record: Record, limit: int) -> bytes:
    """A file's bytes. Raises ValueError if there are more than `limit`."""
    path = Path(record.media)
    if path.stat().st_size > limit:
        raise ValueError("too-large")
    return path.read_bytes()
