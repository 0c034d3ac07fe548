"""A daemon that is killed is started again, and where nothing could run any more, `gaucho ui` ends and says so."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil
import pytest

from gaucho_pipeline_tests.programs import wait_until
from gaucho_pipeline_tests.web_ui import launch, served, start_folder, wait_for_run


def children(pid: int, word: str) -> list[psutil.Process]:
    """The living children of a process whose command says a word."""
    found = []
    for each in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a dead one's command cannot be read
            found += [each] if word in " ".join(each.cmdline()) else []
    return found


def test_a_daemon_that_is_killed_is_started_again_a_few_times(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = start_folder(tmp_path)
    with served(folder) as (process, port):
        killed = set[int]()

        def kill() -> bool:
            if process.poll() is not None:
                return False
            fresh = [each for each in children(process.pid, "die_with_parent") if each.pid not in killed]
            for each in fresh:
                killed.add(each.pid)
                os.kill(each.pid, signal.SIGKILL)
            return bool(fresh)

        assert kill()
        run = launch(port, "chimarrao", "crawl_spec")  # nothing but a daemon takes it out of the queue
        assert wait_for_run(port, run, "SUCCESS", "FAILURE") == "SUCCESS"
        for _ in range(3):
            wait_until(kill)
        family = psutil.Process(process.pid).children(recursive=True)
        assert process.wait(120) == 1
        assert not psutil.wait_procs(family, timeout=60)[1]
    said = capfd.readouterr().err
    assert said.count("it is started again") == 3
    assert "error: Dagster's daemon ended 4 times, the last with -9; nothing would run any more: start gaucho ui again" in said


def test_without_a_code_server_it_ends(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with served(start_folder(tmp_path)) as (process, _):
        (server,) = children(process.pid, "code-server")
        server.kill()
        assert process.wait(120) == 1
    assert f"code server (process {server.pid}) is gone" in capfd.readouterr().err
