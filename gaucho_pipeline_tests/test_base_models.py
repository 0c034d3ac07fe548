"""Base models: what tells one from another, and that a pinned one is loaded as pinned."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from gaucho_pipeline import base_models
from gaucho_pipeline.base_models import EMBEDDED_FOLDER
from gaucho_pipeline.errors import ConfigError, GauchoError


def test_another_byte_makes_another_model(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED_FOLDER / "scheduler", tmp_path / "model" / "scheduler")
    (tmp_path / "model" / "model_index.json").write_text('{"a": 1}')
    before = base_models.identity(str(tmp_path / "model"), None)
    (tmp_path / "model" / "model_index.json").write_text('{"a": 2}')
    after = base_models.identity(str(tmp_path / "model"), None)
    assert before["id"] == after["id"] == "model"
    assert before["digest"] != after["digest"]


def test_a_model_of_a_hub_is_told_by_its_commit_without_asking_anybody() -> None:
    assert base_models.identity("owner/name", "a" * 40) == {"id": "owner/name", "revision": "a" * 40, "digest": None}


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no model"):
        base_models.identity(str(tmp_path), None)


def test_a_model_of_a_hub_is_loaded_at_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []

    real, real_config = diffusers.StableDiffusionPipeline.from_pretrained, diffusers.StableDiffusionPipeline.load_config

    def load_config(name: str, **keys: Any) -> Any:
        if name != "owner/name":  # of the folder that stands in for the hub's model
            return real_config(name, **keys)
        asked.append((name, keys["revision"]))
        return {"_class_name": "StableDiffusionPipeline"}

    def from_pretrained(name: str, **keys: Any) -> Any:
        asked.append((name, keys["revision"]))
        assert keys["use_safetensors"] is True
        return real(str(EMBEDDED_FOLDER), safety_checker=None, requires_safety_checker=False)

    monkeypatch.setattr(diffusers.StableDiffusionPipeline, "load_config", load_config)
    monkeypatch.setattr(diffusers.StableDiffusionPipeline, "from_pretrained", from_pretrained)
    base_models.load("owner/name", "b" * 40, torch.device("cpu"))
    assert asked == [("owner/name", "b" * 40)] * 2


def test_what_is_no_stable_diffusion_is_refused_by_its_class(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(GauchoError, match="is a FluxPipeline; StableDiffusionPipeline is what can be taught"):
        base_models.load(str(tmp_path), None, torch.device("cpu"))


def test_the_embedded_model_computes_in_float32_on_a_cpu() -> None:
    base = base_models.load("embedded", None, torch.device("cpu"))
    assert base.pipeline.unet.dtype == torch.float32
    assert (base.resolution, base.family) == (64, "stable-diffusion-v1")
