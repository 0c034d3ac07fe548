"""The state of a training: what is kept on disk, whole or not at all, so that a killed run goes on to the same weights."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypedDict

import torch
from safetensors.torch import load_file, save_file

from gaucho_pipeline.assets.rows import Loss, parse_row, to_json
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import file_digest
from gaucho_pipeline.files.writing import sync_folder, written_atomically
from gaucho_pipeline.methods.base import Weights
from gaucho_pipeline.models.base_models import is_out_of_memory
from gaucho_pipeline.spec import JsonObject

_KEYS = frozenset({"inputs", "state", "weights", "first_errors", "optimizer", "average", "scaler", "best_digest"})


class SavedState(TypedDict, total=False):
    """What a state file holds, as torch saves it: plain dictionaries, for torch.load reads no class of ours."""

    inputs: dict[str, object]
    state: dict[str, Any]
    weights: Weights
    first_errors: torch.Tensor | None
    optimizer: Any
    average: Any
    scaler: Any
    best_digest: str


@dataclass
class TrainerState:
    """The numbers of a training."""

    step: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    curve: list[Loss] = field(default_factory=list)
    ended: str = ""
    """Why it ended before its last step."""
    micro_batch: int = 0
    """Images that are computed at once; 0 where that is not chosen yet."""
    gradient_checkpointing: bool = False

    def to_json(self) -> JsonObject:
        """The numbers as a state file keeps them."""
        return JsonObject(vars(self) | {"curve": [dict(to_json(row)) for row in self.curve]})

    @classmethod
    def from_json(cls, value: JsonObject) -> Self:
        """The numbers that `to_json` gave. Raises GauchoError for what is none."""
        numbers: Any = value  # of a file whose checksums fit: what is none of these keys raises TypeError
        return cls(**numbers | {"curve": [parse_row(row, Loss, "the state") for row in value.array("curve")]})


def save_state(path: Path, inputs: JsonObject, content: SavedState) -> None:
    """Writes a state; the one before stays beside it, and the new one counts once it is whole and on disk."""
    new = path.with_suffix(".new")
    with written_atomically(new) as file:
        best = file_digest(_best_file(path.parent, content["state"]["best_step"]))
        torch.save({**content, "inputs": dict(inputs), "best_digest": best}, file)
    if path.exists():
        os.replace(path, previous_of(path))
    os.replace(new, path)
    sync_folder(path.parent)


def previous_of(path: Path) -> Path:
    """Where the state before is kept."""
    return path.with_suffix(".previous.pt")


def load_state(path: Path, inputs: JsonObject) -> tuple[SavedState | None, list[Path]]:
    """The newest state that is whole, or None where there is none; and the files that are damaged.

    Raises GauchoError if it is of a training of something else.
    """
    damaged: list[Path] = []
    for file in (path, previous_of(path)):
        if not file.exists():
            continue
        try:
            content = _load(file)
            then, state = content["inputs"], TrainerState.from_json(JsonObject(content["state"]))
            is_whole = content.keys() >= _KEYS and file_digest(_best_file(path.parent, state.best_step)) == content["best_digest"]
        except FileNotFoundError:
            is_whole = False  # of the weights that it names
        except Exception as error:  # whatever is in the file: pickles of nonsense raise anything
            if isinstance(error, OSError) or is_out_of_memory(error):
                raise  # which says nothing of the file
            is_whole = False
        if not is_whole:
            damaged.append(file)
            continue
        if differing := [key for key in {**then, **inputs} if then.get(key) != inputs.get(key)]:
            raise GauchoError(
                _("{path}: is of a training with another {differing}; remove it to begin again", path=path, differing=", ".join(differing))
            )
        return content, damaged
    return None, damaged


def _load(file: Path) -> SavedState:
    """What a state holds, every byte of it checked. Raises ValueError and what torch raises if it is damaged."""
    with zipfile.ZipFile(file) as archive:
        if archive.testzip():
            raise ValueError("a checksum does not fit")
    content: SavedState = torch.load(file, map_location="cpu", weights_only=True)
    return content


def save_best(folder: Path, step: int, weights: Weights) -> None:
    """Keeps the weights of a step, in a file of its own: a whole denoiser would take too much memory."""
    part = folder / f".best-{step}.part"
    try:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, _best_file(folder, step))
    except BaseException:
        part.unlink(missing_ok=True)  # a full disk must not stay full of it
        raise
    sync_folder(folder)


def load_best(folder: Path, step: int) -> Weights:
    """The weights of a step that were kept."""
    found: Weights = load_file(_best_file(folder, step))
    return found


def forget_worse(folder: Path, steps: Collection[int]) -> None:
    """Removes weights of other steps than these; called once a state that names one of them is whole."""
    kept = {_best_file(folder, step) for step in steps}
    for file in folder.glob("best-*.safetensors"):
        if file not in kept:
            file.unlink()


def _best_file(folder: Path, step: int) -> Path:
    return folder / f"best-{step}.safetensors"
