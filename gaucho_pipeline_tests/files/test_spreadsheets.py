"""Tables as people's spreadsheets write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.spreadsheets import read_spreadsheet, value_of


@pytest.mark.parametrize("text", ["Image;Why\na;é uma cuia\n;\n", "\ufeffimage,why\r\na, é uma cuia \r\n", 'image\twhy\na\t"é uma cuia"\n'])
def test_marks_delimiters_and_quotations_are_those_of_the_spreadsheet(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    assert read_spreadsheet(tmp_path / "t.csv") == (["image", "why"], [(2, {"image": "a", "why": "é uma cuia"})])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_every_character_set_that_excel_writes_is_read(encoding: str, separator: str, tmp_path: Path) -> None:
    text = "image;why\r\na;é uma cuia de “prata” do João – nº 1\r\n".replace(";", separator)
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    assert read_spreadsheet(tmp_path / "t.csv") == (["image", "why"], [(2, {"image": "a", "why": "é uma cuia de “prata” do João – nº 1"})])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("sep=;\r\nimage;why\r\na;b, c\r\n", 2),
        ('"sep=|"\nimage|why\na|b, c\n', 2),
        ("image;why;;\na;b, c;;\n;;;\n", 2),
        ("Acervo do Museu, Pelotas, RS;;\n\nimage;why\na;b, c\n", 4),
        ("Acervo do Museu\nimage\twhy\na\tb, c\n", 3),
        (" Imagem ;Porquê\na;b, c\n", 2),
        ("image;why\r\n;\r\na;b, c", 3),
        ("image;why\ra;b, c\r", 2),
    ],
)
def test_what_stands_around_a_table_is_no_part_of_it(text: str, number: int, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    columns, rows = read_spreadsheet(tmp_path / "t.csv", "image", {"imagem": "image", "porque": "why"})
    assert (columns, rows) == (["image", "why"], [(number, {"image": "a", "why": "b, c"})])


@pytest.mark.parametrize(
    ("cell", "address", "text"),
    [
        ('=HYPERLINK("https://m.example/1";"ver")', "https://m.example/1", "ver"),
        ('=HIPERLINK("https://m.example/1","ver")', "https://m.example/1", "ver"),
        ('=hyperlink("https://m.example/1")', "https://m.example/1", "https://m.example/1"),
        ('="0012"', "0012", "0012"),
        ("Cuia = mate", "Cuia = mate", "Cuia = mate"),
        ("=A2&B2", None, None),
        ("#NOME?", None, None),
    ],
)
def test_of_a_link_its_address_or_its_text_is_read_and_of_other_formulas_nothing(cell: str, address: Any, text: Any) -> None:
    assert (value_of(cell, is_address=True), value_of(cell, is_address=False)) == (address, text)


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("")
    assert read_spreadsheet(tmp_path / "t.csv") == ([], [])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"image\n\x81\n", "is not UTF-8 text; in the spreadsheet choose Save as, CSV UTF-8"),
        ("imagem\nAn\xe1lia e João\n".encode("cp850"), "is not UTF-8 text"),
        ("imagem\nAnália e João\n".encode("mac-roman"), "is not UTF-8 text"),
        (b"PK\x03\x04\x14\0\x06\0", "is no spreadsheet that can be read"),
        (b'image,why\na,"no end\nb,c\n', "is not a table"),
        (b'image;why\na;b\nc;"Cuia" grande\n', r"is not a table: .* \(line 3\); a text that has a quote mark"),
        (b"image;;why\na;lost;b\n", ":2: column B has no heading, and says 'lost'"),
        (b"image;why;Why\na;b;c\n", ":1: two columns say 'why'"),
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
