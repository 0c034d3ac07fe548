"""The pages that `make tables` makes are those that stand in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline_tests.tables import ROOT, keys_page, pages


@pytest.mark.parametrize(("path", "text"), [pytest.param(path, text, id=path.name) for path, text in pages().items()])
def test_they_are_current(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)} is old; run: make tables"


def test_every_key_stands_in_them_with_what_it_is_and_what_it_may_be() -> None:
    lines = keys_page().splitlines()
    assert "| `min_side` | whole number 16 to 8192 | `512` | Shortest side, in pixels, without borders that are cut off |" in lines
    assert "| `token` (required) | text |  | The made-up word that will stand for it |" in lines
    assert all(line.count("|") - line.count("\\|") == 5 and not line.endswith("|  |") for line in lines if line.startswith("| `"))
