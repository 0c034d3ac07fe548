"""`make gpu`: what only a GPU can show, without a network, on tiny models of every family and at SD 1.5's real geometry.

Each line of the table is one check, with what it took; the last line is the same as JSON. It exits 1 if one failed. On a CPU the checks
that need a GPU are named as not run, and the others run there.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from accelerate.state import AcceleratorState
from real_size import make

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import Loaded
from gaucho_pipeline.models.block_swap import BlockSwap, blocks_of
from gaucho_pipeline.models.memory import peak_bytes, reset_peak
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.stage.reporter import SilentReporter
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.tiny_models import new_family
from gaucho_pipeline_tests.trainers import copied, same

HAS_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if HAS_GPU else "cpu")
DTYPES = (torch.bfloat16, torch.float16) if HAS_GPU else (torch.float32,)


class NotHere(Exception):
    """A check that needs a GPU."""


@contextmanager
def computing_in(dtype: torch.dtype) -> Any:
    AcceleratorState._reset_state(True)  # which takes one type for the whole process
    try:
        with patch.object(base_models, "compute_dtype", lambda device, precision=None: dtype):
            yield
    finally:
        AcceleratorState._reset_state(True)


def new_trainer(place: Path, base: Loaded, side: int, **keys: Any) -> Trainer:
    place.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(4):
        draw_subject("chimarrao", index, side=min(side, 256)).save(place / f"{index}.png")
        rows.append(train_image(index, file=f"{index}.png", pixels=str(index)))
    plain = {
        "rank": 4,
        "learning_rate": 1e-3,
        "batch_size": 2,
        "max_steps": 4,
        "resolution": side,
        "early_stopping": False,
        "keep_best": False,
    }
    spec = TrainingSpec.model_validate(plain | keys).for_family(type(base.family))
    images = ConceptImages(ConceptWords("mtl", "tree"), place, rows[:3], rows[3:])
    encoded, _ = prepare(base, spec, [images], Places(place / "class_images"), SilentReporter(None))
    return Trainer(base, spec, encoded)


def embedded(place: Path, **keys: Any) -> Trainer:
    return new_trainer(place, base_models.load("embedded", None, DEVICE), 64, **keys)


def difference(one: Trainer, other: Trainer) -> float:
    """The largest, over all that was learned."""
    pairs = zip(copied(one).values(), copied(other).values(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def trained(trainer: Trainer, place: Path) -> Trainer:
    trainer.run(place / "training.pt", SilentReporter(None))
    assert all(torch.isfinite(tensor).all() for tensor in copied(trainer).values()), "the weights are not finite"
    return trainer


# ------------------------------------------------------------------------------------------ the checks


def every_family_in_half_precision(place: Path) -> str:
    """A few steps of every tiny family, by both methods, in each type that the card computes in."""
    failed, count = [], 0
    for name, method, dtype in itertools.product(FAMILIES, METHODS, DTYPES):
        here = place / f"{name}-{method}-{dtype}".replace("torch.", "")
        with computing_in(dtype):
            family = new_family(name)
            family.pipeline.to(DEVICE, dtype)
            try:
                trained(new_trainer(here, Loaded(family, DEVICE, base_models.compute_dtype(DEVICE)), 32, method=method), here)
            except GauchoError as error:  # of one of them; the others are tried all the same
                failed.append(f"{here.name}: {error}")
        count += 1
    assert not failed, f"{len(failed)} of {count}: {'; '.join(failed)}"
    return f"{count} trainings"


def blocks_that_wait_change_no_gradient(place: Path) -> str:
    """Of every tiny transformer, between the machine's memory and the card, with parts computed twice."""
    count = 0
    for name, family in FAMILIES.items():
        if not family.swapped_blocks():
            continue
        with computing_in(DTYPES[0]):
            found = new_family(name)
            found.pipeline.to(DEVICE, DTYPES[0])
            trainer = new_trainer(place / name, Loaded(found, DEVICE, DTYPES[0]), 32)
            trainer.model.set_gradient_checkpointing(True)
            whole = gradients(trainer)
            network = trainer.model.family.network.to("cpu")
            BlockSwap(blocks_of(network, family.swapped_blocks()), DEVICE)
            network.to(DEVICE)
            pairs = zip(whole, gradients(trainer), strict=True)
            assert all(torch.equal(one, other) for one, other in pairs), name
        count += 1
    return f"{count} families"


def gradients(trainer: Trainer) -> list[torch.Tensor]:
    """Of the first step, of what has one."""
    trainer.model.accelerator.backward(trainer.objective.loss(trainer.objective.examples(0)).sum())
    found = [parameter.grad.clone() for parameter in trainer.parameters if parameter.grad is not None]
    trainer.optimizer.zero_grad(set_to_none=True)
    return found


def a_killed_run_goes_on(place: Path) -> str:
    """With the scaler's state in fp16: the weights of an undisturbed run."""
    for dtype in DTYPES:
        with computing_in(dtype):
            whole = trained(embedded(place / f"whole {dtype}", save_minutes=0.0001), place / f"whole {dtype}")
            stopped = embedded(place / f"stopped {dtype}", save_minutes=0.0001)
            real = stopped.objective.examples

            def examples(step: int, stopped: Trainer = stopped, real: Any = real) -> Any:
                if stopped.plan and step == 3:
                    raise KeyboardInterrupt
                return real(step)

            stopped.objective.examples = examples  # type: ignore[method-assign]
            with suppress(KeyboardInterrupt):
                stopped.run(place / f"stopped {dtype}" / "training.pt", SilentReporter(None))
            resumed = trained(embedded(place / f"stopped {dtype}", save_minutes=0.0001), place / f"stopped {dtype}")
            assert resumed.steps_run < 4, "it began again"
            found = difference(whole, resumed)
            assert found < 1e-3, f"weights differ by {found}"
    return f"largest difference {found:.1e}"


def two_runs_are_alike(place: Path) -> str:
    one, other = (trained(embedded(place / str(number)), place / str(number)) for number in range(2))
    found = difference(one, other)
    assert found < 1e-3, f"weights differ by {found}"
    return "bit for bit" if same(copied(one), copied(other)) else f"to {found:.1e}"


def memory_that_runs_out(place: Path) -> str:
    """On purpose: this process may take so much of the card that a whole batch does not fit."""
    if not HAS_GPU:
        raise NotHere
    whole = trained(embedded(place / "whole", batch_size=16), place / "whole")
    trainer = embedded(place / "short", batch_size=16, micro_batch=16)
    one = trainer.objective.examples(0)
    reset_peak(DEVICE)
    trainer.objective.loss(one[:1]).sum().backward()
    an_image = peak_bytes(DEVICE) - torch.cuda.memory_allocated()
    torch.cuda.empty_cache()
    room = torch.cuda.memory_reserved() + 6 * an_image
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.mem_get_info()[1])
    try:
        trainer.run(place / "short" / "training.pt", SilentReporter(None))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert trainer.state.micro_batch < 16, "memory did not run out"
    return f"{trainer.state.micro_batch} of 16 images at once, weights differ by {difference(whole, trainer):.1e}"


def the_fused_optimiser(place: Path) -> str:
    if not HAS_GPU:
        raise NotHere
    group = embedded(place).optimizer.param_groups[0]
    assert group["fused"], "it is not fused"
    return "fused"


def a_compiled_denoiser(place: Path) -> str:
    if not HAS_GPU:
        raise NotHere
    torch._dynamo.utils.counters.clear()
    plain = trained(embedded(place / "plain", max_steps=8), place / "plain")
    compiled = trained(embedded(place / "compiled", max_steps=8, compile=True), place / "compiled")
    found = difference(plain, compiled)
    assert found < 5e-3, f"weights differ by {found}"
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"], "nothing was compiled"
    return f"{plain.seconds / compiled.seconds:.2f} times as fast with its making, weights differ by {found:.1e}"


def real_geometry(place: Path) -> str:
    """Stable Diffusion 1.5's sizes at 512 px by LoRA, for a few steps: the memory that is predicted, and that is taken."""
    if not HAS_GPU:
        raise NotHere
    make("sd15", place / "model")
    base = base_models.load(str(place / "model"), None, DEVICE)
    trainer = new_trainer(place / "images", base, 512, batch_size=4, max_steps=20, prior_loss_weight=0.0)
    trainer.run(place / "training.pt", SilentReporter(None))
    assert trainer.plan
    rate = 20 * 4 / trainer.seconds
    return f"{rate:.2f} images/s, {peak_bytes(DEVICE) / 1e9:.1f} GB, predicted {trainer.plan.memory_bytes / 1e9:.1f} GB"


CHECKS: tuple[Callable[[Path], str], ...] = (
    every_family_in_half_precision, blocks_that_wait_change_no_gradient, a_killed_run_goes_on, two_runs_are_alike,
    memory_that_runs_out, the_fused_optimiser,
    a_compiled_denoiser, real_geometry,
)  # fmt: skip


def main() -> int:
    name = torch.cuda.get_device_name(0) if HAS_GPU else "no GPU: what needs one is not run"
    print(name)
    base_models.quiet_libraries()
    rows: list[dict[str, Any]] = []
    for check in CHECKS:
        label, started = check.__name__.replace("_", " "), time.monotonic()
        with tempfile.TemporaryDirectory(prefix="gaucho-gpu-") as folder:
            try:
                outcome, text = "well", check(Path(folder))
            except NotHere:
                outcome, text = "not run", "needs a GPU"
            except Exception as error:
                outcome, text = "failed", f"{type(error).__name__}: {error}".splitlines()[0]
        seconds = time.monotonic() - started
        rows.append({"check": label, "outcome": outcome, "text": text, "seconds": round(seconds, 1)})
        print(f"{label:<34} {outcome:<8} {seconds:6.1f} s  {text}", flush=True)
    print(json.dumps({"device": name, "embedded_recommends": Embedded.recommended.training, "checks": rows}))
    return 1 if any(row["outcome"] == "failed" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
