"""How many images are computed at once: what a trial of one image takes, what there is, and what follows from both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models.base_models import is_out_of_memory
from gaucho_pipeline.models.memory import free_bytes, give_back, peak_bytes, resident_bytes
from gaucho_pipeline.training.examples import Example
from gaucho_pipeline.training.objective import Objective
from gaucho_pipeline.training.tuned import TunedModel

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
    blocks_wait: bool
    """Whether blocks wait in the machine's memory while others are computed."""
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
    parts, denoiser = model.family.parts, model.family.denoiser
    count, checkpointing, waits = len(objective.examples(0)), bool(spec.gradient_checkpointing), parts.is_swapped(denoiser)
    checkpointing |= waits  # whose weights are there when a block is called
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
    if tried is None and spec.gradient_checkpointing is None and model.method.is_adapter and parts.swap(denoiser):
        waits, why = True, "one image does not fit otherwise"
        tried = trial()
    if tried is None:
        raise GauchoError(_("memory does not hold one image; set {keys}, or take a smaller base_model", keys=_remedies(spec)))
    if spec.micro_batch != "auto":
        size = spec.micro_batch
    else:
        size = max(1, min(spec.batch_size, room(tried)))
        if waits:
            why = "blocks wait in the machine's memory, which the card does not hold together"
        elif not checkpointing:
            why = f"{free / 1e9:.1f} GB are free, an image takes {tried.memory_bytes / 1e9:.2f}"
    size = min(size, count)
    return Plan(size, checkpointing, waits, taken + size * tried.memory_bytes, tried.seconds * count, why)


def _remedies(spec: TrainingSpec) -> str:
    """The keys that make a training smaller, as they are written, in the order of what they cost."""
    found = (
        [] if spec.quantization or not METHODS[spec.method].is_adapter else ["training.quantization: int8", "training.quantization: nf4"]
    )
    return " or ".join([*found, f"training.resolution: {max(256, (spec.resolution or 1024) // 2)}"])


def try_out(model: TunedModel, loss: Callable[[], torch.Tensor], gradients: int = 0) -> Trial:
    """Computes a loss and its gradient, which is thrown away, twice: the first time takes what comes once.

    `gradients`: the bytes of the gradients, which all images of a step share.
    """

    def act() -> None:
        model.backward(loss())
        wait_for(model.device)
        forget_gradients(model)

    act()
    give_back(model.device)
    before = resident_bytes(model.device)
    model.peaks.restart()
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
            model.backward(objective.loss(alike[:1]).sum())
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


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
