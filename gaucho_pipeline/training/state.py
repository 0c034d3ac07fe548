"""Where a training stands: what is kept on disk, whole or not at all, so that a killed run goes on to the same weights."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from gaucho_pipeline.artifacts import written_atomically
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.methods.base import Weights


@dataclass
class TrainerState:
    """The numbers of a training."""

    step: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    curve: list[dict[str, float]] = field(default_factory=list)
    ended: str = ""
    """Why it ended before its last step."""
    micro_batch: int = 0
    """Images that are computed at once; 0 where that is not chosen yet."""
    gradient_checkpointing: bool = False


def save_state(path: Path, inputs: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Writes a state; the one before stays until the new one is whole."""
    with written_atomically(path) as file:
        torch.save({"inputs": dict(inputs), **content}, file)


def load_state(path: Path, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """A state, or None where there is none. Raises GauchoError if it is of a training of something else, or broken."""
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        then = content["inputs"]
    except (RuntimeError, EOFError, LookupError, ValueError, OSError, UnpicklingError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:80]
        raise GauchoError(f"{path}: cannot be read ({first}); remove it to begin anew") from None
    if differing := [key for key in {**then, **inputs} if then.get(key) != inputs.get(key)]:
        raise GauchoError(f"{path}: is of a training with another {', '.join(differing)}; remove it to begin anew")
    return content


def save_best(folder: Path, step: int, weights: Weights) -> None:
    """Keeps the weights of a step, in a file of its own: a whole denoiser would take too much memory."""
    part = folder / f".best-{step}.part"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, _best_file(folder, step))


def load_best(folder: Path, step: int) -> Weights:
    """The weights of a step that were kept."""
    found: Weights = load_file(_best_file(folder, step))
    return found


def forget_worse(folder: Path, best_step: int) -> None:
    """Removes weights of other steps; called once a state that names this one is whole."""
    for file in folder.glob("best-*.safetensors"):
        if file != _best_file(folder, best_step):
            file.unlink()


def _best_file(folder: Path, step: int) -> Path:
    return folder / f"best-{step}.safetensors"
