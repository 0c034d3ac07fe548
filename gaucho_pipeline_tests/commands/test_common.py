"""How a person is asked on the command line: in either language, and never taken for a yes who did not say it."""

from __future__ import annotations

import io

import pytest

from gaucho_pipeline.commands.common import confirm


@pytest.mark.parametrize(
    ("lines", "agreed", "asked"),
    [
        ("y\n", True, 1),
        ("Sim\n", True, 1),
        (" s \n", True, 1),
        ("yes\n", True, 1),
        ("n\n", False, 1),
        ("Não\n", False, 1),
        ("nao\n", False, 1),
        ("\n", False, 1),
        ("", False, 1),
        ("maybe\ntalvez\nsim\n", True, 3),
        ("maybe\n", False, 2),
    ],
)
def test_only_a_yes_is_one_and_another_word_is_asked_again(
    lines: str, agreed: bool, asked: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert confirm("put it there?") is agreed
    assert capsys.readouterr().err.count("put it there? [y/N] ") == asked
