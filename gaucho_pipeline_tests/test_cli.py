"""The command line: what is passed on, what is printed, and the exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from gaucho_pipeline import cli
from gaucho_pipeline.cli import main
from gaucho_pipeline.commands import demo
from gaucho_pipeline.commands import run as run_module
from gaucho_pipeline.commands.doctor import examine
from gaucho_pipeline.commands.run import RunRequest
from gaucho_pipeline.gallery import single
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.standing import edit, stand_all, two_concepts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 4), "mtl", "tree")
    return Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")


def gaucho(project: Project, *arguments: str) -> Result:
    """`gaucho …` in this process."""
    named = ["--concepts", str(project.concepts_file), "--data", str(project.store.root)]
    return CliRunner().invoke(cli.main, [*named, *arguments])


def test_status_is_for_people_and_for_programs(project: Project) -> None:
    stand_all(project)
    said = gaucho(project, "status")
    assert said.exit_code == 0
    assert "araucaria  (Conceito de mtl)" in said.output
    assert said.output.count("fresh") == 6
    value = json.loads(gaucho(project, "status", "--json").output)
    assert value["concepts"]["araucaria"]["checkpoint"] == {"state": "fresh", "reasons": []}
    assert value["gallery_site"] == {"state": "fresh", "reasons": []}


def test_show_gives_metrics_to_people_and_the_manifest_to_programs(project: Project) -> None:
    stand_all(project)
    assert (
        'validation_loss        {"base": 0.5, "tuned": 0.4, "interval": [-0.12, -0.08]}'
        in gaucho(project, "show", "checkpoint", "araucaria").output
    )
    value = json.loads(gaucho(project, "show", "gallery_site", "--json").output)
    assert value["manifest"]["metrics"] == {"concepts": 1}
    assert Path(value["folder"]).is_dir()


def test_what_was_never_made_is_reported_with_the_command_that_makes_it(project: Project) -> None:
    done = gaucho(project, "show", "checkpoint", "araucaria")
    assert (done.exit_code, done.stderr) == (
        1, "error: checkpoint of araucaria was never made; run: gaucho run araucaria --select checkpoint\n",
    )  # fmt: skip
    assert gaucho(project, "generate", "araucaria", "x").exit_code == 1
    assert gaucho(project, "show", "checkpoint", "cuia").exit_code == 2


def test_generate_fills_in_the_words_and_writes_where_it_is_reported(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_all(project)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: asked.append(arguments))
    out = tmp_path / "x.png"
    done = gaucho(project, "generate", "araucaria", "a photo of {token} {class_noun} at dawn", "--seed", "5", "--out", str(out))
    assert (done.exit_code, done.output) == (0, f"{out}\n")
    ((checkpoints, samples, spec, paths, imagined),) = asked
    assert [(slug, made.manifest.asset, strength) for slug, (made, strength) in checkpoints.items()] == [("araucaria", "checkpoint", 1.0)]
    assert [(sample.prompt, sample.seed) for sample in samples] == [("a photo of mtl tree at dawn", 5)]
    assert (paths, imagined, spec) == ([out], False, project.on_its_base_model("araucaria").gallery)


def test_generate_writes_over_nothing_and_only_what_it_can_write(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_all(project)
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: [path.write_text("x") for path in arguments[3]])
    for name in ("x.png", "x-2.png", "x-3.png"):
        done = gaucho(project, "generate", "araucaria", "a photo of {token} {class_noun}", "--out", str(tmp_path / "x.png"))
        assert done.stdout == f"{tmp_path / name}\n"
    refused = gaucho(project, "generate", "araucaria", "a photo of {token} {class_noun}", "--out", str(tmp_path / "x.jpg"))
    assert (refused.exit_code, "must end in .png" in refused.stderr) == (2, True)


def test_generate_uses_the_words_that_were_learned_and_says_that_others_are_asked_for_now(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_all(project)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: asked.append(arguments))
    project.concepts_file.write_text(project.concepts_file.read_text().replace("token: mtl", "token: other"))
    changed = Project(project.concepts_file, project.store.root)
    done = gaucho(changed, "generate", "araucaria", "a photo of {token} {class_noun}", "--out", str(tmp_path / "x.png"))
    assert [sample.prompt for sample in asked[0][1]] == ["a photo of mtl tree"]
    assert "note: the checkpoint of araucaria is stale (token changed); to renew it: gaucho run araucaria" in done.stderr


@pytest.mark.parametrize("arguments", [("--version",), ("-h",), ("run", "-h")])
def test_what_everybody_tries_first_is_answered(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, "Usage" in done.output or "gaucho, version" in done.output) == (0, True)


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
    done = gaucho(both, "generate", "araucaria", "{cuia} beside {araucaria}", *options)
    assert done.exit_code == 0, done.output
    ((checkpoints, samples, spec, paths, _),) = asked
    assert {slug: strength for slug, (_, strength) in checkpoints.items()} == {"araucaria": 0.5, "cuia": 0.25}
    assert [(sample.prompt, sample.seed) for sample in samples] == [("dnc cup beside mtl tree", seed) for seed in (2**31 - 1, 0, 1)]
    assert spec.size == 32
    assert paths == [tmp_path / f"araucaria-{seed}.png" for seed in (2**31 - 1, 0, 1)]
    assert gaucho(both, "generate", "araucaria", "x", "--with", "cuia:much").exit_code == 2
    assert gaucho(both, "generate", "araucaria", "x", "--with", "nobody").exit_code == 2


@pytest.mark.parametrize("prompt", ["{tokn}", "{token", "}", "{token:>9999999999}", "{token!r}", "{}"])
def test_a_prompt_with_another_placeholder_is_refused(prompt: str, project: Project) -> None:
    stand_all(project)
    done = gaucho(project, "generate", "araucaria", prompt)
    assert done.exit_code == 2
    assert "has a placeholder other than {token}, {class_noun} and the concepts that are named" in done.stderr


def test_the_doctor_tells_what_would_fail(project: Project, tmp_path: Path) -> None:
    assert not any(finding.fatal for finding in examine(project))
    (tmp_path / "file").write_text("x")
    broken = Project(project.concepts_file, tmp_path / "file")
    assert [finding.what for finding in examine(broken) if finding.fatal] == ["data"]
    assert gaucho(broken, "doctor").exit_code == 1
    project.concepts_file.write_text("concepts: [")
    wrong = Project(project.concepts_file, project.store.root)
    assert [finding.what for finding in examine(wrong) if finding.fatal] == ["concepts"]


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
        return gaucho(project, "doctor").output

    assert "look-alikes" not in found()
    content["concepts"]["pinheiro"]["class_noun"] = "tree"
    assert "araucaria: pinheiro might be taken for it; write evaluation: look_alikes: {concepts: [pinheiro]}" in found()


def test_the_doctor_tells_of_a_base_model_that_is_not_there(project: Project, tmp_path: Path) -> None:
    text = project.concepts_file.read_text().replace("validation_steps: 2", "validation_steps: 2\n    base_model: ./nowhere")
    project.concepts_file.write_text(text)
    found = [finding for finding in examine(Project(project.concepts_file, project.store.root)) if finding.fatal]
    assert [(finding.what, "holds no model" in finding.text) for finding in found] == [("a run", True)]
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "model_index.json").write_text('{"_class_name": "KandinskyPipeline"}')
    found = [finding for finding in examine(Project(project.concepts_file, project.store.root)) if finding.fatal]
    assert "is a KandinskyPipeline; what can be taught: StableDiffusionPipeline" in found[0].text


def test_a_second_demo_leaves_what_a_person_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "run_concepts", lambda *arguments, **keys: [])
    for name in ("DAGSTER_HOME", "GAUCHO_ALLOW_PRIVATE_HOSTS"):
        monkeypatch.setenv(name, "x")
    demo.run_demo(tmp_path / "demo")
    file = tmp_path / "demo" / "concepts.yaml"
    edited = file.read_text(encoding="utf-8").replace("max_images: 40", "max_images: 41")
    file.write_text(edited, encoding="utf-8")
    demo.run_demo(tmp_path / "demo")
    assert "max_images: 41" in file.read_text(encoding="utf-8")


def test_a_shell_completes_the_concepts_of_the_file(tmp_path: Path) -> None:
    two_concepts(tmp_path)
    own = {"_GAUCHO_COMPLETE": "bash_complete", "COMP_WORDS": "gaucho show checkpoint a", "COMP_CWORD": "3"}
    done = subprocess.run([Path(sys.executable).parent / "gaucho"], capture_output=True, text=True, cwd=tmp_path, env=os.environ | own)
    assert done.stdout.split() == ["plain,araucaria"]


def test_a_run_ends_with_the_verdicts_of_what_is_up_to_date_and_with_no_older_ones(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_all(project)
    assert run_module.run_concepts(project, RunRequest((), "gallery_site")) == []
    assert "araucaria: verdict yes. The subject is there" in capsys.readouterr().out
    edit(project, "araucaria", "gallery", seeds=[9])
    failed = type("Outcome", (), {"error": "it broke", "cached": False})
    monkeypatch.setattr("gaucho_pipeline.orchestration.runner.Runner.run", lambda *arguments: failed)
    again = Project(project.concepts_file, project.store.root)
    assert run_module.run_concepts(again, RunRequest((), "gallery_site")) == ["sample_gallery of araucaria failed"]
    assert "verdict" not in capsys.readouterr().out


def test_wrong_usage_ends_with_two(project: Project) -> None:
    assert gaucho(project, "run", "--refresh-lock", "--select", "raw_crawl").exit_code == 2
    assert gaucho(project, "show", "nothing").exit_code == 2
    assert gaucho(project, "run", "cuia").exit_code == 2
