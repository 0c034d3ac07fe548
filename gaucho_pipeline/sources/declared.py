"""Images whose rights their keeper declares: files in a folder, and a list of addresses. A table may say more of each."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.spreadsheets import plain_name, read_spreadsheet, value_of
from gaucho_pipeline.images.files import list_folder
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.rights.licenses import own_license, parse_license
from gaucho_pipeline.sources.base import (
    ApiPage,
    ImageSource,
    ImageSourceSpec,
    api_address,
    host_of,
    is_web_address,
    media_address,
    unusable,
    without_secrets,
)
from gaucho_pipeline.sources.naming import nearest, rows_of_files
from gaucho_pipeline.sources.records import Record, plain
from gaucho_pipeline.spec import Absent, JsonObject, Operational, Text

_COLUMNS = ("title", "author", "license", "source")
_ALIASES = {
    "file": ("arquivo", "ficheiro", "nome do arquivo", "nome do ficheiro", "archivo", "filename", "file name", "image"),
    "url": ("endereco", "link", "address", "direccion", "uri"),
    "title": ("titulo", "nome da obra"),
    "author": ("autor", "autora", "autoria", "autor(a)", "creator"),
    "license": ("licenca", "licence", "licencia", "licenca de uso", "rights", "direitos", "direitos autorais"),
    "source": ("fonte", "origem", "fuente", "procedencia", "proveniencia"),
}
"""What else the columns are called in museums' spreadsheets, without accents."""
_ROW = ""
"""Stands for a line's number among its cells."""
Fields = Annotated[
    tuple[Text, ...],
    Absent(()),
    Field(description="Further columns of the table, which say what an image shows: material, technique; for captions: catalogue"),
]
UNFILLED = {
    "author": Bilingual(pt="Museu ou fotógrafa", en="Museum or photographer"),
    "source": Bilingual(pt="De onde vêm: um endereço, ou um número de tombo", en="Where they come from: an address, or a shelf mark"),
}
"""What `gaucho init` writes for a person to replace, by key."""


def _known_license(value: str | None) -> str | None:
    if value is not None and (verdict := parse_license(value)).family is None:
        raise ValueError(f"{verdict.reason}; write for example cc0-1.0, pd, cc-by-4.0 or cc-by-sa-3.0")
    return value


def _known_license_or_own(value: str | None) -> str | None:
    if value is not None and (verdict := own_license(value)).family is None:
        raise ValueError(f"{verdict.reason}; write for example cc0-1.0, pd, cc-by-4.0 or cc-by-sa-3.0, or own if all rights are yours")
    return value


class FolderSpec(ImageSourceSpec):
    """Images of one's own in a folder, with one statement of rights for all of them, or a table with a line for each."""

    path: Annotated[Path, Operational()] = Field(description="The folder; relative to the file that names it")  # what it holds counts
    table: Annotated[Path | None, Operational()] = Field(None, description="A .xlsx, .ods or CSV: file, title, author, license, source")
    license: str | None = Field(
        None,
        description="Licence of every image that the table does not name, such as cc-by-4.0, cc0-1.0 or pd; own: all rights are yours, and "
        "you allow that a model learns from them",
    )
    author: Text | None = Field(None, description="Who made the images, or whom to credit")
    source: Text | None = Field(None, description="Where they come from: an address or a description")
    fields: Fields = ()

    _is_known = field_validator("license")(_known_license_or_own)

    @model_validator(mode="after")
    def _states_rights(self) -> Self:
        _check_rights(self)
        return self

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.path, *([self.table] if self.table else []))

    @property
    def hosts(self) -> tuple[str, ...]:
        return ()

    def problem(self) -> tuple[str, str] | None:
        for key, written in UNFILLED.items():
            if (text := getattr(self, key)) in (written.pt, written.en):
                return key, f"still says what gaucho init wrote ({text!r}); write your own, it goes with every image"
        try:
            read_table_of_rights(self.table, "file", self.fields)
        except ConfigError as error:
            return "table", str(error)
        if text := _no_path(str(self.path)):
            return "path", text
        try:
            listed = self.build(1, ()).start(None)
        except ConfigError as error:
            return "path", str(error)
        if not any(_can_be_read(Path(record.url)) for record in listed.records):
            return "path", f"{self.path} holds no image that can be read"
        return None

    def build(self, number: int, exclude: tuple[str, ...]) -> Folder:
        return Folder(self, number)


class UrlsSpec(ImageSourceSpec):
    """Images at addresses of one's own choosing, with rights that one declares for them."""

    addresses: tuple[str, ...] = Field((), description="Addresses of images")
    table: Annotated[Path | None, Operational()] = Field(None, description="A .xlsx, .ods or CSV: url, title, author, license, source")
    license: str | None = Field(None, description="Licence of every image that the table does not name")
    author: Text | None = Field(None, description="Whom to credit")
    source: Text | None = Field(None, description="Where they come from: an address or a description")
    fields: Fields = ()

    _is_known = field_validator("license")(_known_license)

    @field_validator("addresses")
    @classmethod
    def _are_http(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(api_address(address, "/") for address in value)

    @model_validator(mode="after")
    def _states_rights(self) -> Self:
        if not self.addresses and self.table is None:
            raise ValueError("must have addresses or a table")
        _check_rights(self)
        return self

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.table,) if self.table else ()

    @property
    def hosts(self) -> tuple[str, ...]:
        return self.build(1, ()).media_hosts

    def problem(self) -> tuple[str, str] | None:
        try:
            self.build(1, ())
        except ConfigError as error:
            return "table", str(error)
        return None

    def build(self, number: int, exclude: tuple[str, ...]) -> Urls:
        return Urls(self)


def _check_rights(spec: FolderSpec | UrlsSpec) -> None:
    missing = [name for name in ("license", "author", "source") if getattr(spec, name) is None]
    if spec.table is None and missing:
        raise ValueError(f"without a table, {', '.join(missing)} must be stated for all images")


class Folder(ImageSource):
    """The images below a folder, by name. Links that lead out of it are not followed."""

    def __init__(self, spec: FolderSpec, number: int) -> None:
        self.spec = spec
        self._prefix = "folder:" if number == 1 else f"folder:{number}:"  # two folders may hold files of the same name
        self.origin = f"folder: {spec.path.name}"

    def start(self, answer: JsonObject | None) -> ApiPage:
        """Lists the folder. Raises ConfigError if it is not there or holds no image, or its table is no such table."""
        folder = self.spec.path
        if not folder.is_dir():
            raise ConfigError(_("there is no folder {folder}; make it, or correct the path", folder=folder))
        table, records, bad = read_table_of_rights(self.spec.table, "file", self.spec.fields), [], []
        own_table = os.path.abspath(self.spec.table) if self.spec.table else None
        files = [file for file in list_folder(folder) if os.path.abspath(file.path) != own_table]
        images = [file.name for file in files if not file.reason]
        lines = rows_of_files(list(table), [file.name for file in files], images, folder.name)
        for file in files:
            name = file.name
            row = table.pop(lines[name]) if name in lines else {}
            if file.reason:
                bad.append(unusable(f"{self._prefix}{name}", self.origin, file.reason))
            else:
                title = PurePosixPath(name).stem
                records.append(_declared(f"{self._prefix}{name}", self.origin, str(file.path), title, row, self.spec, is_file=True))
        unnamed = [name for name in images if name not in lines]
        bad += [unusable(f"{self._prefix}{name}", self.origin, _not_there(name, row, unnamed)) for name, row in table.items()]
        if not records:
            raise ConfigError(_("{folder} holds no image; put at least six photographs there", folder=folder))
        return ApiPage(tuple(records), tuple(bad), total=len(files))


def _not_there(name: str, row: Mapping[str, str], images: Sequence[str]) -> str:
    """Why a line of the table is of no use, with what it may have meant."""
    text = f"the table names it, and it is not there (row {row[_ROW]}"
    return f"{text}; the nearest names are {', '.join(near)})" if (near := nearest(name, images)) else f"{text})"


def _no_path(path: str) -> str:
    """What is wrong with a path that is an address, or one of another kind of computer; empty if it may be one."""
    if found := re.search(r"(?i)\b(https?|ftp):/", path):
        return f"{path[found.start() :].replace(':/', '://', 1)} is a web address; save the images into a folder, or name them under urls:"
    if found := re.search(r"(?:^|/)([A-Za-z]:[\\/].*)", path) if os.name != "nt" else None:
        return f"{found[1]} is a path of Windows; write a folder beside this file, such as photos"
    return ""


def _can_be_read(path: Path) -> bool:
    from gaucho_pipeline.images.decoding import BadImage, decode  # here, because every reading of a concepts file loads this module

    try:
        decode(path.read_bytes())
    except (OSError, BadImage):
        return False
    return True


class Urls(ImageSource):
    """Images at addresses, with declared rights. The hosts of the addresses are the ones allowed."""

    def __init__(self, spec: UrlsSpec) -> None:
        self.spec = spec
        self.origin = f"urls: {spec.table.name if spec.table else plain(spec.source)}"
        self._table: dict[str, dict[str, str]] = {address: {} for address in spec.addresses} | read_table_of_rights(
            spec.table, "url", spec.fields
        )
        self.media_hosts = tuple(sorted({host_of(url) for address in self._table if (url := media_address(address, "https:"))}))

    def start(self, answer: JsonObject | None) -> ApiPage:
        records, bad = [], []
        for address, row in self._table.items():
            key = f"urls:{digest(address)}"
            if url := media_address(address, "https:"):
                records.append(_declared(key, self.origin, url, _name_in(url), row, self.spec))
            else:
                bad.append(unusable(key, self.origin, f"{plain(address)[:60]!r} is not an address"))
        return ApiPage(tuple(records), tuple(bad), total=len(self._table))


def _name_in(address: str) -> str:
    """What a file is called at the end of an address, as people read it."""
    parts = urlsplit(address)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or (parts.hostname or "")


def _shown(source: str) -> str:
    """Where an image comes from, as it may be shown: an address without what lets people in."""
    return without_secrets(source) if is_web_address(source) else source


def _declared(
    key: str, origin: str, url: str, title: str, row: Mapping[str, str], spec: FolderSpec | UrlsSpec, is_file: bool = False
) -> Record:
    """A record from what the table says of it, else from what is stated for all."""
    return Record(
        key=key,
        origin=origin,
        url=url,
        title=plain(row.get("title")) or plain(title),
        author=plain(row.get("author")) or plain(spec.author) or "unknown",
        source=_shown(plain(row.get("source")) or plain(spec.source) or (title if is_file else url)),
        license=(own_license if is_file else parse_license)(row.get("license") or spec.license),
        is_file=is_file,
        fields=tuple((name, value) for name in spec.fields if (value := plain(row.get(name.lower())))),
    )


def read_table_of_rights(path: Path | None, key: str, fields: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """A CSV of `key`, title, author, license and source, by `key`, as spreadsheets write it; the headings may be Portuguese.

    `fields`: further columns that it must have. Raises ConfigError if it is not there, cannot be read, lacks a column, has one that nobody
    named, names something twice, or has a formula in place of what it shows.
    """
    if path is None:
        return {}
    named = {name.lower() for name in fields}
    theirs = {plain_name(name) for name in fields}
    aliases = {alias: name for name in (key, *_COLUMNS) for alias in _ALIASES[name] if alias not in theirs}
    try:
        columns, rows = read_spreadsheet(path, key, aliases)
    except FileNotFoundError:
        raise ConfigError(_("there is no table {path}; make it, or correct the path", path=path)) from None
    _check_columns(path, key, columns, named)
    found: dict[str, dict[str, str]] = {}
    for number, cells in rows:
        values = {name: _cell(path, number, name, cell, key) for name, cell in cells.items()}
        name = unicodedata.normalize("NFC", values.pop(key, ""))
        if name in found:
            raise ConfigError(_("{path}:{number}: {name!r} stands twice", path=path, number=number, name=name))
        if name:
            found[name] = values | {_ROW: str(number)}
    return found


def _check_columns(path: Path, key: str, columns: Sequence[str], named: set[str]) -> None:
    """Raises ConfigError for a column that is missing, or that nobody named."""
    if key not in columns:
        raise ConfigError(
            _(
                "{path} has no column {key!r}; the columns are {names}; it has: {columns}",
                path=path,
                key=key,
                names=", ".join((key, *_COLUMNS)),
                columns=", ".join(columns) or "-",
            )
        )
    if lacking := named - set(columns):
        raise ConfigError(_("{path} has no column {lacking!r}, which fields names", path=path, lacking=min(lacking)))
    if strange := set(columns) - {key, *_COLUMNS} - named:
        raise ConfigError(
            _(
                "{path} has a column {strange!r}; the columns are {key}, {columns}, and those that fields names",
                path=path,
                strange=min(strange),
                key=key,
                columns=", ".join(_COLUMNS),
            )
        )


def _cell(path: Path, number: int, column: str, cell: str, key: str) -> str:
    """What a cell shows. Raises ConfigError for a formula, of which that is not known."""
    value = value_of(cell, column in (key, "license", "source"))
    if value is None:
        raise ConfigError(
            _(
                "{path}:{number}: {column} is the formula {cell}; in the spreadsheet copy the column, paste it as values, and save again",
                path=path,
                number=number,
                column=column,
                cell=cell[:40],
            )
        )
    return value
