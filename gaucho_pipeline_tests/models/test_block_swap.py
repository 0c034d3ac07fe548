"""Blocks that wait: the gradient is that of a model that is on the card as a whole, where blocks are called again for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.models.block_swap import BlockSwap, blocks_of
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline_tests.families.test_families_taught import new_trainer
from gaucho_pipeline_tests.trainers import disturb

CPU = torch.device("cpu")
"""Stands for the card, too: what has left it holds no numbers there, so that whatever needs them fails."""


def gradients(trainer: Trainer) -> list[torch.Tensor | None]:
    trainer.objective.loss(trainer.objective.examples(0)).sum().backward()
    found = [None if parameter.grad is None else parameter.grad.clone() for parameter in trainer.parameters]
    trainer.optimizer.zero_grad()
    return found


def same(one: list[torch.Tensor | None], other: list[torch.Tensor | None]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all((a is None and b is None) or (a is not None and b is not None and torch.equal(a, b)) for a, b in pairs)


def swapped(trainer: Trainer, resident: int) -> BlockSwap:
    family = trainer.model.family
    return BlockSwap(blocks_of(family.network, family.swapped_blocks()), CPU, resident)


@pytest.mark.parametrize(
    ("name", "resident"),
    [*((name, 1) for name, family in FAMILIES.items() if family.swapped_blocks()), ("ZImagePipeline", 2), ("FluxPipeline", 2)],
)
def test_the_gradient_is_the_same_to_the_bit(name: str, resident: int, tmp_path: Path) -> None:
    trainer = new_trainer(name, tmp_path)
    trainer.model.set_gradient_checkpointing(True)
    disturb(trainer, 0.02)
    expected = gradients(trainer)
    swap = swapped(trainer, resident)
    for _ in range(2):
        assert same(gradients(trainer), expected)
    swap.remove()
    assert same(gradients(trainer), expected)


def test_so_many_blocks_are_on_the_card_and_no_more(tmp_path: Path) -> None:
    trainer = new_trainer("FluxPipeline", tmp_path)
    trainer.model.set_gradient_checkpointing(True)
    blocks = blocks_of(trainer.model.family.network, trainer.model.family.swapped_blocks())
    whole = [sum(p.nbytes for p in block.parameters() if not p.requires_grad) for block in blocks]
    swap = swapped(trainer, 2)
    assert swap.bytes_on_device == 0
    gradients(trainer)
    assert 0 < swap.bytes_on_device <= sum(sorted(whole)[-2:])
    assert sum(p.numel() == 0 for p in blocks[-1].parameters()) > 0  # the first ones are there: they came last


def test_without_calling_blocks_again_their_weights_would_be_gone(tmp_path: Path) -> None:
    """Which is why the plan always sets both."""
    trainer = new_trainer("FluxPipeline", tmp_path)
    trainer.model.set_gradient_checkpointing(False)
    swapped(trainer, 1)
    with pytest.raises(RuntimeError):
        gradients(trainer)
