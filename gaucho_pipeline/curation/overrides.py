"""The curator's word: `overrides.csv`, which the review page writes and the specification names.

Columns: image (`sha256:` and the first digits, as the page writes them: a spreadsheet would take bare digits for a number), decision
(keep, drop or nothing), caption, by, why. A `'` before a cell, which keeps spreadsheets from running it, is no part of it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from gaucho_pipeline.errors import ConfigError

COLUMNS = ("image", "decision", "caption", "by", "why")
PREFIX = "sha256:"
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
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        rows = list(csv.DictReader(StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ConfigError(f"{path}: is not a table: {error}; save the review page's file as it is") from None
    found: dict[str, Override] = {}
    for number, row in enumerate(rows, start=2):
        override = _read_line(path, number, row)
        if override is None:
            continue
        if override.image in found:
            raise ConfigError(f"{path}:{number}: {override.image} stands twice")
        found[override.image] = override
    if not rows and not _is_header(text.partition("\n")[0].strip().lower().split(delimiter)):
        raise ConfigError(f"{path}:1: the columns are {', '.join(COLUMNS)}")
    return list(found.values())


def _is_header(columns: Iterable[str]) -> bool:
    names = [name.strip().strip('"') for name in columns]
    return "image" in names and set(names) <= set(COLUMNS)


def _read_line(path: Path, number: int, row: dict[str | None, str | list[str] | None]) -> Override | None:
    """One line; None for an empty one. Raises ConfigError with its number and the remedy."""
    if not _is_header(str(name).lower() for name in row if name is not None):
        raise ConfigError(f"{path}:1: the columns are {', '.join(COLUMNS)}; they are {', '.join(str(name) for name in row)}")
    if row.pop(None, None):
        raise ConfigError(f"{path}:{number}: has more cells than there are columns; put a text with a comma in quotes")
    values = {str(name).strip().lower(): " ".join(str(value or "").split()).removeprefix("'") for name, value in row.items()}
    if not any(values.values()):
        return None
    values["image"] = values["image"].removeprefix(PREFIX)
    override = Override(**{name: values.get(name, "") for name in COLUMNS})
    if len(override.image) < _SHORTEST or not all(digit in "0123456789abcdef" for digit in override.image):
        raise ConfigError(f"{path}:{number}: {override.image!r} names no image: write at least {_SHORTEST} digits of its SHA-256")
    if override.decision not in _DECISIONS:
        raise ConfigError(f"{path}:{number}: {override.decision!r} is no decision; write keep, drop or nothing")
    if len(override.caption) > _LONGEST_CAPTION:
        raise ConfigError(f"{path}:{number}: the caption is longer than {_LONGEST_CAPTION} signs")
    return override


def by_image(overrides: Iterable[Override], images: Iterable[str]) -> tuple[dict[str, Override], list[str]]:
    """Overrides by the whole SHA-256 of what they name, and the names of those that name no image, or more than one.

    Raises ConfigError if two of them name the same.
    """
    names = sorted(images)
    found: dict[str, Override] = {}
    lost: list[str] = []
    for override in overrides:
        matching = [sha for sha in names if sha.startswith(override.image)]
        if len(matching) == 1 and matching[0] in found:
            raise ConfigError(f"overrides: {override.image} and {found[matching[0]].image} name the same image")
        if len(matching) == 1:
            found[matching[0]] = override
        else:
            lost.append(override.image)
    return found, lost
