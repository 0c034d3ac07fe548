"""Ctrl-C and SIGTERM: everything stops, in one line, with the exit status of the signal, and no further concept starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest

from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.processes.interrupts import noticed
from gaucho_pipeline.processes.launch import ERROR_FILE
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho, states, wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noticed_also_where_somebody_else_handles_it(number: int) -> None:
    before = signal.getsignal(number)
    with noticed() as received:
        assert received() == 0
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert received() == received() == number
    assert signal.getsignal(number) is before
    with noticed() as received:
        handler = signal.signal(number, lambda *_: None)  # as Dagster does
        signal.raise_signal(number)
        assert received() == number
        signal.signal(number, handler)


def two_concepts(folder: Path) -> Path:
    concepts = {
        slug: folder_concept(draw_folder(folder / slug, slug, 6), token, "cup")
        for slug, token in (("chimarrao", "dnc"), ("araucaria", "mtl"))
    }
    write_concepts(folder / "concepts.yaml", concepts)
    return folder


@pytest.mark.parametrize(
    ("number", "jobs", "code", "word"),
    [(signal.SIGINT, 1, 130, "Ctrl-C"), (signal.SIGTERM, 1, 143, "SIGTERM"), (signal.SIGINT, 2, 130, "Ctrl-C")],
)
def test_a_run_that_is_stopped_says_so_once_and_begins_no_further_concept(
    number: int, jobs: int, code: int, word: str, tmp_path: Path
) -> None:
    folder = two_concepts(tmp_path)
    command = [sys.executable, "-m", "gaucho_pipeline.cli", "run", "--select", "curated_set", "--jobs", str(jobs)]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_until(lambda: any(folder.glob("data/.staging/curated_set/*/*/*")))  # a program that has begun
        os.killpg(process.pid, number)  # as a terminal does: to all of them at once
        said, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert told.count(f"stopped by {word}; what is done is kept") == 1
    assert told.splitlines()[-1].startswith(f"stopped by {word}")
    assert "Traceback" not in told
    with get_instance(Project(folder / "concepts.yaml", folder / "data")) as instance:
        ends = {run.status for run in instance.get_runs() if run.status != dg.DagsterRunStatus.SUCCESS}
    assert ends == {dg.DagsterRunStatus.CANCELED}  # and not failed, after which nothing would take it up by itself
    if jobs == 1:
        assert ("araucaria" in said, "chimarrao" in said) == (True, False)
        assert states(folder)["chimarrao"]["raw_crawl"] == "missing"
    assert states(folder)["araucaria"]["raw_crawl"] == "fresh"
    gaucho(folder, "run", "--select", "curated_set")
    assert states(folder)["chimarrao"]["curated_set"] == "fresh"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stage_is_stopped_in_one_line_also_while_it_imports(number: int, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("print('begun', flush=True)\nimport time\ntime.sleep(60)\n")
    (tmp_path / "request.json").write_text("{}")
    command = [sys.executable, "-m", "gaucho_pipeline.processes.launch", "slow", str(tmp_path / "request.json")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (128 + number, "asked to stop; what is done is kept, and the same run goes on from there\n")
    assert "asked to stop" in (tmp_path / ERROR_FILE).read_text()


def test_whoever_reads_only_the_first_lines_ends_a_command_without_a_word(tmp_path: Path) -> None:
    folder = two_concepts(tmp_path)
    shell = f"{sys.executable} -m gaucho_pipeline.cli status | true"
    done = subprocess.run(["bash", "-c", shell], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


_SLOW = """
import os, signal, threading, time
threading.Thread(target=lambda: (time.sleep(0.2), os.kill(os.getpid(), signal.SIGINT)), daemon=True).start()
time.sleep(30)
"""
"""A library that takes its time to be loaded, during which Ctrl-C comes."""


@pytest.mark.parametrize("is_child", [False, True])
def test_a_command_is_stopped_in_one_line_also_while_it_is_loaded(is_child: bool, tmp_path: Path) -> None:
    (tmp_path / "pydantic").mkdir()
    (tmp_path / "pydantic" / "__init__.py").write_text(_SLOW)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])} | ({"GAUCHO_PARENT": "1"} if is_child else {})
    done = subprocess.run([sys.executable, "-m", "gaucho_pipeline", "demo"], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "" if is_child else "stopped by Ctrl-C\n")


def test_the_program_that_is_installed_is_the_one_that_can_be_stopped() -> None:
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"gaucho": "gaucho_pipeline.__main__:main"}
