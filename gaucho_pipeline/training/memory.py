"""How many images are computed at once: what a trial of one image takes, what there is, and what follows from both."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.models.base_models import is_out_of_memory
from gaucho_pipeline.stage.harness import SIDE_BY_SIDE_VARIABLE
from gaucho_pipeline.training.examples import Example
from gaucho_pipeline.training.objective import Objective
from gaucho_pipeline.training.tuned import TunedModel

_CGROUP = Path("/sys/fs/cgroup")
_MARGIN = 0.85
"""The share of what is free that may be planned with."""
_GRADIENT_BYTES = 4
_OPTIMIZER_BYTES = {"adamw": _GRADIENT_BYTES + 8, "adamw_8bit": _GRADIENT_BYTES + 2}
"""For each number that learns: its gradient and the optimiser's averages."""
_STEPS_TO_SEARCH = 16


@dataclass(frozen=True)
class Trial:
    """What one image took, forward and back."""

    memory_bytes: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """How a step is computed, and what it will take."""

    micro_batch: int
    gradient_checkpointing: bool
    memory_bytes: int
    """At the peak, in all."""
    seconds: float
    """Of a step, without measuring and saving; images that are computed together take less each."""
    why: str


def plan(model: TunedModel, objective: Objective, spec: TrainingSpec) -> Plan:
    """Tries one image, the largest of the first steps, and plans with what it took and what there is; keys that are set are kept to.

    Raises GauchoError if one image does not fit.
    """
    example = max((each for step in range(_STEPS_TO_SEARCH) for each in objective.examples(step)), key=lambda each: each.latents.numel())
    count, checkpointing = len(objective.examples(0)), bool(spec.gradient_checkpointing)
    learning = sum(parameter.numel() for group in model.method.parameter_groups() for parameter in group["params"])
    optimizer = _OPTIMIZER_BYTES[spec.optimizer] * learning
    taken, free = resident_bytes(model.device) + optimizer, free_bytes(model.device)

    def trial() -> Trial | None:
        model.set_gradient_checkpointing(checkpointing)
        try:
            return try_out(model, lambda: objective.loss([example]).sum(), _GRADIENT_BYTES * learning)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            forget_gradients(model)
            return None

    def room(tried: Trial) -> int:
        return int((_MARGIN * free - optimizer) / max(tried.memory_bytes, 1))

    tried, why = trial(), "as the specification says"
    if spec.gradient_checkpointing is None and (tried is None or room(tried) < 1):
        checkpointing, why = True, "one image does not fit otherwise"
        tried = trial()
    if tried is None:
        raise GauchoError(_("memory does not hold one image; lower training.resolution, or take a smaller base_model"))
    if spec.micro_batch != "auto":
        size = spec.micro_batch
    else:
        size = max(1, min(spec.batch_size, room(tried)))
        if not checkpointing:
            why = f"{free / 1e9:.1f} GB are free, an image takes {tried.memory_bytes / 1e9:.2f}"
    size = min(size, count)
    return Plan(size, checkpointing, taken + size * tried.memory_bytes, tried.seconds * count, why)


def try_out(model: TunedModel, loss: Callable[[], torch.Tensor], gradients: int = 0) -> Trial:
    """Computes a loss and its gradient, which is thrown away, twice: the first time takes what comes once.

    `gradients`: the bytes of the gradients, which all images of a step share.
    """

    def act() -> None:
        model.accelerator.backward(loss())
        wait_for(model.device)
        forget_gradients(model)

    act()
    _give_back()
    before = resident_bytes(model.device)
    reset_peak(model.device)
    started = time.monotonic()
    act()
    seconds = time.monotonic() - started
    return Trial(max(0, peak_bytes(model.device) - before - gradients), seconds)


def forget_gradients(model: TunedModel) -> None:
    for group in model.method.parameter_groups():
        for parameter in group["params"]:
            parameter.grad = None


def flops_of(model: TunedModel, objective: Objective) -> int:
    """Operations of a whole step, forward and back: examples of one kind take as many each, so that one of each kind is counted."""
    kinds: dict[tuple[torch.Size, bool], list[Example]] = {}
    for example in objective.examples(0):
        kinds.setdefault((example.latents.shape, example.prior_prompt is not None), []).append(example)
    total = 0
    for alike in kinds.values():
        with torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter:
            model.accelerator.backward(objective.loss(alike[:1]).sum())
        forget_gradients(model)
        total += int(counter.get_total_flops()) * len(alike)
    return total


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second that products of large matrices reach on a device: what a training's rate is taken against."""
    side, repeats = (8192, 8) if device.type == "cuda" else (1024, 4)
    one = torch.randn(side, side, device=device, dtype=dtype)
    one @ one
    wait_for(device)
    started = time.monotonic()
    for _repeat in range(repeats):
        one @ one
    wait_for(device)
    return repeats * 2 * side**3 / max(time.monotonic() - started, 1e-9)


def peak_bytes(device: torch.device) -> int:
    """The most memory taken since the process began or the peak was reset: the GPU's where there is one, else the process's."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _status("VmHWM") or int(psutil.Process().memory_info().rss)


def resident_bytes(device: torch.device) -> int:
    """Memory taken now."""
    return int(torch.cuda.memory_allocated(device)) if device.type == "cuda" else int(psutil.Process().memory_info().rss)


def free_bytes(device: torch.device) -> int:
    """Memory that can still be had: of the GPU, or of the machine or the container that this runs in, shared with who stands beside."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    free, others = int(psutil.virtual_memory().available), int(os.environ.get(SIDE_BY_SIDE_VARIABLE, "1"))
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="utf-8").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="utf-8"))
        lines = (_CGROUP / "memory.stat").read_text(encoding="utf-8").splitlines()
        used -= next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)  # files that were read: given back
    except (OSError, ValueError):
        return free // others
    return (min(free, int(limit) - used) if limit.isdigit() else free) // others


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return  # no Linux: the peak is that of the whole run


def _status(name: str) -> int:
    """A figure of this process in bytes, as Linux tells it; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _give_back() -> None:
    """Has memory that was freed leave the process, so that its peak tells what is taken again (malloc_trim(3), of Linux's C library)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
