"""Images whose rights their keeper declares: files in a folder, and a list of addresses. A table may say more of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import FolderSource, UrlsSource
from gaucho_pipeline.crawl.records import Record, plain
from gaucho_pipeline.crawl.sources import Again, Name, Page, host_of, is_web_address, unusable
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.rights import parse_license
from gaucho_pipeline.spreadsheets import read_spreadsheet

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm"}
_COLUMNS = ("title", "author", "license", "source")


class Folder:
    """The images below a folder, by name. Links that lead out of it are not followed."""

    api_hosts: tuple[str, ...] = ()
    media_hosts: tuple[str, ...] = ()
    name: Name | None = None

    def __init__(self, spec: FolderSource, number: int = 1) -> None:
        self.spec = spec
        self._prefix = "folder:" if number == 1 else f"folder:{number}:"  # two folders may hold files of the same name
        self.origin = f"folder: {spec.path.name}"

    def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
        return ()  # all of it is listed

    def start(self, answer: Mapping[str, object] | None) -> Page:
        """Lists the folder. Raises ConfigError if it is not there or holds no image, or its table is no such table."""
        folder = self.spec.path
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}; make it, or correct the path")
        inside, table = folder.resolve(), read_table_of_rights(self.spec.table, "file")
        records, bad = [], []
        paths = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        bare = Counter(path.name for path in paths)
        exact = {path.relative_to(folder).as_posix() for path in paths}
        for path in paths:
            name = path.relative_to(folder).as_posix()
            if not path.resolve().is_relative_to(inside):
                bad.append(unusable(f"{self._prefix}{name}", self.origin, "a link leads out of the folder"))
            elif path.suffix.lower() in _SUFFIXES:
                own = name if name in table else path.name if bare[path.name] == 1 and path.name not in exact else name
                said = table.pop(own, {})
                records.append(_declared(f"{self._prefix}{name}", self.origin, str(path), path.stem, said, self.spec))
        bad += [unusable(f"{self._prefix}{name}", self.origin, "the table names it, and it is not there") for name in table]
        if not records:
            raise ConfigError(f"{folder} holds no image ({', '.join(sorted(_SUFFIXES))})")
        return Page(tuple(records), tuple(bad), total=len(records))


class Urls:
    """Images at addresses, with declared rights. The hosts of the addresses are the ones allowed."""

    api_hosts: tuple[str, ...] = ()
    name: Name | None = None

    def __init__(self, spec: UrlsSource) -> None:
        self.spec = spec
        self.origin = f"urls: {spec.table.name if spec.table else plain(spec.source)}"
        self._table: dict[str, dict[str, str]] = {address: {} for address in spec.addresses} | read_table_of_rights(spec.table, "url")
        self.media_hosts = tuple(sorted({host_of(address) for address in self._table if is_web_address(address)}))

    def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
        return ()  # all of it is listed

    def start(self, answer: Mapping[str, object] | None) -> Page:
        records, bad = [], []
        for address, said in self._table.items():
            key = f"urls:{digest(address)}"
            if is_web_address(address):
                records.append(_declared(key, self.origin, address, address.rpartition("/")[2] or address, said, self.spec))
            else:
                bad.append(unusable(key, self.origin, f"{plain(address)[:60]!r} is not an address"))
        return Page(tuple(records), tuple(bad), total=len(self._table))


def _declared(key: str, origin: str, media: str, title: str, said: Mapping[str, str], spec: FolderSource | UrlsSource) -> Record:
    """A record from what the table says of it, else from what is stated for all."""
    return Record(
        key=key,
        origin=origin,
        media=media,
        title=plain(said.get("title")) or plain(title),
        author=plain(said.get("author")) or plain(spec.author) or "unknown",
        source=plain(said.get("source")) or plain(spec.source) or (media if media.startswith("http") else title),
        license=parse_license(said.get("license") or spec.license),
    )


def read_table_of_rights(path: Path | None, key: str) -> dict[str, dict[str, str]]:
    """A CSV of `key`, title, author, license and source, by `key`; with ',', ';' or tabs between, as spreadsheets write it.

    Raises ConfigError if it is not there, is not UTF-8, lacks the column, or names something twice.
    """
    if path is None:
        return {}
    try:
        columns, rows = read_spreadsheet(path)
    except FileNotFoundError:
        raise ConfigError(f"there is no table {path}; make it, or correct the path") from None
    if key not in columns:
        raise ConfigError(f"{path} has no column {key!r}; the columns are {key}, {', '.join(_COLUMNS)}")
    if strange := set(columns) - {key, *_COLUMNS}:
        raise ConfigError(f"{path} has a column {min(strange)!r}; the columns are {key}, {', '.join(_COLUMNS)}")
    found: dict[str, dict[str, str]] = {}
    for number, values in rows:
        name = values.pop(key, "")
        if name in found:
            raise ConfigError(f"{path}:{number}: {name!r} stands twice")
        if name:
            found[name] = values
    return found
