"""The methods of teaching, under one contract: what learns, that the untouched model is still asked, and that what is stored reads back."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from gaucho_pipeline.assets.checks import Subject, sound_weights
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.families import Family
from gaucho_pipeline.families.z_image import ZImage
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.base import CheckpointInfo, tensors_digest
from gaucho_pipeline.methods.lora import ADAPTER, DIFFUSERS_FILE, to_kohya
from gaucho_pipeline.models import base_models
from gaucho_pipeline.prompts.templates import instance_prompt
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline_tests.standing import METRICS
from gaucho_pipeline_tests.tiny_models import new_family
from gaucho_pipeline_tests.trainers import WORDS, copied, disturb, new_trainer, same

PROMPT = instance_prompt(WORDS)
VARIANTS: list[dict[str, Any]] = [{"method": name, **more} for name in METHODS for more in ({}, {"train_text_encoder": True})]


def predicted(family: Family) -> torch.Tensor:
    with torch.no_grad():
        told = family.collate([family.encode_prompt(PROMPT)])
        return family.predict(torch.ones(1, 4, 16, 16), torch.tensor([0.5]), told)


@pytest.mark.parametrize("keys", VARIANTS)
def test_the_untouched_model_is_still_asked_while_another_is_learned(keys: dict[str, Any]) -> None:
    untaught = predicted(base_models.load("embedded", None, torch.device("cpu")).family)
    trainer = new_trainer(**keys)
    assert torch.equal(predicted(trainer.model.family), untaught)
    disturb(trainer, 0.05)
    assert not torch.allclose(predicted(trainer.model.family), untaught, atol=1e-3)
    with trainer.model.method.disable_adapter():
        assert torch.equal(predicted(trainer.model.family), untaught)
    assert not torch.allclose(predicted(trainer.model.family), untaught, atol=1e-3)
    trainer.model.method.detach()
    assert torch.equal(predicted(trainer.model.family), untaught)


@pytest.mark.parametrize("keys", VARIANTS)
def test_what_is_stored_reads_back_and_can_be_made_part_of_the_model(keys: dict[str, Any], tmp_path: Path) -> None:
    trainer = new_trainer(alpha=8, **keys)
    disturb(trainer, 0.05)
    learned = predicted(trainer.model.family)
    trainer.model.method.save(tmp_path, CheckpointInfo("x", "mtl tree", "CC0-1.0", 3))
    fresh = base_models.load("embedded", None, torch.device("cpu")).family
    METHODS[trainer.spec.method].load(fresh, tmp_path)
    assert torch.allclose(predicted(fresh), learned, atol=1e-5)
    for part in METHODS[trainer.spec.method].parts_in(fresh, tmp_path):
        METHODS[trainer.spec.method].fuse_part(fresh, part)
    assert torch.allclose(predicted(fresh), learned, atol=1e-4)
    assert not any("lora" in name for name, _ in fresh.network.named_parameters())


@pytest.mark.parametrize("keys", VARIANTS)
def test_weights_that_were_put_back_are_those_that_were_given(keys: dict[str, Any]) -> None:
    trainer = new_trainer(**keys)
    disturb(trainer)
    kept = copied(trainer)
    disturb(trainer)
    assert not same(kept, copied(trainer))
    trainer.model.method.set_weights(kept)
    assert same(kept, copied(trainer))


@pytest.mark.parametrize("keys", VARIANTS)
def test_all_that_is_asked_for_learns_in_float32_and_nothing_else(keys: dict[str, Any], tmp_path: Path) -> None:
    trainer = new_trainer(max_steps=2, learning_rate=1e-3, **keys)
    before = copied(trainer)
    text_encoder = trainer.model.family.part("text_encoder")
    others = {name: p.clone() for name, p in text_encoder.named_parameters() if not p.requires_grad}
    trainer.run(tmp_path / "training.pt", _silent())
    after = copied(trainer)
    assert all(parameter.dtype is torch.float32 for parameter in trainer.parameters)
    assert {name.split(".")[0] for name in after} == ({"unet", "text_encoder"} if keys.get("train_text_encoder") else {"unet"})
    for component in {name.split(".")[0] for name in after}:
        assert any(not torch.equal(before[name], after[name]) for name in after if name.startswith(component)), component
    assert all(torch.equal(p, others[name]) for name, p in text_encoder.named_parameters() if name in others)


def _silent() -> Any:
    from gaucho_pipeline.stage.reporter import Reporter

    return Reporter(None)


def test_text_encoders_learn_at_a_rate_of_their_own() -> None:
    rates = [group["lr"] for group in new_trainer(train_text_encoder=True, text_encoder_learning_rate=1e-5, learning_rate=1e-3).groups]
    assert rates == [1e-3, 1e-5]
    assert [group["lr"] for group in new_trainer(train_text_encoder=True, learning_rate=1e-3).groups] == [1e-3, 1e-3]


def test_text_encoders_of_other_families_are_not_trained_and_that_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"training\.train_text_encoder: the text encoders of ZImagePipeline are not trained here"):
        TrainingSpec(train_text_encoder=True).for_family(ZImage)


def test_a_method_has_its_own_recommended_rate() -> None:
    embedded, other = (new_family(name) for name in ("StableDiffusionPipeline", "StableDiffusionPipeline"))
    del embedded
    rates = {method: TrainingSpec(method=method).for_family(type(other)).learning_rate for method in ("lora", "dreambooth")}
    assert rates == {"lora": 1e-4, "dreambooth": 5e-6}
    assert TrainingSpec(method="dreambooth", learning_rate=1e-6).for_family(type(other)).learning_rate == 1e-6


# ------------------------------------------------------------------------------------------ LoRA


def test_alpha_over_rank_is_the_adapters_strength() -> None:
    for keys, strength in (({"rank": 4}, 1.0), ({"rank": 4, "alpha": 8}, 2.0), ({"rank": 8, "alpha": 2}, 0.25)):
        trainer = new_trainer(**keys)
        scalings = {module.scaling["default"] for module in trainer.model.family.network.modules() if hasattr(module, "scaling")}
        assert scalings == {strength}


def test_only_the_named_modules_are_adapted_and_only_they_learn() -> None:
    trainer = new_trainer(target_modules=("to_q",))
    names = {name.rsplit(".lora_", 1)[0].rpartition(".")[2] for name in copied(trainer)}
    assert names == {"to_q"}
    network = trainer.model.family.network
    assert all(("lora_" in name) == parameter.requires_grad for name, parameter in network.named_parameters())


def test_every_name_of_modules_adapts_what_it_says() -> None:
    adapted = {name: {key.rsplit(".lora_", 1)[0] for key in copied(new_trainer(target_modules=name))} for name in ("attention", "all")}
    adapted["attention_ff"] = {key.rsplit(".lora_", 1)[0] for key in copied(new_trainer(target_modules="attention_ff"))}
    assert adapted["attention"] < adapted["attention_ff"] < adapted["all"]
    assert any(".ff.net.2" in name for name in adapted["attention_ff"] - adapted["attention"])
    more = adapted["all"] - adapted["attention_ff"]
    assert any(name.endswith(".conv1") for name in more)
    assert any(name.endswith(".time_emb_proj") for name in more)


def test_modules_that_are_not_there_are_reported() -> None:
    with pytest.raises(ConfigError, match=r"training\.target_modules: the base model has none of nonsense, more"):
        new_trainer(target_modules=["nonsense", "more"])


def test_the_same_seed_begins_with_the_same_adapter() -> None:
    one, again, other = (copied(new_trainer(seed=seed)) for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)


def test_diffusers_file_is_float32_and_keeps_rank_and_alpha(tmp_path: Path) -> None:
    trainer = new_trainer(alpha=8)
    trainer.model.method.save(tmp_path, CheckpointInfo("x", "mtl tree", "CC0-1.0", 3))
    with safe_open(tmp_path / ADAPTER / DIFFUSERS_FILE, "np") as file:
        settings = json.loads(file.metadata()["lora_adapter_metadata"])
        assert all(file.get_tensor(name).dtype == np.float32 for name in file.keys())  # noqa: SIM118
    assert (settings["unet.lora_alpha"], settings["unet.r"]) == (8, 4)


def single_file(trainer: Trainer, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    trainer.spec = trainer.model.method.spec = trainer.spec.model_copy(update={"resolution": 64})
    trainer.model.method.save(folder, CheckpointInfo("x", "mtl tree", "CC0-1.0", 3))
    with safe_open(folder / "x.safetensors", "np") as file:
        return load_file(folder / "x.safetensors"), file.metadata()


def test_kohyas_file_is_in_half_precision_and_keeps_alpha_rank_and_the_trigger_words(tmp_path: Path) -> None:
    trainer = new_trainer(alpha=8)
    disturb(trainer)
    tensors, metadata = single_file(trainer, tmp_path)
    assert {tensor.item() for name, tensor in tensors.items() if name.endswith(".alpha")} == {8.0}
    assert (metadata["ss_network_alpha"], metadata["ss_network_dim"]) == ("8.0", "4")
    assert (metadata["modelspec.trigger_phrase"], metadata["modelspec.resolution"]) == ("mtl tree", "64x64")
    for name, tensor in trainer.model.method.weights().items():
        path, side = name.removeprefix("unet.").removesuffix(".weight").rsplit(".", 1)
        key = f"lora_unet_{path.replace('.', '_')}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"
        assert tensors[key].dtype == np.float16
        assert np.array_equal(tensors[key], tensor.half().numpy())


def test_text_encoders_are_in_kohyas_file_under_the_names_that_readers_know(tmp_path: Path) -> None:
    trainer = new_trainer(train_text_encoder=True)
    names = {name for name in single_file(trainer, tmp_path)[0] if not name.startswith("lora_unet_")}
    assert "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight" in names
    assert all(name.startswith("lora_te_text_model_encoder_layers_") for name in names)


def test_two_text_encoders_are_numbered() -> None:
    weights = {f"{name}.encoder.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(1) for name in ("text_encoder", "text_encoder_2")}
    assert {name for name in to_kohya(weights, 1.0) if not name.endswith("alpha")} == {
        f"lora_{short}_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight" for short in ("te1", "te2")
    }


def test_a_file_that_is_not_one_is_reported(tmp_path: Path) -> None:
    for name, file in (("lora", ADAPTER / DIFFUSERS_FILE), ("dreambooth", Path("unet/diffusion_pytorch_model.safetensors"))):
        trainer = new_trainer(method=name)
        trainer.model.method.save(tmp_path / name, CheckpointInfo("x", "mtl tree", "CC0-1.0", 3)) if name == "dreambooth" else single_file(
            trainer, _made(tmp_path / name)
        )
        (tmp_path / name / file).write_bytes(b"nothing")
        with pytest.raises(GauchoError, match="does not load"):
            predicted(loaded_with(name, tmp_path / name))


def loaded_with(method: str, folder: Path) -> Family:
    family = base_models.load("embedded", None, torch.device("cpu")).family
    METHODS[method].load(family, folder)
    return family


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_weights_that_are_not_finite_fail_the_check(tmp_path: Path) -> None:
    metrics = METRICS["checkpoint"]
    for name, value, passed in (("good", 1.0, True), ("bad", math.nan, False), ("endless", math.inf, False)):
        folder = tmp_path / name
        folder.mkdir()
        save_file({"a": np.array([1.0, value], np.float32)}, folder / "adapter.safetensors")
        assert sound_weights(metrics, Subject({}, folder)).passed is passed


def test_the_digest_of_weights_is_theirs_whatever_their_order_and_tells_settings_apart() -> None:
    weights = copied(new_trainer())
    found = tensors_digest(weights, "lora", 4.0)
    assert found == tensors_digest(dict(reversed(weights.items())), "lora", 4.0)
    assert found != tensors_digest(weights, "lora", 8.0)
    assert found != tensors_digest({name: tensor + 1 for name, tensor in weights.items()}, "lora", 4.0)


A1111 = (
    r"lora_unet_conv_in", r"lora_unet_conv_out", r"lora_unet_time_embedding_linear_\d+",
    r"lora_unet_down_blocks_\d+_(attentions|resnets)_\d+_.+", r"lora_unet_mid_block_(attentions|resnets)_\d+_.+",
    r"lora_unet_up_blocks_\d+_(attentions|resnets)_\d+_.+", r"lora_unet_down_blocks_\d+_downsamplers_0_conv",
    r"lora_unet_up_blocks_\d+_upsamplers_0_conv", r"lora_te_text_model_encoder_layers_\d+_(self_attn|mlp)_.+",
)  # fmt: skip
"""The names that A1111 and Forge turn into their own (`convert_diffusers_name_to_compvis` of their networks.py)."""


def test_every_name_in_kohyas_file_is_one_that_its_readers_take(tmp_path: Path) -> None:
    """ComfyUI takes `lora_unet_` and the path of any weight of diffusers' UNet, `lora_te_text_model_` and that of CLIP's text model."""
    trainer = new_trainer(target_modules="all", train_text_encoder=True)
    pipeline = base_models.load("embedded", None, torch.device("cpu")).pipeline
    unet = {name.removesuffix(".weight").replace(".", "_") for name, _ in pipeline.unet.named_parameters() if name.endswith(".weight")}
    text = {
        name.removesuffix(".weight").removeprefix("text_model.").replace(".", "_") for name, _ in pipeline.text_encoder.named_parameters()
    }
    comfyui = {f"lora_unet_{name}" for name in unet} | {f"lora_te_text_model_{name}" for name in text}
    tensors, _ = single_file(trainer, tmp_path)
    sides = {"lora_down.weight", "lora_up.weight", "alpha"}
    for module in {name.split(".", 1)[0] for name in tensors}:
        assert module in comfyui
        assert any(re.fullmatch(pattern, module) for pattern in A1111), module
        assert {name.split(".", 1)[1] for name in tensors if name.split(".", 1)[0] == module} == sides
