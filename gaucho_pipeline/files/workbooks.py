"""Spreadsheets as Excel and LibreOffice save them, .xlsx and .ods: read in a child process, since they are archives of somebody's XML.

`python -m gaucho_pipeline.files.workbooks PATH` writes the sheets as JSON, within limits of memory and time. What the columns mean is
known where a table is read.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
"""How .xlsx and .ods begin, and how .xls, or an .xlsx that is kept by a password, does."""
_MEMORY, _SECONDS = 1 << 30, 20
_MAX_CELLS = 2_000_000
_TOO_LARGE = 3
"""The exit status of a child that found more cells than are read."""

Sheet = list[list[str]]


def is_workbook(content: bytes) -> bool:
    """Whether a file begins as a spreadsheet that is no CSV."""
    return content.startswith((ZIP, OLE))


def read_workbook(path: Path) -> list[Sheet]:
    """The sheets that are shown, each as rows of texts, from the first row on; numbers as they are read aloud, days as 2026-11-30.

    Raises ConfigError for what is no workbook, is kept by a password, or is larger than anybody's table.
    """
    about = path.stat()
    return _read(str(path), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=16)
def _read(path: str, _modified: int, _size: int) -> list[Sheet]:
    with open(path, "rb") as file:
        if file.read(4) == OLE:
            raise ConfigError(_("{path}: is an old spreadsheet, or kept by a password; save it as .xlsx, .ods or CSV UTF-8", path=path))
    command = [sys.executable, "-P", "-m", __name__, path]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ConfigError(_("{path}: takes longer than a table would; save it as CSV UTF-8", path=path)) from None
    if done.returncode == _TOO_LARGE:
        raise ConfigError(_("{path}: has more cells than a table of images; save the sheet that is meant as CSV UTF-8", path=path))
    if done.returncode:
        raise ConfigError(_("{path}: is no spreadsheet that can be read; save it as .xlsx, .ods or CSV UTF-8", path=path))
    sheets: list[Sheet] = json.loads(done.stdout)
    return sheets


def _main(path: str) -> None:
    """Runs in a child."""
    from python_calamine import CalamineError, SheetVisibleEnum, load_workbook

    _limit()
    sheets: list[Sheet] = []
    cells = 0
    try:
        with load_workbook(path) as workbook:
            for about in workbook.sheets_metadata:
                if about.visible != SheetVisibleEnum.Visible:
                    continue
                sheet = workbook.get_sheet_by_name(about.name)
                cells += sheet.total_height * sheet.total_width
                if cells > _MAX_CELLS:
                    sys.exit(_TOO_LARGE)
                sheets.append([[_text(value) for value in row] for row in sheet.to_python(skip_empty_area=False)])
    except (CalamineError, OSError, ValueError, MemoryError):
        sys.exit(1)
    sys.stdout.buffer.write(json.dumps(sheets).encode())


def _limit() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _text(value: object) -> str:
    """A cell as a person reads it."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return "" if value is None else str(value)


if __name__ == "__main__":
    _main(sys.argv[1])
