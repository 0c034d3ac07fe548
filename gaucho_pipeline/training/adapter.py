"""The low-rank adapter: where it sits, and the two files that it travels in.

`pytorch_lora_weights.safetensors` is diffusers' format, with PEFT's own settings. The single file is what other programs read: kohya's
layout for UNets (ComfyUI, A1111, Forge), `transformer.<path>.lora_A/B` with alpha / rank folded in for transformers, where kohya's would
be ignored without a word. What an adapter learns is in `loop.py`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file

from gaucho_pipeline.concepts import TrainingSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families import Family

DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"


def attach(network: Any, spec: TrainingSpec) -> list[torch.nn.Parameter]:
    """Puts a fresh float32 adapter on a denoiser, whose own weights stay as they are; returns what is to be trained.

    `spec.target_modules` are modules by name. Raises ConfigError if the denoiser has none of them.
    """
    network.requires_grad_(False)
    torch.manual_seed(spec.seed)  # before the adapter is drawn, not after
    config = LoraConfig(
        r=spec.rank, lora_alpha=spec.effective_alpha, init_lora_weights="gaussian", target_modules=list(spec.target_modules)
    )
    try:
        network.add_adapter(config)
    except ValueError:
        raise ConfigError(f"training.target_modules: the base model has none of {', '.join(spec.target_modules)}") from None
    cast_training_params(network, dtype=torch.float32)
    return [p for p in network.parameters() if p.requires_grad]


def weights_of(network: Any) -> dict[str, torch.Tensor]:
    """The adapter's weights in PEFT's names, on the CPU."""
    return {k: v.detach().cpu().clone() for k, v in get_peft_model_state_dict(network).items()}


def set_weights(network: Any, weights: dict[str, torch.Tensor]) -> None:
    set_peft_model_state_dict(network, weights)


def save_diffusers(family: Family, folder: Path) -> Path:
    """Writes the adapter with its rank and alpha, without which diffusers would take alpha for the rank."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = get_peft_model_state_dict(family.network)  # PEFT's own names: diffusers' older ones are read back in halves
    settings = family.network.peft_config["default"].to_dict()
    ordered = {name: sorted(value) if isinstance(value, (set, list)) else value for name, value in sorted(settings.items())}
    named = {f"{family.denoiser}_lora_layers": layers, f"{family.denoiser}_lora_adapter_metadata": ordered}
    type(family.pipeline).save_lora_weights(folder, weight_name=DIFFUSERS_FILE, **named)
    return folder / DIFFUSERS_FILE


def to_kohya(weights: dict[str, torch.Tensor], alpha: float) -> dict[str, torch.Tensor]:
    """A UNet's adapter in kohya's names: `lora_unet_<path with _>.lora_down.weight` and its like, with alpha beside."""
    named = {}
    for key, tensor in weights.items():
        path, side = key.removesuffix(".weight").rsplit(".", 1)
        module = "lora_unet_" + path.replace(".", "_")
        named[f"{module}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = tensor.contiguous()
        named[f"{module}.alpha"] = torch.tensor(float(alpha))
    return named


def to_folded(weights: dict[str, torch.Tensor], strength: float) -> dict[str, torch.Tensor]:
    """A transformer's adapter in diffusers' names with its strength, alpha / rank, folded into lora_B: readers take it for 1."""
    return {f"transformer.{key}": (tensor * strength if ".lora_B." in key else tensor).contiguous() for key, tensor in weights.items()}


def digest_of(weights: dict[str, torch.Tensor], alpha: float) -> str:
    """The SHA-256 of the adapter itself; a file's own bytes vary, because safetensors writes its header in any order."""
    named, sha = to_kohya(weights, alpha), hashlib.sha256()
    for name in sorted(named):
        sha.update(name.encode() + named[name].numpy().tobytes())
    return sha.hexdigest()


def save_single_file(path: Path, family: Family, spec: TrainingSpec, title: str, words: str, license_: str, images: int) -> None:
    """Writes the file that other programs read, with the metadata that they show (modelspec 1.0.1; kohya's `ss_` for UNets)."""
    weights, is_unet = weights_of(family.network), family.denoiser == "unet"
    named = to_kohya(weights, spec.effective_alpha) if is_unet else to_folded(weights, spec.effective_alpha / spec.rank)
    metadata = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": title,
        "modelspec.resolution": f"{spec.resolution}x{spec.resolution}",
        "modelspec.trigger_phrase": words,
        "modelspec.license": license_,
    } | family.file_metadata()
    if is_unet:
        metadata |= {
            "ss_output_name": path.stem,
            "ss_network_module": "networks.lora",
            "ss_network_dim": str(spec.rank),
            "ss_network_alpha": str(spec.effective_alpha),
            "ss_learning_rate": str(spec.learning_rate),
            "ss_tag_frequency": json.dumps({path.stem: {words: images}}, ensure_ascii=False),
            "ss_dataset_dirs": json.dumps({path.stem: {"n_repeats": 1, "img_count": images}}),
            "sshs_model_hash": digest_of(weights, spec.effective_alpha),
        }
    save_file(named, path, metadata=metadata)
