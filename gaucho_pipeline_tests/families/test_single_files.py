"""Single files in the names that their readers know, held against tables of those names: facts of ComfyUI's key maps, late in 2026."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.lora import Lora, to_folded
from gaucho_pipeline_tests.families.test_families_taught import new_trainer
from gaucho_pipeline_tests.trainers import disturb

_FLUX_DOUBLE = r"transformer\.transformer_blocks\.\d+\.(attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
READERS: dict[str, tuple[str, ...]] = {
    "StableDiffusion3Pipeline": (
        r"transformer\.transformer_blocks\.\d+\.(attn|attn2)\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)",
        r"transformer\.transformer_blocks\.\d+\.(ff|ff_context)\.net\.(0\.proj|2)",
    ),
    "FluxPipeline": (
        _FLUX_DOUBLE + r"|norm1\.linear|norm1_context\.linear|(ff|ff_context)\.net\.(0\.proj|2))",
        r"transformer\.single_transformer_blocks\.\d+\.(attn\.to_[qkv]|proj_mlp|proj_out|norm\.linear)",
    ),
    "Flux2KleinPipeline": (
        _FLUX_DOUBLE + r"|(ff|ff_context)\.linear_(in|out))",
        r"transformer\.single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)",
    ),
    "ChromaPipeline": (
        _FLUX_DOUBLE + r"|(ff|ff_context)\.net\.(0\.proj|2))",
        r"transformer\.single_transformer_blocks\.\d+\.(attn\.to_[qkv]|proj_mlp|proj_out)",
    ),
    "ZImagePipeline": (
        r"transformer\.(layers|noise_refiner|context_refiner)\.\d+\.(attention\.(to_[qkv]|to_out\.0)|feed_forward\.w[123])",
    ),
    "QwenImagePipeline": (
        r"transformer\.transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)",
        r"transformer\.transformer_blocks\.\d+\.((img|txt)_mlp\.net\.(0\.proj|2)|(img|txt)_mod\.1)",
    ),
    "Krea2Pipeline": (
        r"transformer\.(transformer_blocks|text_fusion\.(layerwise|refiner)_blocks)\.\d+\.(attn\.(to_[qkv]|to_gate|to_out\.0)|ff\.(gate|up|down))",
    ),
    "Lumina2Pipeline": (r"diffusion_model\.(layers|noise_refiner|context_refiner)\.\d+\.(attention\.(qkv|out)|feed_forward\.w[123])",),
    "WanPipeline": (r"diffusion_model\.blocks\.\d+\.((self|cross)_attn\.[qkvo]|ffn\.[02])",),
}
"""Modules that ComfyUI finds by these names, for each family that it reads (`comfy/lora.py`, `comfy/utils.py`); UNets have kohya's."""


def saved(name: str, folder: Path, **keys: float) -> tuple[dict[str, torch.Tensor], dict[str, str], dict[str, torch.Tensor]]:
    """The single file of an adapter, its metadata, and the adapter itself."""
    trainer = new_trainer(name, folder, **keys)
    disturb(trainer, 0.02)
    trainer.model.method.save(folder, CheckpointInfo("x", "chmrr drink", "CC0-1.0", 2, "Ana, Bia"))
    with safe_open(folder / "x.safetensors", "pt") as file:
        return load_file(folder / "x.safetensors"), dict(file.metadata()), trainer.model.method.weights()


@pytest.mark.parametrize("name", READERS)
def test_every_module_is_one_that_the_reader_finds(name: str, tmp_path: Path) -> None:
    tensors, _, _ = saved(name, tmp_path)
    modules = {key.removesuffix(".weight").rsplit(".", 1)[0] for key in tensors}
    assert modules
    assert [module for module in modules if not any(re.fullmatch(pattern, module) for pattern in READERS[name])] == []
    assert {key.removesuffix(".weight").rsplit(".", 1)[1] for key in tensors} == {"lora_A", "lora_B"}


def test_no_reader_is_promised_where_none_is_known() -> None:
    promised = {name for name, family in FAMILIES.items() if family.reader and family.denoiser == "transformer"}
    assert promised == set(READERS)
    for name, family in FAMILIES.items():
        text = Lora.how_to_load("x", family, "base")[1]
        assert ("ComfyUI" in text) == bool(family.reader), name


def test_query_key_and_value_are_one_matrix_that_does_what_they_do(tmp_path: Path) -> None:
    tensors, _, own = saved("Lumina2Pipeline", tmp_path, rank=4, alpha=2)
    for start in ("layers.0", "noise_refiner.0", "context_refiner.0"):
        whole = (
            tensors[f"diffusion_model.{start}.attention.qkv.lora_B.weight"].float()
            @ tensors[f"diffusion_model.{start}.attention.qkv.lora_A.weight"].float()
        )
        modules = [f"transformer.{start}.attn.{name}" for name in ("to_q", "to_k", "to_v")]
        expected = torch.cat([0.5 * own[f"{module}.lora_B.weight"] @ own[f"{module}.lora_A.weight"] for module in modules])
        assert (whole - expected).abs().max() < 2e-3 * expected.abs().max()


@pytest.mark.parametrize(("rank", "alpha"), [(64, 1), (256, 1), (16, 16)])
@pytest.mark.parametrize("size", [1e-4, 3e-5])
def test_what_is_folded_in_is_as_exact_as_half_precision_of_the_adapter(rank: int, alpha: int, size: float) -> None:
    """A small lora_B times a small strength is below what half precision holds."""
    generator = torch.Generator().manual_seed(1)
    down, up = torch.randn(rank, 64, generator=generator) / 8, size * torch.randn(64, rank, generator=generator)
    folded = to_folded({"t.m.lora_A.weight": down, "t.m.lora_B.weight": up}, alpha / rank)
    kept = folded["t.m.lora_B.weight"] if alpha != rank else folded["t.m.lora_B.weight"].half().float()
    found, expected = kept @ folded["t.m.lora_A.weight"].half().float(), alpha / rank * up @ down
    kohyas = alpha / rank * up.half().float() @ down.half().float()
    error = (found - expected).norm() / expected.norm()
    assert error <= (kohyas - expected).norm() / expected.norm() * 1.01
    assert error < 2e-3


def test_what_is_folded_in_is_written_so(tmp_path: Path) -> None:
    tensors, _, _ = saved("FluxPipeline", tmp_path, rank=4, alpha=1)
    assert {tensor.dtype for key, tensor in tensors.items() if "lora_B" in key} == {torch.float32}
    assert {tensor.dtype for key, tensor in tensors.items() if "lora_A" in key} == {torch.float16}


def test_a_file_says_what_it_holds_whose_images_it_learned_from_and_when(tmp_path: Path) -> None:
    _, metadata, _ = saved("FluxPipeline", tmp_path)
    assert metadata["modelspec.author"] == "images by Ana, Bia"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", metadata["modelspec.date"])
    assert re.fullmatch(r"[0-9a-f]{64}", metadata["sshs_model_hash"])
