"""An adapter's file that anybody may have written: what it says is held against its weights, and nothing of it reaches PEFT unjudged."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.methods.adapter_file import ADAPTER, DIFFUSERS_FILE, parts_of, read_part
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.lora import Lora
from gaucho_pipeline.models import base_models
from gaucho_pipeline_tests.trainers import new_trainer

SLOW = "((([a-z._0-9])+)+)+!"
"""A regular expression that takes for ever on a module's path."""
PATH = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_k.lora_A.weight"

SETTINGS: dict[str, tuple[Any, str]] = {
    "target_modules": (SLOW, "no list of modules"), "exclude_modules": (SLOW, "setting exclude_modules"),
    "rank_pattern": ({SLOW: 4}, "setting rank_pattern"), "alpha_pattern": ({SLOW: 4}, "setting alpha_pattern"),
    "layers_pattern": ([SLOW], "setting layers_pattern"), "r": (10**9, "its rank r is not that of its weights"),
    "lora_alpha": (math.nan, "its lora_alpha is no strength"), "use_dora": (True, "setting use_dora"),
    "modules_to_save": (["conv_in"], "setting modules_to_save"), "zzz": (1, "setting zzz"), "peft_type": ("LOHA", "setting peft_type"),
    "init_lora_weights": ("pissa", "setting init_lora_weights"), "revision": ("x", "setting revision"),
    "runtime_config": ({"ephemeral_gpu_offload": True}, "setting runtime_config"),
}  # fmt: skip
FURTHER: list[tuple[str, Any, str]] = [
    ("r", "4", "rank r"), ("r", True, "rank r"), ("r", None, "rank r"), ("r", 4.0, "rank r"), ("lora_alpha", "4", "lora_alpha"),
    ("lora_alpha", 1e300, "lora_alpha"), ("lora_alpha", 0, "lora_alpha"), ("lora_alpha", [4], "lora_alpha"),
    ("target_modules", None, "no list"), ("target_modules", [["x"]], "no list"), ("target_modules", ["x"] * 20_000, "no list"),
    ("target_modules", ["conv_in"], r"target_modules do not name down_blocks\.1\."), ("target_modules", "all-linear", "no list"),
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an adapter as it is written here."""
    folder = tmp_path_factory.mktemp("whole")
    new_trainer(alpha=8, train_text_encoder=True).model.method.save(folder, CheckpointInfo("x", "mtl tree", "CC0-1.0", 3))
    return folder


def altered(whole: Path, folder: Path, tensors: dict[str, torch.Tensor] | None = None, text: str | None = None, **settings: Any) -> Path:
    """The same with other weights, or with settings of the denoiser changed; `text`: all settings, as they stand in the file."""
    with safe_open(whole / ADAPTER / DIFFUSERS_FILE, "pt") as file:
        own, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    stored = json.loads(metadata["lora_adapter_metadata"]) | {f"unet.{key}": value for key, value in settings.items()}
    (folder / ADAPTER).mkdir(parents=True)
    kept = own if tensors is None else {name: tensor for name, tensor in (own | tensors).items() if tensor.numel()}
    text = json.dumps(stored) if text is None else text
    save_file(kept, folder / ADAPTER / DIFFUSERS_FILE, metadata | {"lora_adapter_metadata": text})
    return folder


def settings_in(folder: Path) -> str:
    with safe_open(folder / ADAPTER / DIFFUSERS_FILE, "pt") as file:
        return str(file.metadata()["lora_adapter_metadata"])


def refused(folder: Path, message: str) -> None:
    """Loading tells that in one line, before the base model is touched."""
    family = base_models.load("embedded", None, torch.device("cpu")).family
    with pytest.raises(GauchoError, match=message) as caught:
        Lora.load(family, folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("key", "value", "message"), [*((key, *each) for key, each in SETTINGS.items()), *FURTHER])
def test_settings_that_nothing_here_writes_are_told_and_never_run(key: str, value: Any, message: str, whole: Path, tmp_path: Path) -> None:
    refused(altered(whole, tmp_path, **{key: value}), f"adapter does not load: .*{message}")


@pytest.mark.parametrize("text", ["[1]", "null", '"x"', "{", '{"a":' * 100_000, '{"unet.r": ' + "9" * 100_000 + "}", '{"a": 1}'])
def test_settings_that_are_no_object_are_one_error(text: str, whole: Path, tmp_path: Path) -> None:
    refused(altered(whole, tmp_path, text=text), "adapter does not load: ")


WEIGHTS: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "half a pair": ({PATH: torch.zeros(0)}, "do not belong together"),
    "another rank": ({PATH: torch.zeros(7, 64)}, "do not belong together"),
    "many dimensions": ({PATH: torch.zeros([1] * 60)}, "is no weight of an adapter"),
    "whole numbers": ({PATH: torch.zeros(4, 64, dtype=torch.int64)}, "is no weight of an adapter"),
    "another module": ({f"unet.no.to_k.lora_{side}.weight": torch.zeros(4, 4) for side in "AB"}, r"unet has no module for unet\.no\.to_k"),
    "another part": ({"vae.conv_in.lora_A.weight": torch.zeros(4, 4)}, "a part 'vae', which does not learn"),
    "no part": ({"x": torch.zeros(4)}, "a part 'x', which does not learn"),
    "something else": ({f"{PATH.partition('.lora')[0]}.lora_magnitude_vector": torch.zeros(4)}, "is no weight of an adapter"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_no_adapter_of_the_model_are_one_error(name: str, whole: Path, tmp_path: Path) -> None:
    tensors, message = WEIGHTS[name]
    folder, family = altered(whole, tmp_path, tensors), base_models.load("embedded", None, torch.device("cpu")).family

    def load() -> None:
        Lora.load(family, folder)
        family.parts.need_all()

    with pytest.raises(GauchoError, match=message):
        load()


def test_an_empty_file_draws_nothing_and_says_so(whole: Path, tmp_path: Path) -> None:
    altered(whole, tmp_path)
    save_file({}, tmp_path / ADAPTER / DIFFUSERS_FILE)
    refused(tmp_path, "it holds no weights")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("/etc/hostname"), Path.mkdir]
)
def test_what_is_no_file_of_the_checkpoint_is_not_read(put: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / ADAPTER).mkdir()
    put(tmp_path / ADAPTER / DIFFUSERS_FILE)
    refused(tmp_path, "leads nowhere: it is no regular file|is a link that leads out of")


def test_what_is_written_here_is_read_with_its_rank_and_strength(whole: Path, tmp_path: Path) -> None:
    parts = parts_of(whole)
    assert sorted(parts) == ["text_encoder", "unet"]
    weights, settings = read_part(whole, "unet")
    assert all(name.startswith("unet.") for name in weights)
    assert (settings["r"], settings["lora_alpha"]) == (4, 8)
    assert set(settings) == {"r", "lora_alpha", "target_modules", "init_lora_weights"}
    assert "/" not in settings_in(whole)  # no place of this machine
    later = altered(whole, tmp_path / "later", a_setting_of_a_later_version=None, further={}, peft_version="99")
    assert read_part(later, "unet")[1] == settings
