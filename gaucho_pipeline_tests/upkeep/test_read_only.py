"""A data folder that may only be read: it is checked as any other, and whatever would write says so in one line."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from gaucho_pipeline.files.locks import is_held
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.standing import two_concepts

_CAPBSET_DROP, _DAC_OVERRIDE = 24, 1  # prctl(2), capabilities(7)


def like_anybody() -> None:
    """Takes from root what lets it write everywhere; others never had it."""
    ctypes.CDLL(None).prctl(_CAPBSET_DROP, _DAC_OVERRIDE, 0, 0, 0)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = two_concepts(tmp_path)
    measures = project.store.root / ".measures" / "measures.sqlite"
    measures.parent.mkdir()
    with sqlite3.connect(measures) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE x (sha256 TEXT)")
    database.close()
    folders = [folder for folder in (project.store.root, *project.store.root.rglob("*")) if folder.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    for file in project.store.root.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    yield project
    for folder in folders:
        folder.chmod(0o755)


def gaucho(project: Project, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "gaucho_pipeline.cli", "--concepts", str(project.concepts_file), "--data", str(project.store.root)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, preexec_fn=like_anybody)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["fsck"], 0, "all is well"),
        (["status"], 0, "fresh"),
        (["run"], 0, "nothing to do"),
        (["fsck", "--repair"], 1, "the data folder cannot be written"),
        (["gc", "--dry-run"], 1, "the data folder cannot be written"),
        (["run", "--select", "gallery_site", "--force"], 1, "the data folder cannot be written"),
    ],
)
def test_what_only_reads_does_and_what_writes_says_that_it_cannot(arguments: list[str], code: int, words: str, project: Project) -> None:
    found, said = gaucho(project, *arguments)
    assert (found, words in said, "Traceback" in said) == (code, True, False), said


def test_damage_is_found_there_too(project: Project) -> None:
    made = project.store.current("checkpoint", "araucaria")
    assert made
    weights = made.folder / "weights.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(b"x")
    code, said = gaucho(project, "fsck")
    assert (code, "weights.safetensors: is gone, or not what was written" in said, "1 wrong" in said) == (1, True, True), said


def test_who_is_at_work_is_seen_by_who_may_only_read(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    look = (
        "import sys; from pathlib import Path; from gaucho_pipeline.files.locks import is_held, _is_held_by_another as other;"
        "print(is_held(Path(sys.argv[1])), other(Path(sys.argv[1])), other(Path('/nowhere')))"
    )

    def seen() -> str:
        command = [sys.executable, "-c", look, str(lock)]
        return subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=like_anybody).stdout.strip()

    assert not is_held(lock)
    with FileLock(lock):
        lock.chmod(0o444)
        assert seen() == "True True False"
    assert seen() == "False False False"
