"""CSV as people's spreadsheets write it: UTF-8 with or without a mark, and ',', ';' or tabs between the cells.

What the columns mean is known where a table is read.
"""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _


def read_spreadsheet(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The names of the columns in small letters, and each line that says something: its number and its cells by column.

    Raises FileNotFoundError, and ConfigError if it is not UTF-8, a quotation does not end, or a line has more cells than there are columns.
    """
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
