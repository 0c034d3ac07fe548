"""`gaucho review CONCEPT FILE`: what a curator saved on the review page is judged, and put where the concepts file names it.

The file comes from elsewhere: it is a ZIP of overrides.csv and masks/, or overrides.csv alone; it may be anything. Nothing is written
unless all of it is as the page writes it.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

from gaucho_pipeline.assets.rows import CrawledImage, read_rows
from gaucho_pipeline.assets.table import RAW_CRAWL
from gaucho_pipeline.curation.overrides import Override, read_overrides
from gaucho_pipeline.curation.reading import in_children
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.images.decoding import BadImage, decode, png_bytes
from gaucho_pipeline.project.project import Project

_TABLE = "overrides.csv"
_MASK = re.compile(r"masks/([0-9a-f]{16})\.png")
_MAX_TABLE, _MAX_MASK, _MAX_FILES = 20_000_000, 5_000_000, 5_001
_MAX_SIDE = 4096


class Reviewed(NamedTuple):
    """What was put in place."""

    overrides: Path
    decisions: int
    masks: Path
    painted: int
    unknown: list[str]
    """First digits of images that the crawl does not have: their masks were left out."""
    keys: list[str]
    """Lines that the concept still lacks, for what was put in place to count."""


def put_in_place(project: Project, slug: str, file: Path) -> Reviewed:
    """Judges the file, then writes overrides and masks.

    Raises ConfigError where it is not what the page writes, or the file is not there; GauchoError if the concept was never crawled.
    """
    concept, folder = project.concept(slug), project.concepts_file.resolve().parent
    known = {row.sha256[:16] for row in read_rows(project.artifact(RAW_CRAWL.name, slug).folder / "images.jsonl", CrawledImage)}
    named = concept.curation.masks.folder if concept.curation.masks else None
    overrides, masks = concept.curation.overrides or folder / "overrides" / f"{slug}.csv", named or folder / "masks" / slug
    table, painted = _contents(file)
    decisions = _judged(table, file)
    plain = _plain(painted, file)
    overrides.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(overrides, table)
    for image, content in plain.items():
        if image in known:
            masks.mkdir(parents=True, exist_ok=True)
            write_atomically(masks / f"{image}.png", content)
    taken = [image for image in plain if image in known]
    keys = [] if concept.curation.overrides else [f"overrides: {overrides.relative_to(folder).as_posix()}"]
    if taken and not named:
        keys.append(f"masks: {{folder: {masks.relative_to(folder).as_posix()}}}")
    return Reviewed(overrides, len(decisions), masks, len(taken), sorted(set(plain) - known), keys)


def _contents(file: Path) -> tuple[bytes, dict[str, bytes]]:
    """The table, and masks by the first digits of their image. Raises ConfigError for what is neither a table nor such a ZIP."""
    if not file.is_file():
        raise ConfigError(_("{file}: there is no such file", file=file))
    if not zipfile.is_zipfile(file):
        if file.stat().st_size > _MAX_TABLE:
            raise ConfigError(_("{file}: is too large for what the review page saves", file=file))
        return file.read_bytes(), {}
    table, masks = None, dict[str, bytes]()
    try:
        with zipfile.ZipFile(file) as opened:
            entries = opened.infolist()
            if len(entries) > _MAX_FILES:
                raise ConfigError(_("{file}: holds more files than the review page saves", file=file))
            for entry in entries:
                mask = _MASK.fullmatch(entry.filename)
                if entry.filename != _TABLE and not mask:
                    raise ConfigError(_("{file}: holds {name!r}, which the review page does not save", file=file, name=entry.filename[:80]))
                content = _read(opened, entry, _MAX_MASK if mask else _MAX_TABLE, file)
                if mask:
                    masks[mask[1]] = content
                else:
                    table = content
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise ConfigError(_("{file}: is damaged, or no file of the review page ({error})", file=file, error=error)) from None
    if table is None:
        raise ConfigError(_("{file}: holds no {table}; save it again on the review page", file=file, table=_TABLE))
    return table, masks


def _read(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int, file: Path) -> bytes:
    """What an entry holds, whatever it says of its own size. Raises ConfigError where it is more than the page saves."""
    with opened.open(entry) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ConfigError(_("{file}: {name} is too large for what the review page saves", file=file, name=entry.filename))
    return content


def _judged(table: bytes, file: Path) -> list[Override]:
    """The decisions of a table. Raises ConfigError, with the line, for what is none."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / _TABLE
        path.write_bytes(table)
        try:
            return read_overrides(path)
        except GauchoError as error:
            raise ConfigError(str(error).replace(str(path), f"{file.name}, {_TABLE}")) from None


def _plain(masks: dict[str, bytes], file: Path) -> dict[str, bytes]:
    """The masks as plain 8-bit PNGs. Raises ConfigError for one that is no picture. They are decoded in child processes with limits."""
    found = dict[str, bytes]()
    with tempfile.TemporaryDirectory() as name:
        for image, content in masks.items():
            (Path(name) / image).write_bytes(content)
        for image, outcome in in_children(_grey, ((image, str(Path(name) / image)) for image in masks)):
            if isinstance(outcome, BadImage):
                raise ConfigError(_("{file}: masks/{image}.png cannot be read: {why}", file=file, image=image, why=outcome.detail))
            found[image] = outcome
    return found


def _grey(path: str) -> bytes | BadImage:
    """Runs in a child: a mask, decoded and written anew."""
    try:
        mask = decode(Path(path).read_bytes())
    except BadImage as error:
        return error
    if max(mask.size) > _MAX_SIDE:
        return BadImage("too-many-pixels", f"{mask.width} × {mask.height}")
    return png_bytes(mask.convert("L"))
