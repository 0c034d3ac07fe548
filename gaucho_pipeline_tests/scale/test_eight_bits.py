"""Weights in eight bits, with torchao: nearly the same pictures, of denoiser and text encoders, and an adapter that learns on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.methods.lora import Lora
from gaucho_pipeline.models.base_models import Loading
from gaucho_pipeline.models.parts import bytes_of
from gaucho_pipeline_tests.models.test_parts import drawn, opened, saved


@pytest.mark.parametrize("name", ["StableDiffusionPipeline", "FluxPipeline", "ZImagePipeline"])
def test_eight_bits_draw_nearly_the_same_and_an_adapter_learns_on_them(name: str, tmp_path: Path) -> None:
    folder = saved(name, tmp_path / "model")
    plain, few = drawn(opened(folder)), opened(folder, Loading("int8"))
    assert np.abs(drawn(few) - plain).mean() < 2
    for part in (few.family.denoiser, *few.family.text_encoders):
        assert "Int8Tensor" in {type(parameter.data).__name__ for parameter in few.family.part(part).parameters()}
    method = Lora(few.family, TrainingSpec(rank=4, target_modules="attention", quantization="int8").for_family(type(few.family)))
    method.attach()
    assert few.family.parts.is_quantized(few.family.denoiser)
    own = [each for each in few.family.network.parameters() if type(each.data).__name__ == "Int8Tensor"]
    assert sum(map(bytes_of, own)) < 0.5 * sum(each.numel() * each.element_size() for each in own)
    conditioning = few.family.collate([few.family.encode_prompt("a cup")])
    channels = few.family.config["in_channels"] // (4 if name == "FluxPipeline" else 1)
    predicted = few.family.predict(torch.ones(1, channels, 16, 16), torch.tensor([0.5]), conditioning)
    predicted.square().mean().backward()
    learning = [parameter for group in method.parameter_groups() for parameter in group["params"]]
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in learning)
