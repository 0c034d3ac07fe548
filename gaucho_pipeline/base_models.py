"""Base models: how one is named, recognised, pinned and loaded.

Naming and identity need no heavy import; torch and diffusers are imported where a model is loaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gaucho_pipeline.canonical import folder_digest
from gaucho_pipeline.concepts import EMBEDDED
from gaucho_pipeline.errors import ConfigError, GauchoError

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline

EMBEDDED_FOLDER = Path(__file__).parent / "embedded" / "model"


def folder_of(model: str) -> Path | None:
    """The folder of a model that is on this disk; None for one from a hub."""
    if model == EMBEDDED:
        return EMBEDDED_FOLDER
    return Path(model) if Path(model).is_absolute() else None


def identity(model: str, revision: str | None) -> dict[str, str | None]:
    """What tells a base model from every other: id and revision, and for one on this disk the digest of its files.

    Raises ConfigError if its folder is not there or holds no model.
    """
    folder = folder_of(model)
    if folder is None:
        return {"id": model, "revision": revision, "digest": None}
    if not (folder / "model_index.json").is_file():
        raise ConfigError(f"{folder} holds no model (no model_index.json)")
    return {"id": model if model == EMBEDDED else folder.name, "revision": revision, "digest": _folder_digest(folder, _stamp(folder))}


@lru_cache(maxsize=16)
def _folder_digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    return folder_digest(folder)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files)


Family = Literal["stable-diffusion-v1", "stable-diffusion-xl-v1-base"]


@dataclass(frozen=True)
class Loaded:
    """A base model in memory, float32 or half, on its device."""

    pipeline: StableDiffusionPipeline
    family: Family
    resolution: int
    """Side of its pictures in pixels."""
    device: torch.device


def load(model: str, revision: str | None, device: torch.device) -> Loaded:
    """Loads a Stable Diffusion pipeline (safetensors only), in the type that the device computes in.

    Raises GauchoError if it cannot be had, or is of a family that is not known.
    """
    _quiet()
    from diffusers import StableDiffusionPipeline

    folder = folder_of(model)
    try:
        config: dict[str, Any] = (
            json.loads((folder / "model_index.json").read_text())
            if folder
            else dict(StableDiffusionPipeline.load_config(model, revision=revision))
        )
        if config.get("_class_name") != "StableDiffusionPipeline":
            raise GauchoError(
                f"training.base_model: {model} is a {config.get('_class_name')}; StableDiffusionPipeline is what can be taught"
            )
        pipeline = StableDiffusionPipeline.from_pretrained(
            str(folder or model),
            revision=None if folder else revision,
            dtype=compute_dtype(device),
            use_safetensors=True,
            safety_checker=None,
            requires_safety_checker=False,
        )
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise GauchoError(f"training.base_model: {model} cannot be loaded: {first}") from None
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    resolution = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    return Loaded(pipeline, "stable-diffusion-v1", resolution, device)


def compute_dtype(device: torch.device) -> torch.dtype:
    """What a denoiser computes in on a device: bfloat16 where the GPU has it, else float16; float32 elsewhere."""
    import torch

    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _quiet() -> None:
    """Keeps the libraries' own progress bars and advice out of a log that has its own."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    from diffusers.utils import logging as diffusers_logging

    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()


def best_device() -> torch.device:
    """A CUDA device, else Apple's, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
