"""What a base model's folder holds: what is missing, cut off, or of another kind is told with its remedy, and nothing is loaded."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families.model_files import count_weights, read_model, variant_of, weight_files
from gaucho_pipeline.models import base_models

SCHEDULER = "scheduler/scheduler_config.json"
UNET = "unet/diffusion_pytorch_model.safetensors"


def rewritten(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no part": (lambda m: shutil.rmtree(m / "vae"), "lacks its part vae; fetch the whole model again"),
    "no weights": (lambda m: (m / UNET).unlink(), r"unet holds no weights \(no \.safetensors\); fetch them"),
    "pickled": (lambda m: (m / UNET).rename(m / "unet" / "diffusion_pytorch_model.bin"), r"as \.bin, which may run code"),
    "cut off": (lambda m: (m / UNET).write_bytes((m / UNET).read_bytes()[:-1]), r"damaged: it has [\d,]+ bytes of [\d,]+; fetch"),
    "longer": (lambda m: (m / UNET).write_bytes((m / UNET).read_bytes() + b"x"), "is damaged: it has"),
    "empty": (lambda m: (m / UNET).write_bytes(b""), "has no header of safetensors; fetch it again"),
    "no safetensors": (lambda m: (m / UNET).write_bytes(b"\xff" * 4000), "has no header of safetensors"),
    "a pointer": (lambda m: (m / UNET).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n"), "run: git lfs pull"),
    "no object": (lambda m: (m / "unet" / "config.json").write_text("[]"), r"unet/config\.json is no JSON object"),
    "a lost shard": (
        lambda m: (m / "unet" / "m.safetensors.index.json").write_text('{"weight_map": {"a": "m-00001.safetensors"}}'),
        r"lacks m-00001\.safetensors, which m\.safetensors\.index\.json names",
    ),
    "a part elsewhere": (lambda m: rewritten(m / "model_index.json", **{"../../etc": ["a", "b"]}), "is no name of a part"),
    "inpainting": (lambda m: rewritten(m / "unet" / "config.json", in_channels=9), "takes 9 channels for 4"),
    "pictures": (lambda m: rewritten(m / SCHEDULER, prediction_type="sample"), "predicts 'sample'"),
    "nothing but noise": (
        lambda m: rewritten(m / SCHEDULER, rescale_betas_zero_snr=True, prediction_type="epsilon"),
        "schedule that ends in nothing but noise",
    ),
    "an impossible size": (lambda m: rewritten(m / "unet" / "config.json", sample_size=10**9), "says that its sample_size is 1000000000"),
    "no end of layers": (lambda m: rewritten(m / "unet" / "config.json", layers_per_block=10**7), "its 'layers_per_block' is 10000000"),
    "of the VAE": (lambda m: rewritten(m / "vae" / "config.json", layers_per_block=[1, 10**7]), "'layers_per_block' is 10000000"),
    "of a text encoder": (lambda m: rewritten(m / "text_encoder" / "config.json", num_hidden_layers=10**12), "'num_hidden_layers' is 1000"),
    "no end of steps": (lambda m: rewritten(m / SCHEDULER, num_train_timesteps=10**9), "'num_train_timesteps' is 1000000000, which no"),
    "a long list": (lambda m: rewritten(m / "unet" / "config.json", block_out_channels=[32] * 200_000), "is 200,000 values"),
    "no number": (lambda m: rewritten(m / "vae" / "config.json", scaling_factor=math.nan), "'scaling_factor' is nan, which no model has"),
    "a large number": (lambda m: rewritten(m / "text_encoder" / "config.json", vocab_size=10**12), "its 'vocab_size' is 1000000000000, wh"),
    "quantized": (lambda m: rewritten(m / "unet" / "config.json", quantization_config={"quant_method": "gptq"}), "is quantized already"),
    "quantized oddly": (lambda m: rewritten(m / "text_encoder" / "config.json", quantization_config="x"), "in full precision"),
    "another model": (
        lambda m: (m / "text_encoder" / "adapter_config.json").write_text('{"base_model_name_or_path": "/x"}'),
        r"holds adapter_config\.json, which has another model loaded in its place; remove it",
    ),
    "a class with signs": (
        lambda m: rewritten(m / "model_index.json", vae=["diffusers", "A\nB\x1b[31m"]), r"'A\\nB\\x1b\[31m' is no name of a class"
    ),
    "a pipeline with signs": (lambda m: rewritten(m / "model_index.json", _class_name="A\n\x1b[31m"), "model_index.json names no pipeline"),
    "a pipe": (lambda m: ((m / UNET).unlink(), os.mkfifo(m / UNET)), "leads nowhere: it is no regular file; fetch it again, or remove it"),
    "a pipe as tokenizer": (lambda m: os.mkfifo(m / "tokenizer" / "added_tokens.json"), "added_tokens.json leads nowhere"),
    "a large configuration": (lambda m: (m / "unet" / "config.json").write_text(f'{{"a": "{"x" * 11_000_000}"}}'), "is no JSON object"),
    "a link out": (
        lambda m: ((m / UNET).unlink(), (m / UNET).symlink_to(base_models.EMBEDDED_FOLDER / UNET)),
        r"unet/diffusion_pytorch_model\.safetensors is a link that leads out of .*; put what is meant there itself",
    ),
    "a part's link": (
        lambda m: (shutil.rmtree(m / "vae"), (m / "vae").symlink_to(base_models.EMBEDDED_FOLDER / "vae")), "vae is a link that leads out of"
    ),
    "an index elsewhere": (
        lambda m: ((m / "model_index.json").rename(m.parent / "x"), (m / "model_index.json").symlink_to("../x")), "leads out of"
    ),
    "a size that is none": (lambda m: rewritten(m / "unet" / "config.json", sample_size=[8, "x"]), "says that its sample_size is"),
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(base_models.EMBEDDED_FOLDER, tmp_path / "model"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_reported_with_its_remedy_before_anything_is_loaded(damage: str, model: Path) -> None:
    do, message = DAMAGES[damage]
    do(model)
    with pytest.raises(ConfigError, match=message) as caught:
        base_models.check_folder(str(model), None)
    assert "\n" not in str(caught.value)


def test_a_whole_model_gives_its_configuration_and_the_number_of_its_weights(model: Path) -> None:
    configs, count = read_model(model, base_models.model_index(str(model), None), ("safety_checker",))
    assert configs["unet"]["in_channels"] == 4
    loaded = base_models.load(str(model), None, base_models.best_device()).pipeline
    assert count == sum(tensor.numel() for part in (loaded.unet, loaded.vae, loaded.text_encoder) for tensor in part.state_dict().values())


def test_a_model_of_a_hub_is_not_looked_at() -> None:
    assert base_models.check_folder("owner/name", "a" * 40) is None


@pytest.mark.parametrize(
    ("names", "variant", "taken"),
    [
        (["model.safetensors", "model.fp16.safetensors"], None, ["model.safetensors"]),
        (["model.fp16.safetensors", "model.bf16.safetensors"], "bf16", ["model.bf16.safetensors"]),
        (["diffusion_pytorch_model.fp8.safetensors"], "fp8", ["diffusion_pytorch_model.fp8.safetensors"]),
        (
            ["model.bf16-00001-of-00002.safetensors", "model.bf16-00002-of-00002.safetensors"],
            "bf16",
            ["model.bf16-00001-of-00002.safetensors", "model.bf16-00002-of-00002.safetensors"],
        ),
        (["model-00001-of-00001.fp16.safetensors"], "fp16", ["model-00001-of-00001.fp16.safetensors"]),
        (["model.safetensors", "diffusion_pytorch_model.non_ema.safetensors", "adapter.safetensors"], None, ["model.safetensors"]),
    ],
)
def test_the_files_of_one_variant_are_taken(names: list[str], variant: str | None, taken: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert variant_of(tmp_path) == variant
    assert [file.name for file in weight_files(tmp_path)] == taken


def test_an_index_is_held_against_the_files_of_its_own_variant(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    index = json.dumps({"weight_map": {"a": "model.fp16-00001-of-00002.safetensors"}})
    (tmp_path / "model.safetensors.index.fp16.json").write_text(index)
    assert weight_files(tmp_path)  # what is taken is whole
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ConfigError, match=r"lacks model\.fp16-00001-of-00002\.safetensors, which model\.safetensors\.index\.json names"):
        weight_files(tmp_path)


@pytest.mark.parametrize("shards", [{"a": ["x"]}, {"a": 1, "b": "c"}, {"a": None}])
def test_shards_that_are_no_names_are_one_error(shards: dict[str, Any], tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "model-00001-of-00001.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"which model\.safetensors\.index\.json names; fetch it"):
        weight_files(tmp_path)


@pytest.mark.parametrize("tensor", [
    {"shape": [-5], "data_offsets": [0, 8]}, {"shape": [1e999], "data_offsets": [0, 8]}, {"shape": [2], "data_offsets": [0, 1e999]},
    {"shape": ["2"], "data_offsets": [0, 8]}, {"shape": [0] * 5000, "data_offsets": [0, 8]}, {"shape": [1] * 9, "data_offsets": [0, 8]},
    {"shape": [10**400], "data_offsets": [0, 8]}, {"shape": [10**18, 0], "data_offsets": [0, 8]}, {"shape": 5, "data_offsets": [0, 8]},
])  # fmt: skip
def test_a_header_with_numbers_that_make_no_sense_is_one_error(tensor: dict[str, Any], tmp_path: Path) -> None:
    header = json.dumps({"a": tensor}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(ConfigError, match="is damaged: it has no header of safetensors"):
        count_weights(path)


def test_more_tensors_than_any_model_has_are_one_error(tmp_path: Path) -> None:
    header = json.dumps({f"a{number}": {"shape": [0], "data_offsets": [0, 0]} for number in range(60_000)}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ConfigError, match="is damaged: it has no header of safetensors"):
        count_weights(path)


@pytest.mark.parametrize("shard", ["../x.safetensors", "/etc/hostname"])
def test_a_shard_elsewhere_is_none(shard: str, tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    for each in (tmp_path / "x.safetensors", tmp_path / "unet" / "model-00001-of-00001.safetensors"):
        save_file({"a": torch.zeros(2)}, each)
    (tmp_path / "unet" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"lacks {shard}, which"):
        weight_files(tmp_path / "unet")


def test_numbers_from_which_nothing_is_made_are_left_alone(model: Path) -> None:
    rewritten(model / "text_encoder" / "config.json", rope_theta=10**9, image_token_id=10**9, vocab={"a": None, "b": True})
    assert base_models.check_folder(str(model), None)


def test_a_folder_that_is_named_like_a_file_of_weights_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(ConfigError, match="leads nowhere; fetch it again"):
        count_weights(tmp_path / "model.safetensors")
