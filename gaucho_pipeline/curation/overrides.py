"""The curator's word: `overrides.csv`, which the review page writes and the specification names.

Columns: image (the first digits of its SHA-256, as the page shows them), decision (keep, drop or nothing), caption, by, why.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from gaucho_pipeline.errors import ConfigError

COLUMNS = ("image", "decision", "caption", "by", "why")
_DECISIONS = ("keep", "drop", "")
_SHORTEST = 8
_LONGEST_CAPTION = 300


@dataclass(frozen=True)
class Override:
    """What a curator says of one image."""

    image: str
    """The first digits of the SHA-256 of its file."""
    decision: str
    caption: str
    by: str
    why: str


def read_overrides(path: Path | None) -> list[Override]:
    """The lines of the file. Raises ConfigError if it is not there or not such a table, with the line and the remedy."""
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; save the review page's there, or remove curation.overrides") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise ConfigError(f"{path}: is not UTF-8 text; save it as CSV UTF-8") from None
    rows = csv.DictReader(StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count))
    columns = [name.strip().lower() for name in rows.fieldnames or ()]
    if "image" not in columns or not set(columns) <= set(COLUMNS):
        raise ConfigError(f"{path}:1: the columns are {', '.join(COLUMNS)}; they are {', '.join(columns) or 'none'}")
    found: dict[str, Override] = {}
    for number, row in enumerate(rows, start=2):
        values = {name.strip().lower(): " ".join((value or "").split()) for name, value in row.items() if isinstance(name, str)}
        override = Override(**{name: values.get(name, "") for name in COLUMNS})
        if not any(values.values()):
            continue
        if len(override.image) < _SHORTEST or not all(digit in "0123456789abcdef" for digit in override.image):
            raise ConfigError(f"{path}:{number}: {override.image!r} names no image: write at least {_SHORTEST} digits of its SHA-256")
        if override.decision not in _DECISIONS:
            raise ConfigError(f"{path}:{number}: {override.decision!r} is no decision; write keep, drop or nothing")
        if len(override.caption) > _LONGEST_CAPTION:
            raise ConfigError(f"{path}:{number}: the caption is longer than {_LONGEST_CAPTION} signs")
        if override.image in found:
            raise ConfigError(f"{path}:{number}: {override.image} stands twice")
        found[override.image] = override
    return list(found.values())


def by_image(overrides: Iterable[Override], images: Iterable[str]) -> tuple[dict[str, Override], list[str]]:
    """Overrides by the whole SHA-256 of what they name, and the names of those that name no image, or more than one."""
    names = sorted(images)
    found: dict[str, Override] = {}
    lost: list[str] = []
    for override in overrides:
        matching = [sha for sha in names if sha.startswith(override.image)]
        if len(matching) == 1:
            found[matching[0]] = override
        else:
            lost.append(override.image)
    return found, lost
