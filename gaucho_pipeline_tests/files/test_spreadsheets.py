"""Tables as people's spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.spreadsheets import read_spreadsheet


@pytest.mark.parametrize("text", ["Image;Why\na;é uma cuia\n;\n", "\ufeffimage,why\r\na, é uma cuia \r\n", 'image\twhy\na\t"é uma cuia"\n'])
def test_marks_delimiters_and_quotations_are_those_of_the_spreadsheet(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    assert read_spreadsheet(tmp_path / "t.csv") == (["image", "why"], [(2, {"image": "a", "why": "é uma cuia"})])


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("")
    assert read_spreadsheet(tmp_path / "t.csv") == ([], [])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"image\n\xe7\n", "is not UTF-8 text"),
        (b'image,why\na,"no end\nb,c\n', "is not a table"),
        (b"image,why\na,one, two\n", ":2: has more cells than there are columns"),
    ],
)
def test_what_is_no_such_table_is_reported(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        read_spreadsheet(tmp_path / "t.csv")


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "/dev/stdin"])
def test_a_device_is_no_table(place: str) -> None:
    with pytest.raises(ConfigError, match="is no file"):
        read_spreadsheet(Path(place))


def test_nor_is_what_no_spreadsheet_would_open(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(60_000_000)
    with pytest.raises(ConfigError, match="larger than 50 MB"):
        read_spreadsheet(tmp_path / "a.csv")
