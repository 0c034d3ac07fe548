"""Dagster's history on a real PostgreSQL server: a daemon and two workers, one pool, and a restart of the server in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import wait_until
from gaucho_pipeline_tests.scale.machines import begin, environment, machine
from gaucho_pipeline_tests.scale.postgres import PostgresServer
from gaucho_pipeline_tests.web_ui import is_training


def when(folder: Path, slug: str) -> tuple[datetime, datetime]:
    """When a checkpoint was being made."""
    manifest = json.loads((folder / "data" / "checkpoint" / slug / "current" / "manifest.json").read_text(encoding="utf-8"))
    ended = datetime.fromisoformat(manifest["made_at"])
    return ended - timedelta(seconds=manifest["seconds"]), ended


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_daemon_and_two_workers_share_one_pool_through_a_restart_of_the_server(
    postgres: PostgresServer, daemon: list[subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.new_database("pool")
    folder = machine(tmp_path / "one", tmp_path / "photos", "dagster.postgres.yaml", epochs=30)
    text = (folder / "dagster.yaml").read_text().replace("default_limit: 4", "default_limit: 1")
    (folder / "dagster.yaml").write_text(text)
    for name, value in environment(folder, GAUCHO_DATABASE=database).items():
        monkeypatch.setenv(name, value)
    with begin(folder, "run", "--select", "curated_set", GAUCHO_DATABASE=database) as prepared:
        assert prepared.wait(300) == 0, prepared.stdout.read() if prepared.stdout else ""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "gaucho_pipeline.definitions"]
    daemon.append(subprocess.Popen(command, cwd=folder, env=environment(folder, GAUCHO_DATABASE=database)))
    workers = [begin(folder, "run", slug, "--select", "checkpoint", GAUCHO_DATABASE=database) for slug in ("araucaria", "chimarrao")]
    wait_until(lambda: any(is_training(folder, slug) for slug in ("araucaria", "chimarrao")))
    postgres.restart()
    for worker in workers:
        output, _ = worker.communicate(timeout=300)
        assert worker.returncode == 0, output
    (one, first), (other, second) = sorted(when(folder, slug) for slug in ("araucaria", "chimarrao"))
    assert one < first <= other + timedelta(seconds=1) < second  # one after the other
    with get_instance(Project(folder / "concepts.yaml", folder / "data")) as instance:
        assert instance.event_log_storage.get_concurrency_info("gpu").pending_steps == []
        launch = [sys.executable, "-m", "dagster", "job", "launch", "-m", "gaucho_pipeline.definitions", "-j", "crawl"]
        tags = json.dumps({"dagster/partition": "araucaria"})
        subprocess.run([*launch, "--tags", tags], cwd=folder, env=environment(folder, GAUCHO_DATABASE=database), check=True)
        ended = dg.RunsFilter(job_name="crawl", statuses=[dg.DagsterRunStatus.SUCCESS])
        wait_until(lambda: bool(instance.get_runs(ended)))  # the daemon, which has seen the restart too


def test_two_processes_that_come_first_at_once_both_find_the_pool(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        database = postgres.new_database(f"first{number}")
        folder = machine(tmp_path / str(number), tmp_path / "photos", "dagster.postgres.yaml")
        program = "from gaucho_pipeline.project.project import *; from gaucho_pipeline.orchestration.runner import *\n"
        program += "with get_instance(Project.from_environment()) as i: print(i.event_log_storage.get_concurrency_info('gpu').slot_count)"
        command, own = [sys.executable, "-c", program], environment(folder, GAUCHO_DATABASE=database)
        both = [subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [process.communicate(timeout=120)[0].strip() for process in both] == ["4", "4"]
