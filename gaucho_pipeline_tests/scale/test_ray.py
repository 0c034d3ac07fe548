"""Steps on two real Ray nodes: side by side, one for each declared GPU, and begun again elsewhere when their node dies."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gaucho_pipeline_tests.programs import gaucho, wait_until
from gaucho_pipeline_tests.scale.machines import begin, environment, machine
from gaucho_pipeline_tests.scale.postgres import PostgresServer
from gaucho_pipeline_tests.scale.ray_cluster import Cluster
from gaucho_pipeline_tests.scale.test_postgres import when
from gaucho_pipeline_tests.web_ui import is_training

pytest.importorskip("dagster_ray", reason="gaucho-pipeline[ray] is not installed")
SLUGS = ("a", "bb", "ccc", "dddd", "eeeee")


@pytest.fixture
def database(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a database, which the nodes have in their environment: Ray would show what is handed on."""
    found = postgres.new_database("ray")
    monkeypatch.setenv("GAUCHO_DATABASE", found)
    return found


@pytest.fixture
def cluster(database: str) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    found = Cluster(folder)
    yield found
    found.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_concepts_train_side_by_side_and_a_killed_nodes_step_runs_again_elsewhere(database: str, cluster: Cluster, tmp_path: Path) -> None:
    folder = machine(tmp_path / "one", tmp_path / "photos", "dagster.ray.yaml", SLUGS, epochs=60)
    variables = {"GAUCHO_DATABASE": database, "GAUCHO_RAY": cluster.address}
    with begin(folder, "run", "--select", "curated_set", "--jobs", "1", GAUCHO_DATABASE=database) as prepared:
        output, _ = prepared.communicate(timeout=500)
        assert prepared.returncode == 0, output

    def materialize(*slugs: str) -> list[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "gaucho_pipeline.definitions", "--select", "checkpoint"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        own = environment(folder, **variables)
        return [subprocess.Popen([*command, "--partition", slug], cwd=folder, env=own, **pipes) for slug in slugs]  # type: ignore[call-overload]

    def end(processes: list[subprocess.Popen[str]]) -> None:
        for process in processes:
            output, _ = process.communicate(timeout=600)
            assert process.returncode == 0, output

    first = cluster.add_worker()
    end(materialize("a", "bb"))  # one GPU: one after the other
    (one, ended), (other, last) = sorted(when(folder, slug) for slug in ("a", "bb"))
    assert one < ended <= other + timedelta(seconds=1) < last
    cluster.add_worker()
    end(materialize("ccc", "dddd"))  # two: at once
    (_, ended), (other, _) = sorted(when(folder, slug) for slug in ("ccc", "dddd"))
    assert other < ended
    running = materialize("eeeee")
    wait_until(lambda: is_training(folder, "eeeee"))
    (node,) = [each for each in cluster.workers if each.does("gaucho_pipeline.training")]
    node.kill()
    end(running)
    assert gaucho(folder, "fsck").returncode == 0
    assert first in cluster.workers
