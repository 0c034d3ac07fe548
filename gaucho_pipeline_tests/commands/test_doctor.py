"""`gaucho doctor`: what would fail is said before anything is run, and nothing is created."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gaucho_pipeline.commands.doctor import examine
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import invoke
from gaucho_pipeline_tests.standing import one_concept


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return one_concept(tmp_path)


def test_the_doctor_tells_what_would_fail(project: Project, tmp_path: Path) -> None:
    assert not any(finding.fatal for finding in examine(project))
    (tmp_path / "file").write_text("x")
    broken = Project(project.concepts_file, tmp_path / "file")
    assert [finding.what for finding in examine(broken) if finding.fatal] == ["data"]
    assert invoke(broken, "doctor").exit_code == 1
    project.concepts_file.write_text("concepts: [")
    wrong = Project(project.concepts_file, project.store.root)
    assert [finding.what for finding in examine(wrong) if finding.fatal] == ["concepts"]


def test_the_doctor_tells_how_many_gigabytes_are_free_and_that_the_packages_are_there(project: Project) -> None:
    found = {finding.what: finding for finding in examine(project)}
    (free,) = re.findall(r", (\d+) GB free", found["data"].text)
    assert 0 <= int(free) - shutil.disk_usage(project.concepts_file.parent).free // 10**9 <= 1
    assert found["packages"].well
    assert found["python"].well


def test_the_doctor_tells_that_there_are_too_few_photographs_and_creates_nothing(tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 3), "mtl", "tree") | {
        "training": {"base_model": "a/b", "revision": "c" * 40}
    }
    few = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    found = [finding for finding in examine(few) if finding.fatal]
    assert [finding.what for finding in found] == ["photographs"]
    assert "araucaria: 3 stand in its folder, and at least 4 must be left; add some" in found[0].text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "concepts.yaml"]


def test_the_doctor_proposes_look_alikes_among_concepts_of_one_noun(project: Project) -> None:
    content = yaml.safe_load(project.concepts_file.read_text(encoding="utf-8"))
    content["concepts"]["pinheiro"] = content["concepts"]["araucaria"] | {"token": "dnc", "class_noun": "plant"}

    def found() -> str:
        project.concepts_file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return invoke(project, "doctor").output

    assert "look-alikes" not in found()
    content["concepts"]["pinheiro"]["class_noun"] = "tree"
    text = found()
    assert "araucaria: pinheiro might be taken for it; write evaluation: {look_alikes: {concepts: [pinheiro]}}" in text
    (line,) = re.findall("araucaria: pinheiro might be taken for it; write (.*)", text)
    content["concepts"]["araucaria"] |= yaml.safe_load(line)  # as it is
    assert "araucaria: pinheiro" not in found()


def test_the_doctor_tells_of_a_base_model_that_is_not_there(project: Project, tmp_path: Path) -> None:
    text = project.concepts_file.read_text().replace("validation_steps: 2", "validation_steps: 2\n    base_model: ./nowhere")
    project.concepts_file.write_text(text)
    found = [finding for finding in examine(Project(project.concepts_file, project.store.root)) if finding.fatal]
    assert [(finding.what, "holds no model" in finding.text) for finding in found] == [("a run", True)]
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "model_index.json").write_text('{"_class_name": "KandinskyPipeline"}')
    found = [finding for finding in examine(Project(project.concepts_file, project.store.root)) if finding.fatal]
    assert "is a KandinskyPipeline; what can be taught: StableDiffusionPipeline" in found[0].text


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"class_noun": "cachorro"}, "class_noun 'cachorro' is Portuguese, and models read English: write dog"),
        ({"class_noun": "chapéu"}, "write hat"),
        ({"token": "ovelheiro"}, "token 'ovelheiro' is a word"),
        ({"token": "cão"}, "token 'cão' is a word"),
        ({"token": "cuia"}, "token 'cuia' is a word"),
        ({"token": "Ovelheiro", "name": {"pt": "Ovelheiro"}}, "is a word"),
    ],
)
def test_words_that_a_model_does_not_know_or_knows_already_are_told(keys: dict[str, Any], said: str, tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 4), "dnc", "dog") | keys
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"ovelheiro": concept}), tmp_path / "data")
    assert said in "\n".join(finding.text for finding in examine(project) if finding.what == "words")


@pytest.mark.parametrize("noun", ["dog", "animal", "tree", "drink"])
def test_english_nouns_and_made_up_words_are_passed(noun: str, tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 4), "dnc", noun)
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"ovelheiro": concept}), tmp_path / "data")
    assert [finding for finding in examine(project) if finding.what == "words"] == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("https://drive.google.com/x", "https://drive.google.com/x is a web address"),
        ("C:\\Fotos\\cuia", "is a path of Windows"),
        ("D:/fotos", "is a path of Windows"),
    ],
)
def test_a_folder_that_is_an_address_or_of_another_computer_is_told(path: str, said: str, tmp_path: Path) -> None:
    concept = folder_concept(tmp_path, "dnc", "dog")
    concept["crawl"]["sources"][0]["folder"]["path"] = path
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"ovelheiro": concept}), tmp_path / "data")
    assert said in "\n".join(finding.text for finding in examine(project))
