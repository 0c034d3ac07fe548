"""The command line as a whole: what everybody tries first, how a run ends, completion, and the exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gaucho_pipeline.cli import main
from gaucho_pipeline.commands import demo
from gaucho_pipeline.commands import run as run_module
from gaucho_pipeline.commands.run import RunRequest
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import invoke
from gaucho_pipeline_tests.standing import edit, one_concept, stand_all, two_concepts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return one_concept(tmp_path)


@pytest.mark.parametrize("arguments", [("--version",), ("-h",), ("run", "-h")])
def test_what_everybody_tries_first_is_answered(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, "Usage" in done.output or "gaucho, version" in done.output) == (0, True)


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
    assert invoke(project, "run", "--refresh-lock", "--select", "raw_crawl").exit_code == 2
    assert invoke(project, "show", "nothing").exit_code == 2
    assert invoke(project, "run", "cuia").exit_code == 2
