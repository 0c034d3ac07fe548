"""Several processes on one concept: the same images in a step as one, and nothing of it unless it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gaucho_pipeline.methods.lora import ADAPTER, DIFFUSERS_FILE
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.training import processes
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import run_stage, write_request


def test_what_a_batch_system_sets_is_ignored_unless_it_is_asked_for() -> None:
    arguments, environment = ["training", "request.json"], {"RANK": "1", "WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "HOME": "/h"}
    assert processes.start(arguments, environment) == 0
    assert environment == {"HOME": "/h"}
    assert arguments == ["training", "request.json"]
    alone = ["training", processes.OPTION, "request.json"]
    assert processes.start(alone, {"RANK": "0", "WORLD_SIZE": "1"}) == 0
    assert alone == arguments


def test_in_one_process_nothing_is_shared() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    assert processes.all_reduce([parameter], 1.5, 0.0) == [1.5, 0.0]
    assert parameter.grad is None
    assert processes.shard([1, 2, 3]) == [1, 2, 3]
    assert processes.is_first()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    concept = folder_concept(draw_folder(tmp_path / "photos", "araucaria", 5), "mtl", "tree")
    concept["training"] = {"batch_size": 3, "max_steps": 5, "prior_loss_weight": 1.0}
    found = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set"):
        done = run_stage(found, asset, "araucaria", tmp_path / asset)
        assert done.returncode == 0, done.stderr
    return found


def test_two_processes_learn_what_one_does(project: Project, tmp_path: Path) -> None:
    alone = run_stage(project, "checkpoint", "araucaria", tmp_path / "alone", RANK="1", WORLD_SIZE="2", LOCAL_RANK="1")
    assert alone.returncode == 0, alone.stderr
    artifact = project.store.current("checkpoint", "araucaria")
    assert artifact
    one, metrics = load_file(artifact.folder / ADAPTER / DIFFUSERS_FILE), artifact.manifest.metrics

    together = Project(tmp_path / "concepts.yaml", tmp_path / "data")
    request = write_request(tmp_path / "together", together.request("checkpoint", "araucaria", force=True))
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--main_process_port",
    ]
    launch += ["0", "-m", "gaucho_pipeline.training", str(request), processes.OPTION]
    done = subprocess.run(launch, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("training: 5/5 steps") == 1  # only the first one tells
    made = together.store.current("checkpoint", "araucaria")
    assert made
    assert made.manifest.made_at != artifact.manifest.made_at
    two = load_file(made.folder / ADAPTER / DIFFUSERS_FILE)
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
    assert made.manifest.metrics.validation_loss.tuned == pytest.approx(metrics.validation_loss.tuned, abs=1e-4)
