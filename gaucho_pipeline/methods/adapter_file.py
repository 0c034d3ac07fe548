"""An adapter's file as anybody may have written it: what it says is held against its own weights, and of its settings two are believed.

PEFT takes text in `target_modules` and patterns for regular expressions, and makes as much memory as `r` asks for: neither reaches it.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from gaucho_pipeline.errors import GauchoError, _, first_line
from gaucho_pipeline.files.inside import file_inside
from gaucho_pipeline.methods.base import Weights

ADAPTER = Path("adapter")
DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"
_SETTINGS_KEY = "lora_adapter_metadata"
"""Under which diffusers keeps PEFT's settings in a file's metadata."""
_NAME = re.compile(r"(?P<part>[a-z_0-9]+)\.(?P<path>[A-Za-z0-9_.]{1,300})\.lora_(?P<side>[AB])\.weight")
_AS_WRITTEN: Mapping[str, tuple[object, ...]] = {
    "peft_type": ("LORA",), "bias": ("none",), "init_lora_weights": ("gaussian", True), "megatron_core": ("megatron.core",),
    "qalora_group_size": (16,), "inference_mode": (True,),
}  # fmt: skip
"""What further settings of PEFT are where they are set, in what is written here; every other is off."""
_READ = ("r", "lora_alpha", "target_modules")
_TOLD = ("peft_version", "base_model_name_or_path")
"""What nothing is taken from."""
_MAX_TARGETS = 10_000
_MAX_ALPHA = 1e6
_MAX_SHOWN = 100


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Any]:
    """An adapter's file: weights, and PEFT's settings of each part by `<part>.<key>`. Raises GauchoError if it is damaged."""
    from safetensors import SafetensorError, safe_open

    path = folder / ADAPTER / DIFFUSERS_FILE
    try:
        file_inside(folder, path)
        with safe_open(path, "pt") as file:
            yield file
    except (OSError, ValueError, LookupError, TypeError, RecursionError, SafetensorError) as error:
        raise does_not_load(folder, first_line(error)) from None


def does_not_load(folder: Path, reason: str) -> GauchoError:
    """What is told of an adapter's file that is refused."""
    return GauchoError(_("{folder} does not load: {error}", folder=folder / ADAPTER, error=reason))


def parts_of(folder: Path, learning: Collection[str] | None = None) -> tuple[str, ...]:
    """The parts that an adapter's file is for. Raises GauchoError if it is for none, or for others than are `learning`."""
    with opened(folder) as file:
        parts = dict.fromkeys(name.partition(".")[0] for name in file.keys())  # noqa: SIM118
    if strange := [part for part in parts if learning is not None and part not in learning]:
        raise does_not_load(folder, f"it is for a part {strange[0][:40]!r}, which does not learn")
    if not parts:
        raise does_not_load(folder, "it holds no weights")
    return tuple(parts)


def read_part(folder: Path, part: str) -> tuple[Weights, dict[str, Any]]:
    """What an adapter's file holds of a part: its weights by name, and the settings of PEFT that go with them, none where none are kept.

    Raises GauchoError for weights that are no pairs of one rank, and for settings that say otherwise or that nothing here writes.
    """
    with opened(folder) as file:
        own = {name: file.get_tensor(name) for name in file.keys() if name.startswith(f"{part}.")}  # noqa: SIM118
        stored = json.loads((file.metadata() or {}).get(_SETTINGS_KEY, "{}"))
        if not isinstance(stored, dict):
            raise ValueError(f"its {_SETTINGS_KEY} is no JSON object")
        settings = {key.removeprefix(f"{part}."): value for key, value in stored.items() if key.startswith(f"{part}.")}
        if stored and not settings:
            raise ValueError(f"it has no settings for {part}")
        pairs = _pairs(own)
        return own, _judged(settings, pairs) if stored else {}


def _pairs(weights: Weights) -> dict[str, int]:
    """The rank of each adapted module, by its path. Raises ValueError for weights that are no pairs."""
    ranks = dict[str, dict[str, int]]()
    for name, tensor in weights.items():
        found = _NAME.fullmatch(name)
        if found is None or not 2 <= tensor.dim() <= 5 or not tensor.is_floating_point():
            raise ValueError(f"{name[:_MAX_SHOWN]!r} is no weight of an adapter")
        ranks.setdefault(found["path"], {})[found["side"]] = int(tensor.shape[0 if found["side"] == "A" else 1])
    for path, sides in ranks.items():
        if len(sides) != 2 or sides["A"] != sides["B"] or sides["A"] < 1:
            raise ValueError(f"the two matrices of {path[:_MAX_SHOWN]} do not belong together")
    return {path: sides["A"] for path, sides in ranks.items()}


def _judged(settings: Mapping[str, Any], ranks: Mapping[str, int]) -> dict[str, Any]:
    """The settings that are handed on. Raises ValueError for what is not as it is written here, or not as the weights are."""
    for key, value in settings.items():
        if key not in (*_READ, *_TOLD) and value and value not in _AS_WRITTEN.get(key, ()):
            raise ValueError(f"its setting {key[:40]} is none that is written here")
    rank, alpha, targets = settings.get("r"), settings.get("lora_alpha"), settings.get("target_modules")
    if type(rank) is not int or {*ranks.values()} != {rank}:
        raise ValueError("its rank r is not that of its weights")
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or not (math.isfinite(alpha) and 0 < alpha <= _MAX_ALPHA):
        raise ValueError("its lora_alpha is no strength")
    if not isinstance(targets, list) or len(targets) > _MAX_TARGETS or not all(isinstance(each, str) for each in targets):
        raise ValueError("its target_modules are no list of modules")
    ends = {*targets}
    if strange := [path for path in ranks if not any(end in ends for end in _ends(path))]:
        raise ValueError(f"its target_modules do not name {strange[0][:_MAX_SHOWN]}")
    return {"r": rank, "lora_alpha": alpha, "target_modules": sorted(end for end in ends if end), "init_lora_weights": "gaussian"}


def _ends(path: str) -> Iterator[str]:
    """A module's path, and what it ends with, as PEFT takes names for modules."""
    names = path.split(".")
    return (".".join(names[start:]) for start in range(len(names)))
