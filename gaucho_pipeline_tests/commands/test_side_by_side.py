"""Several concepts at once: all are made, each tells what it did, one that fails keeps none of the others."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from gaucho_pipeline.commands.side_by_side import _environment
from gaucho_pipeline.models import base_models
from gaucho_pipeline.orchestration.runner import pool_limit, write_home_config
from gaucho_pipeline_tests.changes import FRESH, edit, start
from gaucho_pipeline_tests.programs import CONCEPT_NAMES, gaucho, states, wait_until


def test_two_concepts_at_once_are_made_and_one_that_fails_keeps_the_other_not(tmp_path: Path) -> None:
    start(tmp_path)
    edit(tmp_path, "chimarrao", "curation", min_images=50)
    done = gaucho(tmp_path, "run", "--jobs", "2", check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "error: curated_set of chimarrao failed"
    assert done.stderr.count("error: ") == 1
    assert states(tmp_path)["araucaria"] == FRESH
    lines = done.stdout.splitlines()
    told: dict[str, list[str]] = {"araucaria": [], "chimarrao": [], "all concepts": []}
    for line in lines:
        if line in told:
            current = told[line]
        else:
            current.append(line)
    assert [line.split()[0] for line in told["araucaria"] if " made " in line] == list(CONCEPT_NAMES)
    assert any("gallery_site" in line and " made " in line for line in told["all concepts"])
    assert "chimarrao:   curated_set     failed   enough_images: 5 of 5 images are left, 50 are needed" in done.stderr
    assert "araucaria: training: 4/4 steps" in done.stderr


def test_each_has_its_share_of_the_cores_or_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert _environment(1, 2, [])["OMP_NUM_THREADS"] == "4"
    assert _environment(1, 20, [])["OMP_NUM_THREADS"] == "1"
    assert [_environment(place, 3, ["4", "6"])["CUDA_VISIBLE_DEVICES"] for place in range(3)] == ["4", "6", "4"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert _environment(1, 2, [])["OMP_NUM_THREADS"] == "3"


def test_gpus_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for named, expected in (("2,3", ["2", "3"]), ("", []), ("-1", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
        assert base_models.gpu_names() == expected


def test_a_new_instances_pool_holds_the_gpus_or_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, named, expected in (("gpus", "0,1,2", 3), ("cores", "", os.cpu_count())):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
        (tmp_path / name).mkdir()
        write_home_config(tmp_path / name)
        with dg.DagsterInstance.from_config(str(tmp_path / name)) as instance:
            assert pool_limit(instance, "gpu") == expected
            instance.event_log_storage.set_concurrency_slots("gpu", 5)
            assert pool_limit(instance, "gpu") == 5
    (tmp_path / "gpus" / "dagster.yaml").write_text("{}\n")
    write_home_config(tmp_path / "gpus")
    assert (tmp_path / "gpus" / "dagster.yaml").read_text() == "{}\n"


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two concepts up to their curated sets, with endless trainings before them."""
    folder = start(tmp_path_factory.mktemp("curated"))
    for slug in ("araucaria", "chimarrao"):
        edit(folder, slug, "training", epochs=9999, early_stopping=False)
    gaucho(folder, "run", "--select", "curated_set", "--jobs", "2")
    return folder


@contextlib.contextmanager
def training_side_by_side(curated: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Two trainings, until both are under way; then it is up to the test."""
    shutil.copytree(curated, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "concepts.yaml").read_text(encoding="utf-8").replace(str(curated), str(tmp_path))
    (tmp_path / "concepts.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "gaucho_pipeline.cli", "run", "--jobs", "2", "--select", "checkpoint"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len([*tmp_path.glob("data/.staging/checkpoint/*/*/state/training.pt")]) == 2)
        yield process
        wait_until(lambda: not _stages(tmp_path))


def test_nobody_outlives_a_run_that_is_killed(curated: Path, tmp_path: Path) -> None:
    with training_side_by_side(curated, tmp_path) as process:
        assert len(_stages(tmp_path)) == 2
        process.kill()


def test_a_run_that_is_asked_to_stop_has_all_of_them_save(curated: Path, tmp_path: Path) -> None:
    with training_side_by_side(curated, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stderr
        text = process.stderr.read()
    assert text.count("stopped by SIGTERM; what is done is kept") == 1
    errors = [json.loads(path.read_text(encoding="utf-8"))["message"] for path in tmp_path.glob("data/.requests/checkpoint/*/error.json")]
    assert [error.startswith("asked to stop: saved at step") for error in errors] == [True, True]
    assert process.returncode == 128 + signal.SIGTERM


def _stages(project: Path) -> list[int]:
    """Programs of training that run for a project."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            is_dead = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if "gaucho_pipeline.training" in words and any(word.startswith(str(project)) for word in words) and not is_dead:
            found.append(int(folder.name))
    return found
