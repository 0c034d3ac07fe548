"""Parts of a base model: each in memory when it is needed, no two large ones together, and changed again when it is loaded again."""

from __future__ import annotations

import json
import re
import shutil
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.families.flux2_klein import Flux2Klein
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.dreambooth import DreamBooth
from gaucho_pipeline.methods.lora import Lora
from gaucho_pipeline.models import base_models, parts
from gaucho_pipeline.models.base_models import Loaded, Loading
from gaucho_pipeline_tests.tiny_models import TINY, new_family

CPU = torch.device("cpu")
SIDE = 32


@pytest.fixture
def every_part_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LARGE_BYTES", 0)


def saved(name: str, folder: Path, **keys: Any) -> Path:
    new_family(name).pipeline.save_pretrained(folder, **keys)
    return folder


def opened(folder: Path, how: Loading = base_models.PLAIN) -> Loaded:
    return base_models.load(str(folder), None, CPU, how)


def resident(base: Loaded) -> set[str]:
    names = {*base.family.text_encoders, "vae", base.family.denoiser}
    return {name for name in names if getattr(base.family.pipeline, name) is not None}


def drawn(base: Loaded) -> np.ndarray:
    return np.asarray(base.family.generate(["a cup"], "", 2, 4.0, [1], SIDE)[0], float)


@pytest.fixture(autouse=True)
def short_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the tiny FLUX.2-klein."""
    monkeypatch.setattr(Flux2Klein, "hidden_layers", (1,))


@pytest.mark.parametrize("name", TINY)
@pytest.mark.usefixtures("every_part_is_large")
def test_no_two_large_parts_are_in_memory_together_and_pictures_are_the_same(name: str, tmp_path: Path) -> None:
    base = opened(saved(name, tmp_path / "model"))
    assert resident(base) == set()
    seen, load = list[set[str]](), base.family.parts._load  # type: ignore[attr-defined]
    base.family.parts._load = lambda part: (load(part), seen.append(resident(base)))  # type: ignore[attr-defined]
    found = drawn(base)
    own = {"vae"} if name == "Flux2KleinPipeline" else set()  # whose statistics end its denoising: it is small in truth
    readers = set(base.family.text_encoders)
    assert all(each <= readers or len(each - own) <= 1 for each in seen)
    assert {part for each in seen for part in each} == {*readers, "vae", base.family.denoiser}
    whole = new_family(name)
    assert np.array_equal(found, np.asarray(whole.generate(["a cup"], "", 2, 4.0, [1], SIDE)[0], float))


@pytest.mark.usefixtures("every_part_is_large")
def test_what_was_learned_is_there_again_when_a_part_is_loaded_again(tmp_path: Path) -> None:
    folder = saved("FluxPipeline", tmp_path / "model")
    taught = opened(folder)
    teach(taught, tmp_path / "checkpoint")
    plain, tuned = drawn(opened(folder)), opened(folder)
    for part in Lora.parts_in(tuned.family, tmp_path / "checkpoint"):
        Lora.load_part(tuned.family, tmp_path / "checkpoint", part)
        Lora.fuse_part(tuned.family, part)
    first = drawn(tuned)
    assert np.abs(first - plain).max() > 1
    assert resident(tuned) == {"vae"}  # the denoiser left for it
    assert np.array_equal(drawn(tuned), first)


def teach(base: Loaded, folder: Path) -> None:
    """Stores an adapter that changes what is drawn."""
    method = Lora(base.family, TrainingSpec(rank=4, resolution=SIDE).for_family(type(base.family)))
    method.attach()
    with torch.no_grad():
        for group in method.parameter_groups():
            for parameter in group["params"]:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    folder.mkdir()
    method.save(folder, CheckpointInfo("x", "chmrr drink", "CC0-1.0", 2))


@pytest.mark.parametrize("name", ["FluxPipeline", "SanaPipeline", "ZImagePipeline"])
def test_a_model_whose_blocks_wait_draws_the_same_and_what_was_learned_too(name: str, tmp_path: Path) -> None:
    folder = saved(name, tmp_path / "model")
    whole, waiting = drawn(opened(folder)), opened(folder)
    assert waiting.family.network
    assert waiting.family.parts.swap(waiting.family.denoiser)
    assert waiting.family.parts.is_swapped(waiting.family.denoiser)
    assert np.array_equal(drawn(waiting), whole)
    if name == "FluxPipeline":
        teach(opened(folder), tmp_path / "checkpoint")
        plain = opened(folder)
        for base in (plain, waiting):
            Lora.load_part(base.family, tmp_path / "checkpoint", "transformer")
            Lora.fuse_part(base.family, "transformer")
        assert np.array_equal(drawn(waiting), drawn(plain))


def test_blocks_of_a_unet_do_not_wait(tmp_path: Path) -> None:
    base = opened(saved("StableDiffusionPipeline", tmp_path / "model"))
    assert base.family.network
    assert not base.family.parts.swap("unet")


# ---------------------------------------------------------------------------------------------- as models are published


@pytest.mark.parametrize("variant", ["bf16", "fp16"])
@pytest.mark.parametrize("only", [("vae", "text_encoder"), ("vae", "text_encoder", "unet"), ("unet",)])
def test_parts_that_are_published_in_a_variant_only_are_loaded(only: tuple[str, ...], variant: str, tmp_path: Path) -> None:
    folder = saved("StableDiffusionPipeline", tmp_path / "model")
    for part in only:
        for file in (folder / part).glob("*.safetensors"):
            file.rename(file.with_name(f"{file.name.removesuffix('.safetensors')}.{variant}.safetensors"))
    assert base_models.check_folder(str(folder), None)
    assert drawn(opened(folder)).shape == (SIDE, SIDE, 3)


def test_plain_weights_go_before_a_variant_and_those_for_training_on_are_never_taken(tmp_path: Path) -> None:
    folder = saved("StableDiffusionPipeline", tmp_path / "model")
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    zeros = {name: torch.zeros_like(tensor) for name, tensor in load_file(file).items()}
    for ending in ("bf16", "non_ema", "fp16"):
        save_file(zeros, file.with_name(f"diffusion_pytorch_model.{ending}.safetensors"))
    assert any(parameter.abs().sum() > 0 for parameter in opened(folder).family.network.parameters())
    file.unlink()
    assert all(parameter.abs().sum() == 0 for parameter in opened(folder).family.network.parameters())


def test_stable_diffusion_3_without_its_third_encoder_is_loaded(tmp_path: Path) -> None:
    pipeline = new_family("StableDiffusion3Pipeline").pipeline
    pipeline.register_modules(text_encoder_3=None, tokenizer_3=None)
    pipeline.save_pretrained(tmp_path / "model")
    base = opened(tmp_path / "model")
    assert base.family.text_encoders == ("text_encoder", "text_encoder_2")
    assert drawn(base).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("name", TINY)
def test_a_model_without_a_part_that_it_draws_with_is_refused_before_anything_is_loaded(name: str, tmp_path: Path) -> None:
    """Which these are, its own pipeline says; of Stable Diffusion 3 the third encoder may be left out."""
    family, folder = type(new_family(name)), saved(name, tmp_path / "model")
    taken = signature(type(new_family(name).pipeline).__init__).parameters
    own = {each for each in taken if re.fullmatch(r"(text_encoder|tokenizer)(_2)?", each)}
    assert {*family.required_parts} == own - {*family.without}
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for part in family.required_parts:
        for without in (index | {part: [None, None]}, {key: value for key, value in index.items() if key != part}):
            (folder / "model_index.json").write_text(json.dumps(without), encoding="utf-8")
            with pytest.raises(ConfigError, match=f"lacks its part {part}; fetch the whole model again"):
                base_models.check_folder(str(folder), None)


@pytest.mark.parametrize(
    ("part", "config"),
    [("vae", {"block_out_channels": None}), ("unet", {"block_out_channels": None}), ("unet", {"down_block_types": ["No"]})],
)
def test_a_configuration_that_makes_no_part_is_one_error(part: str, config: dict[str, Any], tmp_path: Path) -> None:
    folder = saved("StableDiffusionPipeline", tmp_path / "model")
    path = folder / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | config), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"the configuration of its {part} makes no {part}"):
        opened(folder)


def in_the_hubs_cache(folder: Path, cache: Path) -> None:
    """Puts a model's folder where the hub's library keeps what it fetched."""
    kept = cache / "models--owner--name"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("a" * 40)
    shutil.copytree(folder, kept / "snapshots" / ("a" * 40))


@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_what_is_in_the_hubs_cache_is_loaded_without_asking_anybody_and_keeps_its_type(
    shard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = new_family("StableDiffusion3Pipeline").pipeline.to(torch.bfloat16)
    pipeline.save_pretrained(tmp_path / "model", max_shard_size=shard)
    assert bool([*(tmp_path / "model" / "transformer").glob("*-00001-of-*")]) == (shard == "20KB")
    in_the_hubs_cache(tmp_path / "model", tmp_path / "cache")
    for where in ("huggingface_hub.constants", "diffusers.configuration_utils", "transformers.utils.hub"):
        monkeypatch.setattr(f"{where}.HF_HUB_CACHE", str(tmp_path / "cache"), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    base = base_models.load("owner/name", "a" * 40, CPU)
    assert base.family.network is not None
    assert {base.family.parts.stored_dtype(part) for part in ("transformer", "vae", "text_encoder")} == {torch.bfloat16}


def test_all_weights_do_not_learn_where_blocks_wait(tmp_path: Path) -> None:
    """Those that wait would be empty, and a gradient of theirs of the wrong size."""
    base = opened(saved("FluxPipeline", tmp_path / "model"))
    assert base.family.network
    assert base.family.parts.swap("transformer")
    method = DreamBooth(base.family, TrainingSpec(method="dreambooth").for_family(type(base.family)))
    with pytest.raises(GauchoError, match="dreambooth teaches all weights, and they do not fit on this card; take method: lora"):
        method.attach()


def test_a_part_that_is_half_as_large_on_disk_counts_as_large_as_it_is_in_memory(tmp_path: Path) -> None:
    new_family("StableDiffusionPipeline").pipeline.to(torch.float16).save_pretrained(tmp_path / "model")
    found = opened(tmp_path / "model").family.parts
    expected = 4 * sum(parameter.numel() for parameter in new_family("StableDiffusionPipeline").network.parameters())
    assert found._size_of("unet") == expected  # type: ignore[attr-defined]


def test_a_text_encoder_with_too_few_layers_is_refused_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flux2Klein, "hidden_layers", (9, 18, 27))
    folder = saved("Flux2KleinPipeline", tmp_path / "model")
    with pytest.raises(ConfigError, match="has a text encoder of 2 layers, of which number 27 is read; fetch the whole model again"):
        base_models.check_folder(str(folder), None)


def test_a_part_of_a_library_that_is_not_known_is_refused_and_nothing_is_imported(tmp_path: Path) -> None:
    folder = saved("StableDiffusionPipeline", tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for named in (["os", "system"], ["diffusers", "__loader__"], ["transformers", "AutoTokenizer"], ["diffusers", "DDIMScheduler"]):
        (folder / "model_index.json").write_text(json.dumps(index | {"vae": named}), encoding="utf-8")
        with pytest.raises(ConfigError, match=f"its vae is a {named[1]}, which is not known here"):
            opened(folder)


def test_a_damaged_part_is_named_when_it_is_needed(tmp_path: Path) -> None:
    folder = saved("StableDiffusionPipeline", tmp_path / "model")
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["decoder.conv_in.weight"][0] = float("nan")
    save_file(tensors, file)
    base = opened(folder)
    assert base.family.network
    with pytest.raises(GauchoError, match=r"is damaged: vae\.decoder\.conv_in\.weight is not finite; fetch the model again"):
        base.family.vae  # noqa: B018


# ---------------------------------------------------------------------------------------------- fewer bits


def test_eight_bits_need_an_extra_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they draw is held in `scale/`: once torchao is there, transformers loads it in every stage."""
    monkeypatch.setattr(base_models, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"training\.quantization: int8 needs the extra: pip install 'gaucho-pipeline\[torchao\]'"):
        opened(saved("StableDiffusionPipeline", tmp_path / "model"), Loading("int8"))


def test_bfloat16_on_a_cpu_is_asked_for_and_refused_where_it_would_be_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved("FluxPipeline", tmp_path / "model")
    monkeypatch.setattr(base_models, "has_bf16", lambda: False)
    with pytest.raises(ConfigError, match=r"training\.precision: bf16 needs a CPU with AMX or AVX512-BF16"):
        opened(folder, Loading(None, "bf16"))
    monkeypatch.setattr(base_models, "has_bf16", lambda: True)
    base = opened(folder, Loading(None, "bf16"))
    assert (base.dtype, base.family.network.dtype) == (torch.bfloat16, torch.bfloat16)
    assert np.abs(drawn(base) - drawn(opened(folder))).mean() < 5
