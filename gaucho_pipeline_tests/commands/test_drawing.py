"""`gaucho generate`: what is passed on to what draws, what is printed, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gaucho_pipeline.commands import drawing
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.gallery import single
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept
from gaucho_pipeline_tests.programs import invoke
from gaucho_pipeline_tests.standing import edit, one_concept, stand_all


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return one_concept(tmp_path)


def test_generate_fills_in_the_words_and_writes_where_it_is_reported(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_all(project)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: asked.append(arguments))
    out = tmp_path / "x.png"
    done = invoke(project, "generate", "araucaria", "a photo of {token} {class_noun} at dawn", "--seed", "5", "--out", str(out))
    assert (done.exit_code, done.output) == (0, f"{out}\n")
    ((checkpoints, samples, spec, paths, imagined, consent),) = asked
    assert consent == ""
    assert [(slug, made.manifest.asset, strength) for slug, (made, strength) in checkpoints.items()] == [("araucaria", "checkpoint", 1.0)]
    assert [(sample.prompt, sample.seed) for sample in samples] == [("a photo of mtl tree at dawn", 5)]
    assert (paths, imagined, spec) == ([out], False, project.on_its_base_model("araucaria").gallery)


def test_generate_writes_over_nothing_and_only_what_it_can_write(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_all(project)
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: [path.write_text("x") for path in arguments[3]])
    for name in ("x.png", "x-2.png", "x-3.png"):
        done = invoke(project, "generate", "araucaria", "a photo of {token} {class_noun}", "--out", str(tmp_path / "x.png"))
        assert done.stdout == f"{tmp_path / name}\n"
    refused = invoke(project, "generate", "araucaria", "a photo of {token} {class_noun}", "--out", str(tmp_path / "x.jpg"))
    assert (refused.exit_code, "must end in .png" in refused.stderr) == (2, True)


def test_generate_uses_the_words_that_were_learned_and_says_that_others_are_asked_for_now(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_all(project)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: asked.append(arguments))
    project.concepts_file.write_text(project.concepts_file.read_text().replace("token: mtl", "token: other"))
    changed = Project(project.concepts_file, project.store.root)
    done = invoke(changed, "generate", "araucaria", "a photo of {token} {class_noun}", "--out", str(tmp_path / "x.png"))
    assert [sample.prompt for sample in asked[0][1]] == ["a photo of mtl tree"]
    assert "note: the checkpoint of araucaria is stale (token changed); to renew it: gaucho run araucaria" in done.stderr


def test_generate_takes_number_size_strength_and_further_concepts(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    value = yaml.safe_load(project.concepts_file.read_text())
    value["concepts"]["cuia"] = folder_concept(draw_folder(tmp_path / "c", "chimarrao", 2), "dnc", "cup")
    project.concepts_file.write_text(yaml.safe_dump(value, allow_unicode=True))
    both = Project(project.concepts_file, project.store.root)
    stand_all(both)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: asked.append(arguments))
    options = ["--number", "3", "--size", "32", "--strength", "0.5", "--with", "cuia:0.25", "--seed", "2147483647", "--out", str(tmp_path)]
    done = invoke(both, "generate", "araucaria", "{cuia} beside {araucaria}", *options)
    assert done.exit_code == 0, done.output
    ((checkpoints, samples, spec, paths, _, _),) = asked
    assert {slug: strength for slug, (_, strength) in checkpoints.items()} == {"araucaria": 0.5, "cuia": 0.25}
    assert [(sample.prompt, sample.seed) for sample in samples] == [("dnc cup beside mtl tree", seed) for seed in (2**31 - 1, 0, 1)]
    assert spec.size == 32
    assert paths == [tmp_path / f"araucaria-{seed}.png" for seed in (2**31 - 1, 0, 1)]
    assert invoke(both, "generate", "araucaria", "x", "--with", "cuia:much").exit_code == 2
    assert invoke(both, "generate", "araucaria", "x", "--with", "nobody").exit_code == 2


@pytest.mark.parametrize("prompt", ["{tokn}", "{token", "}", "{token:>9999999999}", "{token!r}", "{}"])
def test_a_prompt_with_another_placeholder_is_refused(prompt: str, project: Project) -> None:
    stand_all(project)
    done = invoke(project, "generate", "araucaria", prompt)
    assert done.exit_code == 2
    assert "has a placeholder other than {token}, {class_noun} and the concepts that are named" in done.stderr


@pytest.mark.parametrize(
    ("seeds", "out", "names"),
    [
        ([7], None, ["araucaria-7.png"]),
        ([7, 8], None, ["araucaria-7.png", "araucaria-8.png"]),
        ([7], "x.png", ["x.png"]),
        ([7], "x.PNG", ["x.PNG"]),
        ([7], "new", ["new/araucaria-7.png"]),
        ([7], "there", ["there/araucaria-7.png"]),
        ([7], "there.v2", ["there.v2/araucaria-7.png"]),
        ([7, 8], "new/deep", ["new/deep/araucaria-7.png", "new/deep/araucaria-8.png"]),
    ],
)
def test_one_picture_goes_into_a_file_or_a_folder_and_several_into_a_folder(
    seeds: list[int], out: str | None, names: list[str], tmp_path: Path
) -> None:
    for folder in ("there", "there.v2"):
        (tmp_path / folder).mkdir()
    found = drawing._paths("araucaria", seeds, Path(out) if out else None)
    assert [path.as_posix() for path in found] == names
    assert found[0].parent.is_dir()


@pytest.mark.parametrize(("seeds", "out"), [([7], "x.jpg"), ([7, 8], "x.png"), ([7], ".png"), ([7, 8], ".hidden")])
def test_a_name_that_does_not_go_with_the_number_of_pictures_is_refused(seeds: list[int], out: str) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.png"):
        drawing._paths("araucaria", seeds, Path(out))


def test_words_that_the_glossary_does_not_hold_are_reported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(project, "araucaria", "gallery", language="pt")
    stand_all(project)
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: None)
    done = invoke(project, "generate", "araucaria", "uma foto de {token} {class_noun} na querência")
    assert "the glossary does not hold querência" in done.output
    known = invoke(project, "generate", "araucaria", "uma foto de {token} {class_noun}")
    assert "glossary" not in known.output
