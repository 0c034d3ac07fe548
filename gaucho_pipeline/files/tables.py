"""Tables on disk: JSON Lines for programs, and ATTRIBUTION.csv for people. What the rows mean is in `assets/rows.py`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.writing import written_atomically
from gaucho_pipeline.spec import JsonObject


def write_table(path: Path, rows: Iterable[JsonObject]) -> None:
    """Writes rows as JSON Lines, accents as they are, one after the other."""
    with written_atomically(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False, sort_keys=True, allow_nan=False).encode() + b"\n" for row in rows)


def read_table(path: Path) -> list[JsonObject]:
    """Reads JSON Lines, text as text. Raises GauchoError if they are none, or a line is no object."""
    try:
        with path.open(encoding="utf-8") as file:
            return [_object(line) for line in file if line.strip()]
    except (ValueError, RecursionError):
        raise GauchoError(_("{path}: is damaged; remove its folder and run again: it is made again", path=path)) from None


def _object(line: str) -> JsonObject:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError
    return JsonObject(value)


_ROWS_AT_ONCE = 10_000


ATTRIBUTION_COLUMNS = ("file", "title", "author", "source", "license", "license_url", "sha256")


def write_attribution(path: Path, records: Iterable[JsonObject]) -> None:
    """Writes ATTRIBUTION.csv: a line for each image, in UTF-8 with a mark that spreadsheets understand."""
    import pandas as pd  # here, because Dagster loads this module and pandas takes a while

    rows = ([inert(record.get(column, "")) for column in ATTRIBUTION_COLUMNS] for record in records)
    with written_atomically(path) as file:
        file.write(f"\ufeff{','.join(ATTRIBUTION_COLUMNS)}\n".encode())
        while len(frame := pd.DataFrame.from_records(rows, columns=list(ATTRIBUTION_COLUMNS), nrows=_ROWS_AT_ONCE)):
            frame.to_csv(file, index=False, header=False, lineterminator="\n")


def inert(value: object) -> str:
    """Text that no spreadsheet takes for a formula: where cells are parted by ';', what follows one begins a cell."""
    text = " ".join(str(value if value is not None else "").split())
    return re.sub(r"(^|;[\"'\s]*)(?=[=+\-@＝＋－＠])", r"\1'", text)


def read_attribution(path: Path) -> list[dict[str, str]]:
    """The lines of an ATTRIBUTION.csv by their columns."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def attributed(folder: Path) -> set[str]:
    """The SHA-256 of the images that the table of credits in a folder names; none without one."""
    path = folder / "ATTRIBUTION.csv"
    return {row["sha256"] for row in read_attribution(path) if row.get("sha256")} if path.is_file() else set()
