"""`gaucho init`: what it writes is what the program reads, and what it says next works."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gaucho_pipeline.cli import main
from gaucho_pipeline.commands.init import STARTS, program, write_start
from gaucho_pipeline.commands.preflight import problems
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.language.bilingual import Language
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.sources.declared import UNFILLED
from gaucho_pipeline_tests.conftest import draw_folder


@pytest.mark.parametrize("language", ["en", "pt"])
@pytest.mark.parametrize("model", STARTS)
def test_what_it_writes_is_read_and_wants_nothing_but_photographs(
    model: str, language: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAUCHO_LANG", language)
    write_start(tmp_path / "cuia", model)
    file = tmp_path / "cuia" / "concepts.yaml"
    assert list(load_concepts(file).concepts) == ["cuia"]
    for key, written in UNFILLED.items():
        (problem, *_) = problems(Project(file, tmp_path / "data"), ["cuia"], "curated_set")
        assert f"folder.{key}: still says what gaucho init wrote" in str(problem)
        assert written.read(language) in str(problem)
        file.write_text(file.read_text().replace(written.read(language), "Museu X"))
    (problem, *_) = problems(Project(file, tmp_path / "data"), ["cuia"], "curated_set")
    assert "photos holds no image; put at least six photographs there" in str(problem)
    draw_folder(tmp_path / "cuia" / "photos", "chimarrao", 6)
    assert list(problems(Project(file, tmp_path / "data"), ["cuia"], "curated_set")) == []


@pytest.mark.parametrize(
    ("folder", "slug", "name"),
    [
        ("ovelheiro", "ovelheiro", "Ovelheiro"), ("Cão Ovelheiro", "cao_ovelheiro", "Cão Ovelheiro"), ("a-b.c", "a_b_c", "A-b.c"),
        ("gato_do_mato", "gato_do_mato", "Gato do mato"), ("2024 cuias", "my_concept", "2024 cuias"), ("茶", "my_concept", "茶"),
        ('x: "y" # z', "x_y_z", 'X: "y" # z'), ("a" * 100, "a" * 64, "A" + "a" * 99),
    ],
)  # fmt: skip
def test_the_concept_is_called_as_the_folder_is(folder: str, slug: str, name: str, tmp_path: Path) -> None:
    write_start(tmp_path / folder, "embedded")
    ((key, concept),) = load_concepts(tmp_path / folder / "concepts.yaml").concepts.items()
    assert concept.name
    assert (key, concept.name.pt, concept.name.en) == (slug, name, name)


def test_in_a_folder_of_its_own_the_concept_is_called_as_that_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cuia").mkdir()
    monkeypatch.chdir(tmp_path / "cuia")
    assert CliRunner().invoke(main, ["init"]).exit_code == 0
    assert list(load_concepts(tmp_path / "cuia" / "concepts.yaml").concepts) == ["cuia"]


def test_it_says_that_the_embedded_model_knows_drawn_things_only(tmp_path: Path) -> None:
    write_start(tmp_path, "embedded")
    assert "drawn world of 64 pixels and nothing" in (tmp_path / "concepts.yaml").read_text()


@pytest.mark.parametrize("model", STARTS)
def test_what_it_says_of_prompts_is_so(model: str, tmp_path: Path) -> None:
    """A prompt of a plan is in the language that it is said to be in: no plan holds a Portuguese one."""
    write_start(tmp_path / "cuia", model)
    file = tmp_path / "cuia" / "concepts.yaml"
    prompts = load_concepts(file).concepts["cuia"].part("gallery").model_dump()["prompts"]
    assert not any(re.search(r"\b(uma?|de|na|no|com)\b|[ãõçáéíóú]", str(prompt)) for prompt in prompts)
    assert "prompts in Portuguese" not in file.read_text(encoding="utf-8")


def test_what_stands_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_start(tmp_path, "embedded")
    assert (tmp_path / "concepts.yaml").read_text() == "mine"


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["init", str(tmp_path / "a b")])
    assert done.exit_code == 0
    assert f"cd '{tmp_path / 'a b'}' && {program()} doctor" in done.output
    assert shutil.which(program())
