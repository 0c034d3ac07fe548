"""The low-rank adapter: where it sits, and the two files that it travels in.

`pytorch_lora_weights.safetensors` is diffusers' format; kohya's is the one that ComfyUI, A1111 and Forge read. What it learns is in
`loop.py`, where it may sit in `target_modules.py`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file

from gaucho_pipeline.base_models import Family
from gaucho_pipeline.concepts import TrainingSpec

DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"


def attach(unet: UNet2DConditionModel, spec: TrainingSpec) -> list[torch.nn.Parameter]:
    """Puts a fresh float32 adapter on the denoiser, whose own weights stay as they are; returns what is to be trained."""
    unet.requires_grad_(False)
    torch.manual_seed(spec.seed)  # before the adapter is drawn, not after
    target_modules = list(spec.effective_target_modules)
    unet.add_adapter(LoraConfig(r=spec.rank, lora_alpha=spec.effective_alpha, init_lora_weights="gaussian", target_modules=target_modules))
    cast_training_params(unet, dtype=torch.float32)
    return [p for p in unet.parameters() if p.requires_grad]


def weights_of(unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """The adapter's weights in peft's names, on the CPU."""
    return {k: v.detach().cpu().clone() for k, v in get_peft_model_state_dict(unet).items()}


def set_weights(unet: UNet2DConditionModel, weights: dict[str, torch.Tensor]) -> None:
    set_peft_model_state_dict(unet, weights)


def save_diffusers(unet: UNet2DConditionModel, folder: Path) -> Path:
    """Writes the adapter with its rank and alpha, without which diffusers would take alpha for the rank."""
    folder.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=get_peft_model_state_dict(unet),  # peft's own names: diffusers' older ones are read back in halves
        weight_name=DIFFUSERS_FILE,
        unet_lora_adapter_metadata=_settings_of(unet),
    )
    return folder / DIFFUSERS_FILE


def _settings_of(unet: UNet2DConditionModel) -> dict[str, Any]:
    """The adapter's settings, in an order that does not change from run to run as that of a set does."""
    settings = unet.peft_config["default"].to_dict()
    return {name: sorted(value) if isinstance(value, (set, list)) else value for name, value in sorted(settings.items())}


def to_kohya(weights: dict[str, torch.Tensor], alpha: float) -> dict[str, torch.Tensor]:
    """The adapter in the names that ComfyUI, A1111 and Forge read: `lora_unet_<path with _>.lora_down.weight` and its like."""
    named = {}
    for key, tensor in weights.items():
        path, side = key.removesuffix(".weight").rsplit(".", 1)
        module = "lora_unet_" + path.replace(".", "_")
        named[f"{module}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = tensor.contiguous()
        named[f"{module}.alpha"] = torch.tensor(float(alpha))
    return named


def digest_of(weights: dict[str, torch.Tensor], alpha: float) -> str:
    """The SHA-256 of the adapter itself; a file's own bytes vary, because safetensors writes its header in any order."""
    named, sha = to_kohya(weights, alpha), hashlib.sha256()
    for name in sorted(named):
        sha.update(name.encode() + named[name].numpy().tobytes())
    return sha.hexdigest()


def save_kohya(
    path: Path, weights: dict[str, torch.Tensor], spec: TrainingSpec, family: Family, title: str, words: str, license_: str, images: int
) -> None:
    """Writes the file that ComfyUI, A1111 and Forge read, with the metadata that they show (modelspec 1.0.1)."""
    resolution = str(spec.resolution)
    named = to_kohya(weights, spec.effective_alpha)
    metadata = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{family}/lora",
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": title,
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.trigger_phrase": words,
        "modelspec.license": license_,
        "ss_base_model_version": "sdxl_base_v1-0" if "xl" in family else "sd_v1",
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
