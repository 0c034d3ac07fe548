"""A stage's program imports nothing from the folder that one stands in: what lies beside a concepts file may be another's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts

TRAPS = ("dagster_pipes", "torch", "sitecustomize", "usercustomize", "PIL", "numpy", "json", "yaml", "scrapy")


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """A project beside which somebody has laid modules that leave a mark when they are imported."""
    write_concepts(tmp_path / "concepts.yaml", {"araucaria": folder_concept(draw_folder(tmp_path / "a", "araucaria", 4), "mtl", "tree")})
    for name in TRAPS:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write({name!r} + chr(10))\n", encoding="utf-8")
    return tmp_path


def run_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command that a person types, in that folder."""
    command = [str(Path(sys.executable).with_name("gaucho")), "--concepts", "concepts.yaml", "--data", "data", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [("run", "--select", "curated_set"), ("run", "--select", "raw_crawl", "--plan"), ("doctor",)])
def test_modules_beside_the_concepts_file_are_not_imported(arguments: tuple[str, ...], trapped: Path) -> None:
    done = run_in(trapped, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (trapped / "sprung").exists()


def test_nor_by_stages_side_by_side(trapped: Path) -> None:
    concepts = {slug: folder_concept(trapped / "a", token, "tree") for slug, token in (("araucaria", "mtl"), ("pinheiro", "dnc"))}
    write_concepts(trapped / "concepts.yaml", concepts)
    done = run_in(trapped, "run", "--select", "curated_set", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (trapped / "sprung").exists()


def test_the_trap_works_where_python_looks_there(trapped: Path) -> None:
    subprocess.run([sys.executable, "-c", "import dagster_pipes"], cwd=trapped, check=False, capture_output=True)
    assert (trapped / "sprung").exists()
