"""`make catalogue`: the sentences that a person meets on the command line, as gettext's catalogue has them, by Babel.

Collected are what goes through `_()`, what `ValueError` and `Mistake` say of a concepts file, what commands say of themselves, and `WORDS`.
`pt.po` keeps what was translated; what is new stands there without a translation, and `test_catalogue.py` names it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from gaucho_pipeline.language.terminal import WORDS

PACKAGE = Path(__file__).parents[1] / "gaucho_pipeline"
FOLDER = PACKAGE / "language" / "locale" / "pt" / "LC_MESSAGES"
PO, MO = FOLDER / "gaucho.po", FOLDER / "gaucho.mo"
_WITHOUT = ("embedded/making", "packed")
_SAYING = ("ValueError", "Mistake", "Finding", "unknown", "error_at", "Damage")
"""Calls whose texts a person meets."""


def sentences() -> list[str]:
    """Every sentence, once, in the order of the modules."""
    found = dict.fromkeys(WORDS)
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.relative_to(PACKAGE).as_posix().startswith(_WITHOUT):
            found |= dict.fromkeys(_sentences_of(ast.parse(path.read_text(encoding="utf-8"))))
    return list(found)


def _sentences_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "_" and node.args:
                yield from filter(None, [_text(node.args[0], is_filled_in=bool(node.keywords))])
            elif node.func.id in _SAYING:
                yield from filter(None, (_text(each) for each in (*node.args, *(keyword.value for keyword in node.keywords))))
        if isinstance(node, ast.FunctionDef) and any(
            "command" in ast.unparse(each) or "group" in ast.unparse(each) for each in node.decorator_list
        ):
            yield from (" ".join(part.split()) for part in (ast.get_docstring(node) or "").split("\n\n") if part)
            options = [each for each in node.decorator_list if isinstance(each, ast.Call)]
            helps = [keyword.value for each in options for keyword in each.keywords if keyword.arg == "help"]
            yield from filter(None, map(_text, helps))


def _text(node: ast.expr, is_filled_in: bool = False) -> str | None:
    """A sentence as a catalogue has it: what is filled in has its name in braces, in an f-string its number; others are double."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value if is_filled_in else _without_fields(node.value)
    elif isinstance(node, ast.JoinedStr):
        parts, count = [], 0
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(_without_fields(str(part.value)))
            else:
                parts.append(f"{{_{count}}}")
                count += 1
        text = "".join(parts)
    else:
        return None
    return text if sum(sign.isalpha() for sign in text) > 2 and " " in text.strip() else None


def _without_fields(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = catalogue()
    with PO.open("wb") as file:
        write_po(file, made, width=140)
    with MO.open("wb") as file:
        write_mo(file, made)
    missing = sum(not message.string for message in made if message.id)
    print(f"{len(made)} sentences, {missing} without a translation")


def catalogue() -> Catalog:
    """All sentences, with what is known of them in Portuguese."""
    known = read_po(PO.read_text(encoding="utf-8").splitlines(), locale="pt") if PO.exists() else Catalog(locale="pt")
    moment = datetime(2026, 12, 1, tzinfo=UTC)  # the same sentences make the same file
    made = Catalog("pt", project="gaucho_pipeline", version="0", creation_date=moment, revision_date=moment, fuzzy=False)
    for sentence in sentences():
        message = known.get(sentence)
        made.add(sentence, str(message.string) if message and message.string else "")
    return made


if __name__ == "__main__":
    main()
