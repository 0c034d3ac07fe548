"""Runs whose process is gone are ended, whoever started them, and whoever waits for a place in a pool says for whom and can be stopped."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psutil
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from gaucho_pipeline.orchestration import run_workers
from gaucho_pipeline.orchestration.run_workers import RunWorker, is_running, this_process, worker_of
from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.orchestration.tags import GONE_TAG, HOST_TAG
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import gaucho, wait_until
from gaucho_pipeline_tests.web_ui import SLOW, ask, is_training, launch, run_status, served, start_folder, wait_for_run


def test_a_process_of_the_same_number_that_began_later_is_another_one() -> None:
    began = psutil.Process().create_time()
    assert is_running(RunWorker(os.getpid(), seen_at=began + 5))
    assert not is_running(RunWorker(os.getpid(), seen_at=began - 3600))
    assert is_running(RunWorker(os.getpid(), began=this_process().split()[-1]))
    assert not is_running(RunWorker(os.getpid(), began="1"))


def test_a_process_that_nobody_has_waited_for_is_gone() -> None:
    with subprocess.Popen(["true"]) as process:
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert not is_running(RunWorker(process.pid, seen_at=time.time()))


def begin(folder: Path, slug: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gaucho_pipeline.cli", "run", slug, "--select", "checkpoint", "--jobs", "1"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload,no-any-return]


def test_a_run_that_waits_says_for_whom_and_ends_when_asked_and_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    folder = start_folder(tmp_path, **SLOW)
    gaucho(folder, "run", "araucaria", "--select", "curated_set")
    with begin(folder, "chimarrao") as at_work:
        wait_until(lambda: is_training(folder, "chimarrao"))
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            with begin(folder, "araucaria") as waiting:
                assert waiting.stdout
                while "waiting" not in (line := waiting.stdout.readline()):
                    assert line, waiting.stderr.read() if waiting.stderr else ""
                assert "for a place in the pool 'gpu': checkpoint of chimarrao is at work (run " in line
                assert f"process {at_work.pid})" in line
                waiting.send_signal(number)
                assert waiting.wait(60) == code
        with begin(folder, "araucaria") as waiting:
            assert waiting.stdout
            while "waiting" not in waiting.stdout.readline():
                pass
            os.killpg(at_work.pid, signal.SIGKILL)  # nobody is left to give the place back
            wait_until(lambda: is_training(folder, "araucaria"))
            waiting.send_signal(signal.SIGINT)
            waiting.communicate(timeout=120)
    with get_instance(Project(folder / "concepts.yaml", folder / "data")) as instance:
        assert instance.event_log_storage.get_concurrency_info("gpu").pending_steps == []


def worker(instance: dg.DagsterInstance, run_id: str) -> psutil.Process:
    run = instance.get_run_by_id(run_id)
    assert run
    found = worker_of(instance, run)
    assert found
    return psutil.Process(found.pid)


def test_runs_of_the_web_ui_that_were_killed_end_and_give_their_places_back(tmp_path: Path) -> None:
    folder = start_folder(tmp_path, **SLOW)
    gaucho(folder, "run", "chimarrao", "--select", "curated_set")
    project = Project(folder / "concepts.yaml", folder / "data")
    os.chdir(folder)
    with served(folder) as (_, port), get_instance(project) as instance:
        run = launch(port, "chimarrao", "training_spec", "checkpoint")
        wait_until(lambda: is_training(folder, "chimarrao"))
        record = instance.get_run_by_id(run)
        assert record
        assert record.tags[HOST_TAG].startswith(socket.gethostname())
        worker(instance, run).kill()  # the server lives, and notices
        assert wait_for_run(port, run, "FAILURE") == "FAILURE"
        again = launch(port, "chimarrao", "training_spec", "checkpoint")
        wait_until(lambda: run_status(port, again) == "STARTED")
        wait_until(lambda: bool(worker_of(instance, instance.get_run_by_id(again))))  # type: ignore[arg-type]
        worker(instance, again).kill()
        done = ask(port, "mutation($r: String!){terminateRun(runId:$r){__typename ... on PythonError{message stack}}}", r=again)
        assert done["terminateRun"] == {"__typename": "TerminateRunSuccess"}
        assert run_status(port, again) in ("CANCELED", "FAILURE")
        third = launch(port, "chimarrao", "training_spec", "checkpoint")
        wait_until(lambda: instance.event_log_storage.get_concurrency_info("gpu").active_run_ids == {third})
        wait_until(lambda: run_status(port, third) == "STARTED")
    with get_instance(project) as instance:  # everything was killed at once, as by a power cut
        ended = instance.get_run_by_id(third)
        assert ended
        assert (ended.status, ended.tags[GONE_TAG]) == (dg.DagsterRunStatus.FAILURE, "true")
        assert instance.event_log_storage.get_concurrency_info("gpu").pending_steps == []


def test_a_history_that_is_locked_for_a_moment_is_written_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connections on one file in WAL, as Dagster opens them: one has read, the other writes, and the first may not write any more."""
    monkeypatch.setattr(run_workers, "_LOCKED_SECONDS", (0.0, 0.0))
    asked = list[int]()

    def locked(times: int) -> Callable[[], str]:
        def act() -> str:
            asked.append(1)
            if len(asked) <= times:
                raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))
            return "done"

        return act

    assert (run_workers.while_locked(locked(2)), len(asked)) == ("done", 3)
    asked.clear()
    with pytest.raises(OperationalError, match="database is locked"):
        run_workers.while_locked(locked(9))
    assert len(asked) == 3


def test_sqlite_locks_at_once_where_another_has_written_since_one_began_to_read(tmp_path: Path) -> None:
    """Which no time to wait for helps: the transaction is to begin again."""
    engines = [create_engine(f"sqlite:///{tmp_path / 'x.db'}", poolclass=NullPool, connect_args={"timeout": 60}) for _ in range(2)]
    with engines[0].begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        connection.execute(text("CREATE TABLE t (a INTEGER)"))

    def read_and_write(between: Callable[[], None]) -> None:
        with engines[0].connect() as connection:
            connection.connection.driver_connection.isolation_level = None  # type: ignore[union-attr]
            connection.execute(text("BEGIN"))
            connection.execute(text("SELECT * FROM t"))
            between()
            connection.execute(text("INSERT INTO t VALUES (1)"))
            connection.execute(text("COMMIT"))

    def write() -> None:
        if not others:
            others.append(1)
            with engines[1].begin() as connection:
                connection.execute(text("INSERT INTO t VALUES (2)"))

    others = list[int]()
    with pytest.raises(OperationalError, match="database is locked"):
        read_and_write(write)
    others.clear()
    run_workers.while_locked(lambda: read_and_write(write))
    with engines[0].connect() as connection:
        assert connection.execute(text("SELECT a FROM t ORDER BY a")).scalars().all() == [1, 2, 2]
