"""docs/notebook.ipynb: its cells are run one after the other as they are written, but for a shorter training."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"


def code_cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], {cell["cell_type"] for cell in notebook["cells"]}) == (4, {"code", "markdown"})
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run_cell(text: str, names: dict[str, object]) -> object:
    """Runs a cell as a notebook does; gives what its last line is, where that is an expression."""
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK.name, "exec"), names)
    return eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names) if isinstance(last, ast.Expr) else None


def test_it_leads_from_photographs_to_a_picture_with_its_credits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = code_cells()
    assert "EPOCHS = 120" in cells[0]
    cells[0] = cells[0].replace("EPOCHS = 120", "EPOCHS = 2")
    names: dict[str, object] = {}
    shown = [run_cell(cell, names) for cell in cells]
    tables = [each for each in shown if isinstance(each, pd.DataFrame)]
    assert [list(table.columns) for table in tables] == [
        ["concept", "asset", "state", "reasons"],
        ["file", "caption", "license", "author"],
        ["verdict", "reason"],
        ["title", "author", "license", "source"],
    ]
    assert set(tables[0].state) == {"fresh"}
    assert set(tables[1].author) == set(tables[3].author) == {"Museu X"}
    pictures = [each for each in shown if isinstance(each, Image.Image)]
    assert [each.format for each in pictures] == ["JPEG", "PNG"]
    assert (tmp_path / "cuia.png").exists()


def test_nothing_of_a_run_is_kept_in_it() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
    assert len({cell["id"] for cell in cells}) == len(cells)
