"""What adapters sit on, at the real geometry of every family: no linear layer of a block is missed, but for those that a reason names."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any

import pytest
import torch

from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.methods.lora import expanded_targets
from gaucho_pipeline_tests.geometries import GEOMETRIES, on_meta

BILLIONS = {
    "StableDiffusionPipeline": 0.86, "StableDiffusionXLPipeline": 2.57, "StableDiffusion3Pipeline": 2.24, "FluxPipeline": 11.9,
    "Flux2KleinPipeline": 3.88, "ZImagePipeline": 6.15, "QwenImagePipeline": 20.4, "SanaPipeline": 1.6, "Lumina2Pipeline": 2.61,
    "WanPipeline": 1.42, "Krea2Pipeline": 12.8, "ErnieImagePipeline": 8.0, "ChromaPipeline": 8.9,
}  # fmt: skip
"""Weights of the published denoisers, as their pages say."""
_NORMALISATIONS = re.compile(r"time_emb_proj|emb_layers")
"""Of a UNet's blocks: how they hear the time, which `target_modules: all` adapts."""


@lru_cache(maxsize=1)
def network(name: str) -> Any:
    return on_meta(name)


def adapted(name: str, targets: str) -> set[str]:
    """The modules that PEFT adapts, by path."""
    wanted = expanded_targets(FAMILIES[name].target_modules[targets], network(name))
    return {path for path, _ in network(name).named_modules() if any(path == each or path.endswith(f".{each}") for each in wanted)}


def test_there_is_a_geometry_for_every_family() -> None:
    assert list(GEOMETRIES) == list(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_linear_layer_of_a_block_is_missed(name: str) -> None:
    family = FAMILIES[name]
    assert sum(p.numel() for p in network(name).parameters()) / 1e9 == pytest.approx(BILLIONS[name], rel=0.01)
    in_blocks = re.compile(rf"({'|'.join(map(re.escape, family.blocks))})\..*")
    found, missed = adapted(name, "attention_ff"), Counter[str]()
    for path, module in network(name).named_modules():
        is_linear = isinstance(module, torch.nn.Linear) and in_blocks.fullmatch(path) and path not in found
        left = any(path.endswith(f".{suffix}") for suffix in family.not_adapted)
        if is_linear and not left and not (family.denoiser == "unet" and _NORMALISATIONS.search(path)):
            missed[re.sub(r"\.\d+\.", ".*.", path)] += 1
    assert missed == {}
    assert all(reason for reason in family.not_adapted.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_adapted_lies_in_blocks_and_nowhere_else(name: str) -> None:
    """A last layer that bears the name of one in a block would be adapted by accident."""
    family = FAMILIES[name]
    outside = {path for path in adapted(name, "attention_ff") if not path.startswith(family.blocks)}
    assert outside == set()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_target_names_something_that_can_be_adapted(name: str) -> None:
    for targets in FAMILIES[name].target_modules:
        for path in adapted(name, targets):
            assert isinstance(network(name).get_submodule(path), (torch.nn.Linear, torch.nn.Conv2d)), path
