"""CSV as people's spreadsheets write it: UTF-8 with or without a mark, and ',', ';' or tabs between the cells.

What the columns mean is known where a table is read.
"""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _

_MAX_BYTES = 50_000_000


def read_spreadsheet(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The names of the columns in small letters, and each line that says something: its number and its cells by column.

    Raises FileNotFoundError, and ConfigError if it is not UTF-8, a quotation does not end, or a line has more cells than there are columns.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ConfigError(_("{path}: is no file, and no table", path=path))
    if path.is_file() and path.stat().st_size > _MAX_BYTES:
        raise ConfigError(_("{path}: is larger than {most} MB, and no table that is read here", path=path, most=_MAX_BYTES // 1_000_000))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, IsADirectoryError):
        raise ConfigError(_("{path}: is not UTF-8 text; save it as CSV UTF-8", path=path)) from None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        header, *lines = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)) or [[]]
    except csv.Error as error:
        raise ConfigError(_("{path}: is not a table: {error}", path=path, error=error)) from None
    columns = [name.strip().lower() for name in header]
    rows = []
    for number, cells in enumerate(lines, start=2):
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise ConfigError(
                _("{path}:{number}: has more cells than there are columns; put a text with a comma in quotes", path=path, number=number)
            )
        if any(cell.strip() for cell in cells):
            rows.append((number, {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}))
    return columns, rows
