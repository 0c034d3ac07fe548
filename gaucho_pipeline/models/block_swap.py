"""Blocks of a denoiser that wait in the machine's memory while the card computes others: for a model that the card does not hold.

A block's frozen weights are copied to the card when it is called, and those of the block that was called longest ago leave it. With
gradient checkpointing a block is called again just before its gradient is computed, so that its weights are there; else they would be
gone. What learns stays on the card. Nothing is computed otherwise: results are those of a card that holds all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch

LEAST_RESIDENT = 2
"""Blocks on the card at least: the gradient of one may still be under way while the next is called again."""


class BlockSwap:
    """The blocks of one denoiser, of which so many are on a device at a time."""

    def __init__(self, blocks: Sequence[torch.nn.Module], device: torch.device, resident: int = LEAST_RESIDENT) -> None:
        self._device, self._resident = device, resident
        self._waiting = {block: _frozen(block) for block in blocks}
        """Of each block its frozen tensors, and what they hold while they wait."""
        self._on_device: OrderedDict[torch.nn.Module, None] = OrderedDict()
        self._handles = [block.register_forward_pre_hook(self._called, prepend=True) for block in blocks]
        for block in blocks:
            self._send_away(block)

    @property
    def bytes_on_device(self) -> int:
        """What the blocks that are on the device take there, those that wait not counted."""
        return sum(tensor.nbytes for block in self._on_device for tensor, _kept in self._waiting[block])

    def remove(self) -> None:
        """Brings every block back to where it waited, and is called no more."""
        for handle in self._handles:
            handle.remove()
        for tensors in self._waiting.values():
            for tensor, kept in tensors:
                tensor.data = kept
        self._on_device.clear()

    def _called(self, block: torch.nn.Module, arguments: Any) -> None:
        if block in self._on_device:
            self._on_device.move_to_end(block)
            return
        while len(self._on_device) >= self._resident:
            self._send_away(self._on_device.popitem(last=False)[0])
        for tensor, kept in self._waiting[block]:
            tensor.data = kept.to(self._device, copy=True, non_blocking=True)
        self._on_device[block] = None

    def _send_away(self, block: torch.nn.Module) -> None:
        """Leaves nothing on the device: frozen weights were not changed there."""
        for tensor, kept in self._waiting[block]:
            tensor.data = torch.empty(0, dtype=kept.dtype, device=self._device)


def _frozen(block: torch.nn.Module) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(tensor, tensor.data) for tensor in (*block.parameters(), *block.buffers()) if not tensor.requires_grad]


def blocks_of(module: torch.nn.Module, lists: Sequence[str]) -> list[torch.nn.Module]:
    """The blocks in these lists of a module, in the order in which they are called."""
    found = list[torch.nn.Module]()
    for name in lists:
        blocks = module.get_submodule(name)
        found += list(blocks) if isinstance(blocks, torch.nn.ModuleList) else [blocks]
    return found


def longest_list(module: torch.nn.Module) -> list[torch.nn.Module]:
    """The blocks of a text encoder, whichever it calls them: the longest list of modules in it."""
    lists = [list(each) for each in module.modules() if isinstance(each, torch.nn.ModuleList)]
    return max(lists, key=len, default=[])
