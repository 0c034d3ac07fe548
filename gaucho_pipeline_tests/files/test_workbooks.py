"""Spreadsheets as Excel and LibreOffice save them: the same as CSV, and whatever is none costs one line."""

from __future__ import annotations

import zipfile
from html import escape
from pathlib import Path

import pytest

from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files import workbooks
from gaucho_pipeline.files.spreadsheets import read_spreadsheet
from gaucho_pipeline.sources.declared import read_table_of_rights

Row = list[object]
ROWS: list[Row] = [
    ["Arquivo", "Título", "Autor", "Licença", "Ano"],
    ["cuia 1.jpg", "Cuia nº 1", "João Araújo", "CC BY 4.0", 1835],
    ["cuia 2.jpg", "", "", "pd", 1836.5],
]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def xlsx(path: Path, *sheets: list[Row], hidden: int = 0) -> Path:
    """A workbook as ECMA-376 has it, with texts and numbers in its cells; `hidden` is the number of a sheet that is not shown."""
    numbers = range(1, len(sheets) + 1)
    states = {number: ' state="hidden"' if number == hidden else "" for number in numbers}
    tags = "".join(f'<sheet name="Planilha{n}" sheetId="{n}" r:id="r{n}"{states[n]}/>' for n in numbers)
    links = "".join(f'<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/s{n}.xml"/>' for n in numbers)
    main = f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{main}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{tags}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>',
    }
    for number, rows in zip(numbers, sheets, strict=True):
        lines = (f'<row r="{place}">{_cells(row, place)}</row>' for place, row in enumerate(rows, 1))
        parts[f"xl/worksheets/s{number}.xml"] = f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, part in parts.items():
            made.writestr(name, part)
    return path


def _cells(row: Row, number: int) -> str:
    cells = []
    for column, value in zip("ABCDEFGH", row, strict=False):
        if isinstance(value, (int, float)):
            cells.append(f'<c r="{column}{number}"><v>{value}</v></c>')
        else:
            cells.append(f'<c r="{column}{number}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>')
    return "".join(cells)


def ods(path: Path, rows: list[Row]) -> Path:
    """A workbook as OpenDocument has it."""
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text"))

    def cell(value: object) -> str:
        if isinstance(value, (int, float)):
            return f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}</text:p></table:table-cell>'
        return f'<table:table-cell office:value-type="string"><text:p>{escape(str(value))}</text:p></table:table-cell>'

    lines = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
    body = f'<office:body><office:spreadsheet><table:table table:name="Acervo">{lines}</table:table></office:spreadsheet></office:body>'
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr("META-INF/manifest.xml", '<manifest xmlns="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>')
        made.writestr("content.xml", f"<office:document-content {spaces}>{body}</office:document-content>")
    return path


@pytest.fixture(params=["acervo.xlsx", "acervo.ods"])
def workbook(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    return xlsx(path, ROWS) if path.suffix == ".xlsx" else ods(path, ROWS)


def test_a_workbook_is_read_as_the_same_table_in_csv_is(workbook: Path, tmp_path: Path) -> None:
    text = tmp_path / "acervo.csv"
    text.write_text("".join(";".join(map(str, row)) + "\n" for row in ROWS), encoding="utf-8")
    assert read_spreadsheet(workbook, "arquivo") == read_spreadsheet(text, "arquivo")
    assert read_table_of_rights(workbook, "file", ["ano"]) == read_table_of_rights(text, "file", ["ano"])


def test_a_title_above_the_headings_is_passed_over_and_rows_are_counted_as_the_spreadsheet_does(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", [["Acervo do museu"], [""], *ROWS])
    _columns, rows = read_spreadsheet(path, "file", {"arquivo": "file"})
    assert [number for number, _cells in rows] == [4, 5]


def test_the_sheet_that_has_the_headings_is_read_and_none_that_is_hidden(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", [["Instruções"]], [["file"], ["oculto.jpg"]], ROWS, hidden=2)
    _columns, rows = read_spreadsheet(path, "file", {"arquivo": "file"})
    assert [cells["file"] for _number, cells in rows] == ["cuia 1.jpg", "cuia 2.jpg"]


def test_what_is_wrong_is_named_by_its_row(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", [*ROWS, ["cuia 1.jpg", "", "", "pd", 1]])
    with pytest.raises(ConfigError, match=r"a\.xlsx:4: 'cuia 1\.jpg' stands twice"):
        read_table_of_rights(path, "file", ["ano"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (workbooks.OLE + b"x" * 600, "an old spreadsheet, or kept by a password"),
        (workbooks.ZIP + b"x" * 600, "no spreadsheet that can be read"),
    ],
)
def test_what_is_no_workbook_is_one_line_with_what_to_do(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        read_spreadsheet(path, "file")


def test_a_document_is_no_workbook(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as made:
        made.writestr("word/document.xml", "<w/>")
    with pytest.raises(ConfigError, match="no spreadsheet that can be read"):
        read_spreadsheet(tmp_path / "a.docx", "file")


def sheet_of(path: Path, content: str) -> Path:
    """A workbook whose one sheet is this XML."""
    xlsx(path, [["file"]])
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, part in (parts | {"xl/worksheets/s1.xml": content.encode()}).items():
            made.writestr(name, part)
    return path


@pytest.mark.parametrize(
    "cells",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        '<row r="1">' + '<c t="inlineStr"><is><t>' + "x" * 400_000_000 + "</t></is></c></row>",
    ],
    ids=["two cells far apart", "a cell that is larger than the file may be"],
)
def test_a_workbook_made_to_fill_the_memory_ends_its_own_process_only(cells: str, tmp_path: Path) -> None:
    path = sheet_of(tmp_path / "a.xlsx", f'<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>')
    with pytest.raises(ConfigError, match=r"no spreadsheet that can be read|more cells than a table"):
        read_spreadsheet(path, "file")


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/hostname">]>'
    cells = [f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>{text}</t></is></c></row>' for n, text in ((1, "file"), (2, "x&b;&c;"))]
    path = sheet_of(tmp_path / "a.xlsx", f'{bomb}<worksheet xmlns="{MAIN}"><sheetData>{"".join(cells)}</sheetData></worksheet>')
    try:
        _columns, rows = read_spreadsheet(path, "file")
    except ConfigError:
        return
    assert "aaaa" not in str(rows)
    assert Path("/etc/hostname").read_text().strip() not in str(rows)


def test_the_child_does_not_import_from_where_one_stands(workbook: Path, tmp_path: Path) -> None:
    (tmp_path / "python_calamine.py").write_text("raise SystemExit(0)")
    (tmp_path / "json.py").write_text("raise SystemExit(0)")
    assert read_spreadsheet(workbook, "arquivo")[1]
