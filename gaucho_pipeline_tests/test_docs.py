"""README and docs: their YAML is what the program reads, their commands are what it takes, and the first concept runs as it is written."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from gaucho_pipeline import cli
from gaucho_pipeline.assets.table import PARTS
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.curation.overrides import read_overrides
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TRANSLATED = ("own-photos", "rights", "curating", "figures")
NOT_OURS = {"export", "tar", "$EDITOR"}
"""Commands of the shell's."""


def blocks(kind: str) -> list[Any]:
    found = [(page, text) for page in PAGES for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language == kind]
    names = [f"{page.relative_to(ROOT)}-{number}" for number, (page, _) in enumerate(found)]
    return [pytest.param(page, text, id=name) for name, (page, text) in zip(names, found, strict=True)]


def commands() -> list[Any]:
    found = []
    for parameter in blocks("sh"):
        page, text = parameter.values
        found += [pytest.param(page, line, id=f"{page.name}: {line[:60]}") for line in text.splitlines() if line.strip()]
    return found


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_yaml_is_what_the_program_reads(page: Path, text: str, tmp_path: Path) -> None:
    value = yaml.safe_load(text)
    if "concepts" not in value:
        part = value.get("defaults", value)
        assert set(part) <= set(PARTS), f"{page}: neither a whole file nor parts of one"
        concept: dict[str, Any] = {"token": "chmrr", "class_noun": "drink", "crawl": {"sources": [{"openverse": {"query": "x"}}]}}
        value = {"concepts": {"chimarrao": concept | part}}
    (tmp_path / "concepts.yaml").write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    assert load_concepts(tmp_path / "concepts.yaml").concepts


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_are_what_the_program_takes(page: Path, line: str) -> None:
    words = shlex.split(line, comments=True)
    program = words[0].removeprefix(".venv/bin/")
    if program == "gaucho":
        check_arguments(cli.main, "gaucho", words[1:])
    elif program == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()
    elif program == "python":
        assert words[1] == "-m"
        assert (ROOT / words[2].replace(".", "/")).exists() or (ROOT / f"{words[2].replace('.', '/')}.py").exists()
    elif program == "dagster":
        done = subprocess.run([ROOT / ".venv/bin/dagster", words[1], "--help"], capture_output=True, text=True)
        assert done.returncode == 0 or shutil.which("dagster") is None
    else:
        assert program in NOT_OURS, f"{page}: {line}"


def check_arguments(command: click.Command, name: str, words: list[str], parent: click.Context | None = None) -> None:
    """Parses a command line as the program would, and runs nothing."""
    context = command.make_context(name, list(words), parent=parent, resilient_parsing=False)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        subcommand = command.get_command(context, rest[0])
        assert subcommand, f"there is no command {rest[0]}"
        check_arguments(subcommand, rest[0], rest[1:], context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_first_page_is_for_ten_minutes() -> None:
    for name in ("README.md", "README.pt.md"):
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("name", TRANSLATED)
def test_the_portuguese_pages_hold_the_same_commands_and_keys(name: str) -> None:
    english, portuguese = (BLOCK.findall((ROOT / "docs" / place / f"{name}.md").read_text(encoding="utf-8")) for place in (".", "pt"))

    def bare(found: list[tuple[str, str]]) -> list[Any]:
        return [yaml.safe_load(text) if kind == "yaml" else shlex.split(text, comments=True) for kind, text in found]

    assert bare(english) == bare(portuguese)


def test_tables_of_the_pages_are_read(tmp_path: Path) -> None:
    for page in (ROOT / "docs" / "curating.md", ROOT / "docs" / "pt" / "curating.md"):
        (table,) = (text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == "csv")
        (tmp_path / "overrides.csv").write_text(table, encoding="utf-8")
        assert [override.decision for override in read_overrides(tmp_path / "overrides.csv")] == ["drop", "keep"]


def test_the_first_concept_runs_as_it_is_written(tmp_path: Path) -> None:
    """From README.md alone, in a shell without the virtual environment active; only the epochs are fewer, so that it takes seconds."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## One concept of your own") : text.index("## The web UI")]
    (_, concepts), (_, shell) = BLOCK.findall(section)
    assert "epochs: 60" in concepts
    quick = concepts.replace("epochs: 60", "max_steps: 4, validation_noises: 2").replace("seeds: [1, 2, 3]", "seeds: [1]")
    (tmp_path / "cuia.yaml").write_text(quick, encoding="utf-8")
    draw_folder(tmp_path / "photos" / "cuia", "chimarrao", 6)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-e", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "cuia.png").is_file()
    assert [state.state for state in Project(tmp_path / "cuia.yaml", tmp_path / "data").states("cuia").values()] == ["fresh"] * 5
    assert "cuia  (Cuia)" in done.stdout
