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
from babel.messages.pofile import read_po

from gaucho_pipeline import cli
from gaucho_pipeline.commands.init import write_start
from gaucho_pipeline.concepts.concept import Concept
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.curation.overrides import read_overrides
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.catalogue import PO
from gaucho_pipeline_tests.conftest import draw_folder

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TRANSLATED = tuple(sorted(path.stem for path in (ROOT / "docs" / "pt").glob("*.md")))
NOT_OURS = {"cd", "export", "tar", "$EDITOR"}
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
    if "site" in value:
        value |= {"concepts": {"cuia": {"token": "cui", "class_noun": "cup", "crawl": {"sources": [{"openverse": {"query": "x"}}]}}}}
    elif "concepts" not in value:
        part = value.get("defaults", value)
        assert set(part) <= set(Concept.model_fields), f"{page}: neither a whole file nor parts of one"
        concept: dict[str, Any] = {"token": "chmrr", "class_noun": "drink", "crawl": {"sources": [{"openverse": {"query": "x"}}]}}
        value = {"concepts": {"chimarrao": concept | part}}
    (tmp_path / "concepts.yaml").write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    assert load_concepts(tmp_path / "concepts.yaml").concepts


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_are_what_the_program_takes(page: Path, line: str) -> None:
    words = shlex.split(line, comments=True)
    program = words[0].removeprefix("../").removeprefix(".venv/bin/")
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
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        assert target.startswith("https://") or found.exists(), target
        assert target.startswith("https://") or not anchor or anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, as GitHub does it."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


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


def first_concept(page: str) -> tuple[str, str]:
    """The YAML and the commands of the section on one's own concept."""
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text[text.index("`.venv/bin/gaucho init cuia`") :]
    (_, concepts), (_, shell) = BLOCK.findall(section)[:2]
    return concepts, shell


@pytest.mark.parametrize("page", ["README.md", "README.pt.md"])
def test_the_first_concept_is_what_init_writes_filled_in(page: str, tmp_path: Path) -> None:
    """The same file in the same folder, the same slug, the same place for photographs, the same model; nothing beside what one fills in."""
    write_start(tmp_path / "cuia", "embedded")
    (tmp_path / "cuia.yaml").write_text(first_concept(page)[0], encoding="utf-8")
    written, told = (load_concepts(path).concepts for path in (tmp_path / "cuia" / "concepts.yaml", tmp_path / "cuia.yaml"))
    assert list(written) == list(told) == ["cuia"]
    assert (written["cuia"].training, written["cuia"].curation) == (told["cuia"].training, told["cuia"].curation)
    assert written["cuia"].token == told["cuia"].token
    folders = [yaml.safe_load(path.read_text(encoding="utf-8"))["concepts"]["cuia"]["crawl"]["sources"][0]["folder"]["path"]
               for path in (tmp_path / "cuia" / "concepts.yaml", tmp_path / "cuia.yaml")]  # fmt: skip
    assert folders == ["photos", "photos"]
    assert first_concept(page)[1].startswith("cd cuia\n../.venv/bin/gaucho doctor\n")


@pytest.mark.parametrize("page", ["README.md", "README.pt.md"])
def test_the_first_concept_sets_nothing_that_is_recommended(page: str, tmp_path: Path) -> None:
    """Whoever copies it gets what the model that ships was tuned to."""
    (tmp_path / "cuia.yaml").write_text(first_concept(page)[0], encoding="utf-8")
    concept = load_concepts(tmp_path / "cuia.yaml").concepts["cuia"]
    set_there = {"training": concept.training.model_fields_set, "gallery": concept.gallery.model_fields_set}
    assert not set_there["training"] & Embedded.recommended.training.keys()
    assert not set_there["gallery"] & Embedded.recommended.gallery.keys()
    assert set_there["training"] <= {"base_model"}


def test_the_first_concept_runs_as_it_is_written(tmp_path: Path) -> None:
    """From README.md alone, in a shell without the virtual environment active; only the steps are fewer, so that it takes seconds."""
    concepts, shell = first_concept("README.md")
    assert "{base_model: embedded}" in concepts
    quick = concepts.replace("{base_model: embedded}", "{base_model: embedded, max_steps: 4, validation_noises: 2}")
    quick += "    gallery: {seeds: [1], num_inference_steps: 4}\n"
    write_start(tmp_path / "cuia", "embedded")
    (tmp_path / "cuia" / "concepts.yaml").write_text(quick, encoding="utf-8")
    draw_folder(tmp_path / "cuia" / "photos", "chimarrao", 6)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-e", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    cuia = tmp_path / "cuia"
    assert (cuia / "cuia.png").is_file()
    assert [state.state for state in Project(cuia / "concepts.yaml", cuia / "data").states("cuia").values()] == ["fresh"] * 5
    assert "cuia  (Cuia)" in done.stdout


SISTERS = sorted((ROOT / "docs" / "pt").glob("*.md"))


def shape(page: Path) -> list[str]:
    """The levels of a page's headings, its code blocks and the columns of its tables, in order."""
    found, is_code = list[str](), False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            is_code = not is_code
            found += [line] if is_code else []
        elif not is_code and (line.startswith("#") or re.fullmatch(r"[| -]+", line)):
            found.append(line.split(" ")[0] if line.startswith("#") else f"table of {line.count('---')}")
    return [each for each in found if each]


@pytest.mark.parametrize("page", SISTERS, ids=lambda page: page.name)
def test_the_portuguese_page_has_the_parts_of_its_sister(page: Path) -> None:
    assert shape(page) == shape(ROOT / "docs" / page.name)


@pytest.mark.parametrize("page", ["troubleshooting.md", "pt/troubleshooting.md"])
def test_what_goes_wrong_is_said_in_the_words_of_the_program(page: str) -> None:
    """A message of the page's tables, between what is filled in, stands in the catalogue in the page's language."""
    with PO.open("rb") as file:
        sentences = [str(each.string if page.startswith("pt/") else each.id) for each in read_po(file)]
    rows = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    parts = [part.strip(" ,") for message in messages for part in re.split(r"…|; |: |\d+", message)]
    said = [part for part in parts if " " in part and "_" not in part]
    assert len(said) > 20
    assert [part for part in said if not any(part in sentence for sentence in sentences)] == []


def test_every_variable_that_the_program_reads_is_in_the_table() -> None:
    names = {name for path in (ROOT / "gaucho_pipeline").rglob("*.py") for name in re.findall(r'"(GAUCHO_[A-Z0-9_]+)"', path.read_text())}
    internal = {
        "GAUCHO_PARENT",
        "GAUCHO_STAGE_SERVER",
        "GAUCHO_SIDE_BY_SIDE",
        "GAUCHO_QUIET",
        "GAUCHO_LOG_JSON",
        "GAUCHO_HOSTS",
        "GAUCHO_MODEL",
    }
    for page in ("environment.md", "pt/environment.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert sorted(name for name in names - internal if f"`{name}`" not in text) == []
        assert sorted(name for name in re.findall(r"`(GAUCHO_[A-Z0-9_]+)`", text) if name not in names) == []
