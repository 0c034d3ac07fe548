"""Sabotages drawn at random from all modules, for `make mutants RANDOM=40 SEED=7`: what `mutants.json` lists are chosen ones.

Each is one change of one expression: a comparison, a number, a boolean, `and` for `or`, a sign, a keyword or a call that is dropped. It is
held against the tests of its own module: the file that bears its name, and those that import it. Some change nothing that anybody could
notice, such as a limit that is never reached; which these are is for whoever reads the list.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, TESTS = ROOT / "gaucho_pipeline", ROOT / "gaucho_pipeline_tests"
_WITHOUT = ("embedded/making", "embedded/things", "embedded/world")
"""What made the small model that ships, and the drawings that it was made of: a pixel of them is nobody's promise."""
_FOR_PEOPLE = ("description", "help", "metavar", "json_schema_extra")
"""Keywords that say something to people and change nothing."""
_LEAST_LIMIT = 100
"""A constant of a module from here on is a limit that one more or less of goes unseen."""
_SWAPPED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: what stands in the file at a place, and what is put there."""

    file: Path
    line: int
    start: int
    """Where it begins, in bytes of the file."""
    old: str
    new: str

    def text(self) -> str:
        """The file's text with the change."""
        content = self.file.read_bytes()
        return (content[: self.start] + self.new.encode() + content[self.start + len(self.old.encode()) :]).decode()

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {' '.join(self.old.split())[:80]} → {' '.join(self.new.split())[:80]}"


def draw_mutants(count: int, seed: int) -> list[Mutant]:
    """So many of all that there are, each of another place."""
    every = [mutant for path in modules() for mutant in mutants_of(path)]
    return random.Random(seed).sample(every, count)


def modules() -> list[Path]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [path for path in paths if not path.relative_to(PACKAGE).as_posix().startswith(_WITHOUT)]


def tests_of(path: Path) -> list[str]:
    """The tests of a module: the file that bears its name, and every one that imports it; those of its folder if there is none."""
    relative = path.relative_to(PACKAGE)
    name = ".".join(("gaucho_pipeline", *relative.with_suffix("").parts)).removesuffix(".__init__")
    files = sorted(TESTS.rglob("test_*.py"))
    named = [file for file in files if file.stem == f"test_{relative.stem}" and file.parent.name in (relative.parent.name, TESTS.name)]
    importing = [file for file in files if file not in named and _imports(file, name)]
    folder = [file for file in files if file.parent == TESTS / relative.parent]
    return [file.relative_to(ROOT).as_posix() for file in (named + importing or folder or files)]


def _imports(test: Path, module: str) -> bool:
    text = test.read_text(encoding="utf-8")
    package, _, last = module.rpartition(".")
    return any(f"{start} {module} " in text for start in ("from", "import")) or f"from {package} import {last}\n" in text


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every change of a module that is one of these kinds."""
    source = path.read_text(encoding="utf-8")
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    left_alone = {id(each) for node in ast.walk(tree) for part in _left_alone(node) for each in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in left_alone or not isinstance(node, (ast.expr, ast.Expr)):
            continue
        old = ast.get_source_segment(source, node)
        for new in _changes(node):
            text = ast.unparse(ast.fix_missing_locations(new)) if isinstance(new, ast.AST) else new
            if old and old != text:
                yield Mutant(
                    path, node.lineno, starts[node.lineno - 1] + node.col_offset, old, f"({text})" if isinstance(node, ast.expr) else text
                )


def _left_alone(node: ast.AST) -> Iterator[ast.AST]:
    """What no run can notice: types, and what is there for type checkers."""
    if isinstance(node, ast.arg) and node.annotation:
        yield node.annotation
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns:
        yield node.returns
    elif isinstance(node, ast.AnnAssign):
        yield node.annotation
    elif isinstance(node, ast.If) and ("TYPE_CHECKING" in ast.dump(node.test) or "__name__" in ast.dump(node.test)):
        yield node
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, (int, float)):
        if node.value.value >= _LEAST_LIMIT and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            yield node.value
    elif isinstance(node, ast.ClassDef):
        yield from node.decorator_list  # whether a dataclass is frozen
    elif isinstance(node, ast.JoinedStr):
        yield from (each for each in ast.walk(node) if each is not node)  # a part of a text has no place of its own


def _changes(node: ast.AST) -> Iterator[ast.AST | str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _SWAPPED:
        yield ast.Compare(node.left, [_SWAPPED[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(_SWAPPED[type(node.op)](), node.values)
    elif isinstance(node, ast.BinOp) and type(node.op) in _SWAPPED and not isinstance(node.left, (ast.Constant, ast.JoinedStr)):
        yield ast.BinOp(node.left, _SWAPPED[type(node.op)](), node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        yield ast.Constant(
            not node.value if isinstance(node.value, bool) else node.value + 1 if isinstance(node.value, int) else node.value * 2
        )
    elif isinstance(node, ast.Call):
        for number, keyword in enumerate(node.keywords):
            if keyword.arg and keyword.arg not in _FOR_PEOPLE:
                yield ast.Call(node.func, node.args, [*node.keywords[:number], *node.keywords[number + 1 :]])
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "pass"
