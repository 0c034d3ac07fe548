"""Training: what it learns from, the files it writes, and that a killed run ends as an undisturbed one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file

from gaucho_pipeline.assets.metrics import BaseTuned
from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.methods.lora import ADAPTER, DIFFUSERS_FILE
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.training.train import data_version
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import run_stage
from gaucho_pipeline_tests.samples import train_image


def project_in(tmp_path: Path) -> Project:
    folder = draw_folder(tmp_path / "photos", "araucaria", 5)
    return Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": folder_concept(folder, "mtl", "tree")}), tmp_path / "data")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Artifact]:
    tmp_path = tmp_path_factory.mktemp("trained")
    project = project_in(tmp_path)
    for asset in ("raw_crawl", "curated_set", "checkpoint"):
        done = run_stage(project, asset, "araucaria", tmp_path / asset)
        assert done.returncode == 0, done.stderr
    artifact = project.store.current("checkpoint", "araucaria")
    assert artifact
    return project, artifact


def test_the_losses_are_reported_as_a_set(trained: tuple[Project, Artifact]) -> None:
    metrics = trained[1].manifest.metrics
    for of_images in (metrics.losses.train, metrics.losses.validation):
        for pair in (of_images.token, of_images.other_token, of_images.class_noun):
            assert all(math.isfinite(value) and value > 0 for value in (pair.base, pair.tuned))
    assert BaseTuned(**metrics.validation_loss.model_dump()) == metrics.losses.validation.token
    assert metrics.losses.train != metrics.losses.validation
    for of_images in (metrics.losses.train, metrics.losses.validation):
        assert len({of_images.token.base, of_images.other_token.base, of_images.class_noun.base}) == 3
    assert ASSETS["checkpoint"].figure
    assert (trained[1].folder / ASSETS["checkpoint"].figure.file).is_file()
    assert metrics.steps == 4
    assert metrics.peak_memory_bytes > 1e8


def test_diffusers_reads_its_file_back_whole(trained: tuple[Project, Artifact]) -> None:
    assert trained[1].manifest.metrics.reload_difference < 1e-4
    with safe_open(trained[1].folder / ADAPTER / DIFFUSERS_FILE, "pt") as file:
        metadata = json.loads(file.metadata()["lora_adapter_metadata"])
    assert metadata["unet.lora_alpha"] == 4


def test_the_other_file_has_the_names_and_the_metadata_that_other_programs_read(trained: tuple[Project, Artifact]) -> None:
    path = trained[1].folder / "araucaria.safetensors"
    weights = load_file(path)
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
    assert {f"{module}.lora_down.weight", f"{module}.lora_up.weight", f"{module}.alpha"} <= set(weights)
    assert float(weights[f"{module}.alpha"]) == 4
    assert all(k.startswith("lora_unet_") for k in weights)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["modelspec.architecture"] == "gaucho-pipeline-embedded/lora"  # which no program takes for Stable Diffusion
    assert metadata["ss_output_name"] == "araucaria"
    assert "mtl tree" in metadata["ss_tag_frequency"]


def test_both_files_give_the_same_pictures(trained: tuple[Project, Artifact]) -> None:
    def picture(path: Path) -> torch.Tensor:
        pipeline: StableDiffusionPipeline = base_models.load("embedded", None, torch.device("cpu")).pipeline
        pipeline.load_lora_weights(path.parent, weight_name=path.name)
        out = pipeline("a photo of mtl tree", num_inference_steps=2, generator=torch.Generator().manual_seed(1), output_type="pt")
        return out.images  # type: ignore[no-any-return]

    folder = trained[1].folder
    difference = (picture(folder / ADAPTER / DIFFUSERS_FILE) - picture(folder / "araucaria.safetensors")).abs().max().item()
    assert difference < 1e-3


def test_the_images_measured_with_are_not_among_those_learned_from(trained: tuple[Project, Artifact]) -> None:
    folder = trained[1].folder
    validation, train = ({r["pixels"] for r in read_table(folder / f"{n}.jsonl")} for n in ("validation", "train"))
    assert len(validation) == 1
    assert len(train) == 4
    assert not validation & train


def test_alpha_is_the_rank_unless_it_is_given() -> None:
    assert TrainingSpec(rank=8).effective_alpha == 8
    assert TrainingSpec(rank=8, alpha=1).effective_alpha == 1


def test_weights_and_credits_make_the_data_version() -> None:
    weights, spec = {"unet.a": torch.ones(2), "unet.b": torch.zeros(1)}, TrainingSpec()
    row, others = train_image(), train_image(author="Ana")
    version = data_version(weights, spec, [row])
    assert version == data_version(dict(reversed(weights.items())), spec, [train_image(caption="another")])
    assert version != data_version(weights, spec, [others])
    assert data_version(weights, spec, [row, row]) != data_version(weights, spec, [row, others])
    assert version != data_version(weights, spec.model_copy(update={"alpha": 9.0}), [row])
    assert version != data_version({name: tensor + 1 for name, tensor in weights.items()}, spec, [row])
