"""Several processes that teach one concept together: `accelerate launch … -m gaucho_pipeline.training REQUEST --distributed`.

Each computes its share of a step's images, and gradients are added up, so that a step learns from the same images as in one process. Only
the first measures, saves and publishes. Where nobody asks for it, what a batch system sets of itself is ignored.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TypeVar

import torch
from torch import distributed

T = TypeVar("T")
OPTION = "--distributed"
_SET_BY_LAUNCHERS = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID",
    "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE",
)  # fmt: skip


def start(arguments: list[str], environment: MutableMapping[str, str]) -> int:
    """Takes OPTION out of a command line, and joins the others if it stood there; returns which process this is, from 0."""
    if OPTION not in arguments:
        for name in _SET_BY_LAUNCHERS:
            environment.pop(name, None)
        return 0
    arguments.remove(OPTION)
    number = int(environment.get("RANK", "0"))
    if int(environment.get("WORLD_SIZE", "1")) > 1:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(environment.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return number


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the one that measures, saves and publishes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def shard(values: Sequence[T]) -> list[T]:
    """This process's part of values that all have."""
    return list(values[distributed.get_rank() :: count()]) if distributed.is_initialized() else list(values)


def all_reduce(parameters: Sequence[torch.nn.Parameter], *numbers: float) -> list[float]:
    """Adds up all processes' gradients, in place, and some numbers, which are returned."""
    if count() == 1:
        return list(numbers)
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        distributed.all_reduce(parameter.grad)
    total = torch.tensor(numbers, dtype=torch.float32, device=parameters[0].device)
    distributed.all_reduce(total)
    found: list[float] = total.tolist()
    return found


def broadcast(value: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The first process's value of a tensor, on the CPU; the others' tell its shape only."""
    if count() == 1:
        return value
    there = value.to(device)
    distributed.broadcast(there, 0)
    return there.cpu()


def barrier() -> None:
    """Returns when all processes have come here."""
    if count() > 1:
        distributed.barrier()
