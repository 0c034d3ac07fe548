"""Adapters in the names that other programs know: modules are renamed, and put together where their makers have one matrix for several.

Which names those are, is each family's to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Renames = Sequence[tuple[str, str]]
"""Patterns of a module's path, the whole of it, and what it is called then: the first that fits."""
Fused = tuple[str, Sequence[str], str]
"""A pattern of the path before several modules, their names in the order in which they are one, and what that one is called."""
_SIDES = ("lora_A", "lora_B")


def renamed(weights: Mapping[str, torch.Tensor], renames: Renames) -> dict[str, torch.Tensor]:
    """An adapter by `<part>.<path>.lora_A/B.weight`, with its modules renamed; `<part>.` goes."""
    found = {}
    for key, tensor in weights.items():
        path, side = _split(key)
        pattern, name = next((pattern, name) for pattern, name in renames if re.fullmatch(pattern, path))
        found[f"{re.sub(f'^(?:{pattern})$', name, path)}.{side}.weight"] = tensor.contiguous()
    return found


def fused(weights: Mapping[str, torch.Tensor], together: Fused, renames: Renames) -> dict[str, torch.Tensor]:
    """The same, where some modules are one: their ranks are added up, each acts on its own rows.

    lora_A of the one is (ranks, in), the modules' one below the other; lora_B (outs, ranks), theirs as blocks on the diagonal.
    """
    import torch

    before, names, whole = together
    pattern = re.compile(f"{before}({'|'.join(names)})")
    groups = dict[str, dict[str, dict[str, torch.Tensor]]]()
    others = dict[str, torch.Tensor]()
    for key, tensor in weights.items():
        path, side = _split(key)
        if fits := pattern.fullmatch(path):
            one = re.sub(f"^(?:{pattern.pattern})$", whole, path)
            groups.setdefault(one, {}).setdefault(fits[fits.re.groups], {})[side] = tensor
        else:
            others[key] = tensor
    found = renamed(others, renames)
    for one, modules in groups.items():
        down, up = ([modules[name][side] for name in names] for side in _SIDES)
        found[f"{one}.lora_A.weight"] = torch.cat(down).contiguous()
        found[f"{one}.lora_B.weight"] = torch.block_diag(*up).contiguous()  # type: ignore[no-untyped-call]
    return found


def _split(key: str) -> tuple[str, str]:
    """A module's path without the part's name, and which side of its adapter."""
    path, side = key.removesuffix(".weight").rsplit(".", 1)
    return path.partition(".")[2], side
