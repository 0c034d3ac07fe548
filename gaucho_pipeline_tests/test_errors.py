"""Sentences that a person meets: each goes through `_`, with named placeholders, and no value is read as one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from gaucho_pipeline.errors import GauchoError, _, first_line
from gaucho_pipeline.stage.failures import explain
from gaucho_pipeline.stage.reporter import Reporter

PACKAGE = Path(__file__).parents[1] / "gaucho_pipeline"
ON_THEIR_OWN = {"making", "packed"}
"""Programs of their own: what made the small model, and what runs packed work, which has no more than the standard library."""
BEFORE_IMPORTS = {"launch.py", "stage_server.py", "stage_client.py"}
SPEAKING = {"echo", "secho", "info", "Finding", "NotFinite", "Interrupted"}


def test_values_stand_in_the_place_of_placeholders() -> None:
    assert _("{path}: {share:.0%} of {count:,}", path="a", share=0.5, count=1234) == "a: 50% of 1,234"
    assert _("a text with {token} in it") == "a text with {token} in it"
    assert _("{title} is shown", title="{evil.__class__}") == "{evil.__class__} is shown"


HOSTILE = ["x\x1b[31mred", "a\x9b2J", "bell\x07", "back\rwards", "\u202egpj.exe", "half \ud83d", "\u2066x"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_is_obeyed_by_a_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for value in (text, Path(f"/x/{text}"), ValueError(text)):
        assert _("{value}: is none", value=value).isprintable()
    assert first_line(ValueError(f"{text}\nmore")).isprintable()
    assert explain(GauchoError(text)).isprintable()
    Reporter(None).info(text)
    assert capsys.readouterr().err.strip().isprintable()


def test_what_a_person_writes_stands_as_it_is() -> None:
    for text in ("João Araújo · “Über” — 写真 👩🏽‍🌾\n\ttabbed", "C:\\Fotos"):
        assert _("{text}", text=text) == text
    assert first_line(KeyError()) == "KeyError"
    assert len(first_line(ValueError("x" * 9999))) == 300


def spoken(path: Path) -> Iterator[tuple[int, ast.JoinedStr]]:
    """Texts with values in them that are told to a person, without `_`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            is_ours = name.endswith("Error") and name not in ("ValueError", "AssertionError", "AttributeError", "TypeError")
            if is_ours or name in SPEAKING:
                yield from ((node.lineno, each) for each in node.args if isinstance(each, ast.JoinedStr))


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not ON_THEIR_OWN & {*path.parts} and path.name not in BEFORE_IMPORTS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_sentence_with_values_goes_through_it(path: Path) -> None:
    found = []
    for line, text in spoken(path):
        words = "".join(str(part.value) for part in text.values if isinstance(part, ast.Constant))
        if any(word.isalpha() and len(word) > 1 for word in words.split()):
            found.append(f"{path.name}:{line}: {words}")
    assert found == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_placeholder_has_its_value_and_every_value_its_placeholder(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_" and node.keywords:
            sentence = ast.literal_eval(node.args[0])
            named = {name for _text, name, _spec, _conversion in Formatter().parse(sentence) if name is not None}
            assert named == {keyword.arg for keyword in node.keywords}, f"{path.name}:{node.lineno}: {sentence}"
