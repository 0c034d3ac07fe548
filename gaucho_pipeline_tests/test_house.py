"""The order of the rooms: what people write and registries lie below, machinery above, and no import runs back up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gaucho_pipeline"
STAGES = (
    "crawl", "curation", "training", "gallery", "evaluation", "sequence", "judging", "pages",
)  # fmt: skip
FLOORS = (
    ("errors", "spec"),
    ("rights", "design", "processes", "embedded", "packed"),
    ("files",),
    ("language", "images", "demo"),
    ("filters", "scorers", "prompts"),
    ("families", "assets", "sources"),
    ("methods",),
    ("concepts",),
    ("store",),
    ("stage", "provenance"),
    ("models",),
    STAGES,
    ("project",),
    ("publishing", "upkeep"),
    ("orchestration",),
    ("definitions", "ui"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""From the ground up. A room imports rooms of lower floors only; of the rooms of its own floor it knows none."""
MAX_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 450, 40, 7


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Every module of this package that a file imports, wherever in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "gaucho_pipeline" else [node.module]
            yield from ((name, node.lineno) for name in names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_every_folder_and_module_at_the_top_has_its_floor() -> None:
    rooms = [room for floor in FLOORS for room in floor]
    assert sorted(rooms) == sorted({room_of(path) for path in MODULES})


def test_no_import_runs_back_up_or_across() -> None:
    floor_of = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    wrong = []
    for path in MODULES:
        for name, line in imports_of(path):
            package, _, rest = name.partition(".")
            room = rest.partition(".")[0]
            if package == "gaucho_pipeline" and room in floor_of and room != room_of(path) and floor_of[room] >= floor_of[room_of(path)]:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    assert wrong == []


def test_no_two_modules_import_each_other_on_any_way() -> None:
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}
    above = {name: {other for other, _ in imports_of(path) if other in names and other != name} for name, path in names.items()}
    while leaves := {name for name, others in above.items() if not others & above.keys()}:
        above = {name: others for name, others in above.items() if name not in leaves}
    assert sorted(above) == []


@pytest.mark.parametrize("room", [*STAGES, "stage", "methods", "models", "store", "project", "upkeep", "publishing"])
def test_whoever_is_below_orchestration_does_not_know_dagster(room: str) -> None:
    imported = [(path.name, name) for path in (PACKAGE / room).rglob("*.py") for name, _ in imports_of(path)]
    assert [(file, name) for file, name in imported if name.partition(".")[0] == "dagster"] == []


def test_every_folder_says_what_belongs_there() -> None:
    for init in PACKAGE.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
        assert len(text) > 60, init


def test_no_module_is_too_long_to_read() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_function_is_too_long_to_read_or_has_too_many_parameters() -> None:
    long, wide = {}, {}
    for path in (path for path in MODULES if "making" not in path.parts):  # what made the small model is a script for each part
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                lines, own = (node.end_lineno or 0) - first.lineno + 1, [*node.args.args, *node.args.kwonlyargs]
                name = f"{path.relative_to(PACKAGE)}:{node.name}"
                long |= {name: lines} if lines > MAX_FUNCTION_LINES else {}
                wide |= {name: len(own)} if len([each for each in own if each.arg not in ("self", "cls")]) > MAX_PARAMETERS else {}
    assert (long, wide) == ({}, {})


def test_what_is_not_public_in_dagster_is_imported_in_one_module() -> None:
    asking = [path.name for path in MODULES if re.search(r"^\s*(?:from|import) dagster\._", path.read_text(encoding="utf-8"), re.MULTILINE)]
    assert asking == ["dagster_internals.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_that_is_named_elsewhere_exists(path: Path) -> None:
    named = re.findall(r"`([a-z_/]+\.py)`", path.read_text(encoding="utf-8"))
    assert [name for name in named if not ((path.parent / name).exists() or (PACKAGE / name).exists())] == []
