"""Tables as people's spreadsheets write them: CSV in the character sets and with the separators that they choose, .xlsx and .ods.

Of CSV, UTF-8, UTF-16 and Windows-1252 are read; ',', ';', tabs or '|' between the cells, also as a `sep=` line says; a title above the
headings, and empty columns beside them. What the columns mean is known where a table is read; how a workbook is opened, in `workbooks.py`.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from types import MappingProxyType

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.workbooks import Sheet, is_workbook, read_workbook

_MAX_BYTES = 50_000_000
_DELIMITERS = ",;\t|"
_TITLES = 10
"""Lines at the top among which the headings are looked for: what is above them is a title."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_IN_WORDS = "\t\n\r\f\xa0ºª°§€£¢©®™·•«»‹›“”‘’‚„–—…×÷±¹²³¼½¾¿¡´`¨"
"""What texts in Windows-1252 have beside ASCII and letters."""
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ ;,\t]*', re.IGNORECASE)
_LINK = re.compile(r'=\s*(?:HYPERLINK|HIPERLINK|HIPERLIGAÇÃO|HIPERVINCULO)\(\s*"([^"]*)"\s*(?:[;,]\s*"([^"]*)"\s*)?\)', re.IGNORECASE)
_TEXT = re.compile(r'=\s*"([^"]*)"')
_ERROR = re.compile(r"#(N/A|N/D|REF!|NAME\?|NOME\?|¿NOMBRE\?|VALUE!|VALOR!|¡VALOR!|DIV/0!|NUM!|NÚM!|NULL!|NULO!)", re.IGNORECASE)
NO_ALIASES: Mapping[str, str] = MappingProxyType({})


def read_spreadsheet(
    path: Path, key: str = "", aliases: Mapping[str, str] = NO_ALIASES
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The names of the columns in small letters, and each line that says something: its number and its cells by column.

    `key`: a column that must be there, by which the line of the headings is known; without it, or where it is nowhere, that is the first.
    `aliases`: what else a column may be called, as `plain_name` has it. Raises FileNotFoundError, and ConfigError with what to change in
    the spreadsheet if it is no such table. Of a workbook the first sheet that has the headings is read.
    """
    named = dict[str, str](aliases)
    content = _content(path)
    rows = _sheet(read_workbook(path), key, named) if is_workbook(content) else _csv_rows(path, content, key, named)
    start = _heading(rows[:_TITLES], key, named)
    columns = [named.get(plain_name(name), name.strip().lower()) for name in (rows[start] if rows else [])]
    if twice := {name for name in columns if name and columns.count(name) > 1}:
        raise ConfigError(_("{path}:{number}: two columns say {name!r}; keep one", path=path, number=start + 1, name=min(twice)))
    found = []
    for number, cells in enumerate(rows[start + 1 :], start=start + 2):  # as spreadsheets count rows
        _check_width(path, number, columns, cells)
        if any(cell.strip() for cell in cells):
            found.append((number, {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}))
    return [name for name in columns if name], found


def plain_name(name: str) -> str:
    """A heading without accents, capitals and what is around it: 'Licença ' is 'licenca'."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).strip(" :*").split())


def value_of(cell: str, is_address: bool) -> str | None:
    """What a cell shows, where a formula was saved in place of it: of a link its address, or its text; None for another formula."""
    if link := _LINK.fullmatch(cell):
        return (link[1] if is_address or not link[2] else link[2]).strip()
    if text := _TEXT.fullmatch(cell):
        return text[1].strip()
    return None if cell.startswith("=") or _ERROR.fullmatch(cell) else cell


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ConfigError(_("{path}: is no file, and no table", path=path))
    if path.is_file() and path.stat().st_size > _MAX_BYTES:
        raise ConfigError(_("{path}: is larger than {most} MB, and no table that is read here", path=path, most=_MAX_BYTES // 1_000_000))
    try:
        return path.read_bytes()
    except IsADirectoryError:
        return b"\0"


def _sheet(sheets: Sequence[Sheet], key: str, aliases: Mapping[str, str]) -> Sheet:
    """The first sheet that has the headings, or else that says something."""
    named = (sheet for sheet in sheets if key in {name for row in sheet[:_TITLES] for name in _names(row, aliases)})
    filled = (sheet for sheet in sheets if any(cell.strip() for row in sheet for cell in row))
    return next(named, next(filled, []))


def _csv_rows(path: Path, content: bytes, key: str, aliases: Mapping[str, str]) -> list[list[str]]:
    lines, delimiter = _lines(path, content), ""
    if lines and (separator := _SEPARATOR_LINE.fullmatch(lines[0].strip("\r\n"))):
        lines, delimiter = lines[1:], separator[1]  # spreadsheets show no row for it
    return _rows(path, lines, delimiter or _delimiter(lines, key, aliases))


def _lines(path: Path, content: bytes) -> list[str]:
    """The text's lines, with their ends."""
    text = _text(content)
    if text is None:
        raise ConfigError(_("{path}: is not UTF-8 text; in the spreadsheet choose Save as, CSV UTF-8", path=path))
    return text.splitlines(keepends=True) if "\n" not in text else re.findall(r"[^\n]*\n|[^\n]+$", text)


def _text(content: bytes) -> str | None:
    """Bytes as text; None where it is not sure what they say."""
    encodings = [encoding for mark, encoding in _MARKS if content.startswith(mark)][:1]
    if not encodings and b"\0" in content[:1000]:
        zeros = [content[:1000][first::2].count(0) for first in (0, 1)]
        encodings = ["utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"] if min(zeros) == 0 else []
    elif not encodings:
        encodings = ["utf-8", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding.startswith("utf-8") or (_is_plain(text) and (encoding != "cp1252" or _is_words(text))):
            return text
    return None


def _is_plain(text: str) -> bool:
    return not any(unicodedata.category(sign) == "Cc" and sign not in "\t\n\r\f" for sign in text)


def _is_words(text: str) -> bool:
    """Whether what was read as Windows-1252 looks like words: the letters of other sets of eight bits become signs and odd capitals."""
    odd = (sign for sign in text if not (sign.isascii() or sign.isalpha() or sign in _IN_WORDS))
    return next(odd, None) is None and not re.search(r"[a-zà-ÿ][À-ÞŠŽŒŸ][a-zà-ÿ]|[‚„…´`¨¿¡](?=[a-zà-ÿ])(?<=[a-zà-ÿ].)", text)


def _delimiter(lines: list[str], key: str, aliases: Mapping[str, str]) -> str:
    """What is between the cells: what gives the headings, or else what is there most."""
    for line in lines[:_TITLES] if key else ():
        cells = {each: [plain_name(name.strip(' "\r\n')) for name in line.split(each)] for each in _DELIMITERS}
        if fits := [each for each in _DELIMITERS if key in {aliases.get(name, name) for name in cells[each]}]:
            return max(fits, key=lambda each: len(cells[each]))
    first = next((line for line in lines if line.strip()), "")
    return max(_DELIMITERS, key=first.count)


def _rows(path: Path, lines: list[str], delimiter: str) -> list[list[str]]:
    reader = csv.reader(StringIO("".join(lines), newline=""), delimiter=delimiter, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        raise ConfigError(
            _(
                '{path}: is not a table: {error} (line {number}); a text that has a quote mark is written "like ""this"""',
                path=path,
                error=error,
                number=reader.line_num,
            )
        ) from None


def _heading(rows: list[list[str]], key: str, aliases: Mapping[str, str]) -> int:
    """The place of the line that has the headings."""
    names = [_names(row, aliases) for row in rows]
    filled = (place for place, row in enumerate(rows) if any(cell.strip() for cell in row))
    return next((place for place, row in enumerate(names) if key and key in row), next(filled, 0))


def _names(row: Sequence[str], aliases: Mapping[str, str]) -> set[str]:
    """What the cells of a line are as headings."""
    return {aliases.get(plain_name(cell), plain_name(cell)) for cell in row}


def _check_width(path: Path, number: int, columns: list[str], cells: list[str]) -> None:
    """Raises ConfigError for a cell that is below no heading."""
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise ConfigError(
            _("{path}:{number}: has more cells than there are columns; put a text with a comma in quotes", path=path, number=number)
        )
    for place, (name, cell) in enumerate(zip(columns, cells, strict=False)):
        if not name and cell.strip():
            raise ConfigError(
                _(
                    "{path}:{number}: column {letter} has no heading, and says {text!r}; write one, or delete the column",
                    path=path,
                    number=number,
                    letter=chr(ord("A") + place) if place < 26 else str(place + 1),  # as spreadsheets name them
                    text=cell.strip()[:40],
                )
            )
