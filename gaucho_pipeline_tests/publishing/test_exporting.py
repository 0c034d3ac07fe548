"""What `gaucho export` writes draws by a plain `from_pretrained`, in every family, and holds what it was made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.families.flux2_klein import Flux2Klein
from gaucho_pipeline.models import base_models
from gaucho_pipeline.publishing.exporting import write_pipeline
from gaucho_pipeline_tests.families.test_families_taught import PIPELINE_KEYS
from gaucho_pipeline_tests.tiny_models import TINY, new_family

CPU = torch.device("cpu")
SIDE = 32


@pytest.fixture(autouse=True)
def short_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flux2Klein, "hidden_layers", (1,))


def exported(pipeline: Any, folder: Path) -> Path:
    pipeline.save_pretrained(folder / "model")
    write_pipeline(base_models.load(str(folder / "model"), None, CPU), folder / "exported")
    return folder / "exported"


@pytest.mark.parametrize(
    ("name", "stored"),
    [(name, torch.bfloat16) for name in TINY]
    + [(name, dtype) for name in ("StableDiffusionPipeline", "Lumina2Pipeline") for dtype in (torch.float32, torch.float16)],
)
def test_a_plain_from_pretrained_draws(name: str, stored: torch.dtype, tmp_path: Path) -> None:
    family = new_family(name)
    whole = exported(family.pipeline.to(stored), tmp_path)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(whole)
    assert type(pipeline).__name__ == name
    keys = family.guidance_keys(4.0) | PIPELINE_KEYS.get(name, {})
    keys.pop("negative_prompt", None)
    picture = pipeline(prompt="a cup", num_inference_steps=2, height=SIDE, width=SIDE, return_dict=False, **keys)[0][0]
    picture = picture[0] if isinstance(picture, list) else picture
    assert picture.size == (SIDE, SIDE)
    assert np.asarray(picture).std() > 0
    kept = {tensor.dtype for part in (FAMILIES[name].denoiser, "vae") for tensor in tensors_of(whole / part).values()}
    assert kept <= {torch.bfloat16 if stored == torch.bfloat16 else torch.float16, torch.int64}  # what is counted stays


def tensors_of(part: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in part.glob("*.safetensors") for name, tensor in load_file(file).items()}


def spoilt(folder: Path, value: float, dtype: torch.dtype) -> Path:
    """A model one of whose weights is large, and a row of which is small."""
    new_family("StableDiffusionPipeline").pipeline.to(dtype).save_pretrained(folder / "model")
    file = folder / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["conv_in.weight"][0, 0, 0, 0], tensors["conv_in.weight"][1] = value, 2e-8
    save_file(tensors, file, {"format": "pt"})
    return folder / "model"


@pytest.mark.parametrize(("dtype", "kept"), [(torch.bfloat16, torch.bfloat16), (torch.float32, torch.float32)])
def test_what_half_precision_does_not_hold_is_kept_in_what_does(dtype: torch.dtype, kept: torch.dtype, tmp_path: Path) -> None:
    model = spoilt(tmp_path, 7e4, dtype)
    write_pipeline(base_models.load(str(model), None, CPU), tmp_path / "exported")
    found, own = tensors_of(tmp_path / "exported" / "unet"), tensors_of(model / "unet")
    assert found["conv_in.weight"].dtype is kept
    assert all(torch.equal(found[name], tensor) for name, tensor in own.items())


def test_what_is_not_finite_is_refused(tmp_path: Path) -> None:
    base = base_models.load(str(spoilt(tmp_path, 1.0, torch.float32)), None, CPU)
    with torch.no_grad():
        base.family.network.conv_in.weight[0] = float("inf")
    with pytest.raises(GauchoError, match=r"unet\.conv_in\.weight is not finite: nothing was written"):
        write_pipeline(base, tmp_path / "exported")


def test_the_index_names_every_part_and_the_text_encoders_are_loaded_in_single_precision(tmp_path: Path) -> None:
    whole = exported(new_family("StableDiffusion3Pipeline").pipeline.to(torch.bfloat16), tmp_path)
    index = json.loads((whole / "model_index.json").read_text(encoding="utf-8"))
    assert index["text_encoder_3"] == ["transformers", "T5EncoderModel"]
    for name in ("text_encoder", "text_encoder_2", "text_encoder_3"):
        config = json.loads((whole / name / "config.json").read_text(encoding="utf-8"))
        assert {value for key, value in config.items() if key in ("dtype", "torch_dtype")} == {"float32"}
