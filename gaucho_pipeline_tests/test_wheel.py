"""The wheel holds every file that the pages name and that a run reads, and no test."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from gaucho_pipeline.orchestration.runner import write_home_config

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
OF_THE_REPOSITORY = {"concepts.yaml", "constraints.txt", "dagster.yaml", "workspace.yaml"}
"""What a page means that names one of these is a person's own file, or a checkout's."""
BUILD = "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel that is built of a copy, as no build folder may stand in the checkout."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copyfile(ROOT / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "gaucho_pipeline", folder / "gaucho_pipeline", ignore=ignored)
    done = subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def test_every_file_of_the_package_is_in_the_wheel(files: set[str]) -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "gaucho_pipeline").rglob("*") if path.is_file()}
    assert sorted(name for name in there - files if "__pycache__" not in name) == []
    assert [name for name in files if name.startswith("gaucho_pipeline_tests")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_has_people_use_is_in_the_wheel(page: Path, files: set[str]) -> None:
    named = set(re.findall(r"`([\w.-]+\.(?:yaml|txt|toml|json|css))`", page.read_text(encoding="utf-8"))) - OF_THE_REPOSITORY
    held = {Path(name).name for name in files}
    assert sorted(name for name in named if (ROOT / name).exists() and name not in held) == []
    assert sorted(name for name in named if name.startswith("dagster.") and name not in held) == []


@pytest.mark.parametrize(
    ("variables", "has_database"),
    [
        ({}, False),
        ({"GAUCHO_RAY": "http://head:8265"}, False),
        ({"GAUCHO_DATABASE": "postgresql://x"}, True),
        ({"GAUCHO_DATABASE": "postgresql://x", "GAUCHO_RAY": "http://head:8265"}, True),
    ],
)
def test_a_history_of_several_machines_needs_no_file_to_be_copied(
    variables: dict[str, str], has_database: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GAUCHO_DATABASE", "GAUCHO_RAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for folder, expected in (("shared", has_database), ("alone", False)):
        (tmp_path / folder).mkdir()
        write_home_config(tmp_path / folder, is_alone=folder == "alone")
        value = yaml.safe_load((tmp_path / folder / "dagster.yaml").read_text(encoding="utf-8"))
        assert ("postgres" in value.get("storage", {})) is expected
        assert value["run_launcher"]["class"] == "LocalRunLauncher"
        assert value["telemetry"] == {"enabled": False}
