"""The curator's word: `overrides.csv`, which the review page writes and the specification names.

Columns: image (`sha256:` and the first digits, as the page writes them: a spreadsheet would take bare digits for a number), decision
(keep, drop or nothing), caption, by, why. A `'` before a cell, which keeps spreadsheets from running it, is no part of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.spreadsheets import read_spreadsheet

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
        columns, rows = read_spreadsheet(path, "image")
    except FileNotFoundError:
        raise ConfigError(
            _("{path}: there is no such file; save the review page's there, or remove curation.overrides", path=path)
        ) from None
    if "image" not in columns or not set(columns) <= set(COLUMNS):
        raise ConfigError(
            _(
                "{path}:1: the columns are {columns}; they are {found}",
                path=path,
                columns=", ".join(COLUMNS),
                found=", ".join(columns) or "none",
            )
        )
    found: dict[str, Override] = {}
    for number, cells in rows:
        override = _read_line(path, number, cells)
        if override.image in found:
            raise ConfigError(_("{path}:{number}: {image} stands twice", path=path, number=number, image=override.image))
        found[override.image] = override
    return list(found.values())


def _read_line(path: Path, number: int, cells: dict[str, str]) -> Override:
    """One line. Raises ConfigError with its number and the remedy."""
    values = {name: " ".join(cell.split()).removeprefix("'") for name, cell in cells.items()}
    values["image"] = values.get("image", "").removeprefix(PREFIX)
    override = Override(**{name: values.get(name, "") for name in COLUMNS})
    if len(override.image) < _SHORTEST or not all(digit in "0123456789abcdef" for digit in override.image):
        raise ConfigError(
            _(
                "{path}:{number}: {image!r} names no image: write at least {shortest} digits of its SHA-256",
                path=path,
                number=number,
                image=override.image,
                shortest=_SHORTEST,
            )
        )
    if override.decision not in _DECISIONS:
        raise ConfigError(
            _(
                "{path}:{number}: {decision!r} is no decision; write keep, drop or nothing",
                path=path,
                number=number,
                decision=override.decision,
            )
        )
    if {"{", "}"} & set(override.caption.replace("{token}", "").replace("{class_noun}", "")):
        raise ConfigError(
            _(
                "{path}:{number}: the caption has a brace; only {{token}} and {{class_noun}} are written with braces",
                path=path,
                number=number,
            )
        )
    if len(override.caption) > _LONGEST_CAPTION:
        raise ConfigError(
            _(
                "{path}:{number}: the caption is longer than {longest_caption} signs",
                path=path,
                number=number,
                longest_caption=_LONGEST_CAPTION,
            )
        )
    return override


def by_image(overrides: Iterable[Override], images: Iterable[str]) -> tuple[dict[str, Override], list[str]]:
    """Overrides by the whole SHA-256 of what they name, and the names of those that name no image, or more than one.

    Raises ConfigError if two of them name the same.
    """
    names = sorted(images)
    found: dict[str, Override] = {}
    lost: list[str] = []
    for override in overrides:
        first = bisect_left(names, override.image)
        matching = [sha for sha in names[first : first + 2] if sha.startswith(override.image)]
        if len(matching) == 1 and matching[0] in found:
            raise ConfigError(_("overrides: {image} and {other} name the same image", image=override.image, other=found[matching[0]].image))
        if len(matching) == 1:
            found[matching[0]] = override
        else:
            lost.append(override.image)
    return found, lost
