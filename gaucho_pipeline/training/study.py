"""Trying values: a study trains each combination, a range test finds a learning rate. Both share what is encoded."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaucho_pipeline.assets.metrics import TrialResult
from gaucho_pipeline.assets.rows import Loss
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models.base_models import Loaded
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training import processes, validation
from gaucho_pipeline.training.examples import Encoded
from gaucho_pipeline.training.loop import NotFinite, Trainer
from gaucho_pipeline.training.memory import Plan
from gaucho_pipeline.training.samples import SamplesWhileTraining

RANGE_TEST_STEPS, RANGE_TEST_INTERVAL = 60, 3
"""Steps of a range test, and between two looks at the loss."""
RATE_DIVISOR = 3.0
"""How far below the rate at which the loss was lowest to stay: a whole training is longer than the test."""


@dataclass(frozen=True)
class Lesson:
    """What is taught: images and prompts, encoded, and what the images hash to."""

    encoded: Encoded
    images_digest: str
    watch: SamplesWhileTraining | None = None
    """What draws pictures while it trains."""


@dataclass(frozen=True)
class Study:
    """What came of all trials, of which there may be one."""

    trainer: Trainer
    """Of the best trial, with its weights in place."""
    results: list[TrialResult]
    """Of each, where there was more than one."""
    curves: dict[str, list[Loss]]
    kept: str
    """The name of the curve of the best trial."""


def train_all(base: Loaded, spec: TrainingSpec, lesson: Lesson, states: Path, reporter: Reporter) -> Study:
    """Trains what the specification asks for, each trial from the base model, and ends with the best one's weights in place.

    A trial that has ended already is not run again; one of several that comes to nothing finite counts as the worst. Raises GauchoError as
    `Trainer.run` does.
    """
    trials = spec.trials()
    if len(trials) == 1:
        trainer = _new_trainer(base, spec, lesson, states, reporter)
        trainer.watch = lesson.watch
        trainer.run(states / "training.pt", reporter)
        return Study(trainer, [], {"while training": trainer.state.curve}, "while training")
    results, curves, took = list[TrialResult](), dict[str, list[Loss]](), list[tuple[int, float, Plan | None]]()
    for number, (values, tried) in enumerate(trials):
        reporter.info(_("trial {number} of {count}: {named}", number=number + 1, count=len(trials), named=_named(values)))
        trainer = _new_trainer(base, tried, lesson, states / str(number), reporter)
        result = TrialResult(values=values, loss=None, best_step=0, steps=0, kept=False)
        try:
            trainer.run(states / str(number) / "training.pt", reporter)
            state = trainer.state
            result = result.model_copy(update={"loss": round(state.best_loss, 5), "best_step": state.best_step, "steps": state.step})
        except NotFinite as error:
            reporter.info(_("trial {number} came to nothing: {error}", number=number + 1, error=error))
        curves[_named(values)] = trainer.state.curve
        results.append(result)
        took.append((trainer.steps_run, trainer.seconds, trainer.plan))
        trainer.end()
        trainer.model.method.detach()
        del trainer  # or the next one would be beside it in memory
    if all(result.loss is None for result in results):
        raise NotFinite(_("no trial of the study came to anything finite; lower training.learning_rate"))
    best = min(range(len(results)), key=lambda place: math.inf if (loss := results[place].loss) is None else loss)
    trainer = _new_trainer(base, trials[best][1], lesson, states / str(best), reporter)
    trainer.run(states / str(best) / "training.pt", reporter)
    trainer.steps_run, trainer.seconds, trainer.plan = took[best]
    results = [result.model_copy(update={"kept": number == best}) for number, result in enumerate(results)]
    return Study(trainer, results, curves, list(curves)[best])


def _new_trainer(base: Loaded, tried: TrainingSpec, lesson: Lesson, state: Path, reporter: Reporter) -> Trainer:
    state.mkdir(parents=True, exist_ok=True)
    spec = tried.for_family(type(base.family))
    if spec.learning_rate == "find":
        spec = spec.model_copy(update={"learning_rate": find_rate(base, spec, lesson, state / "range_test.json", reporter)})
    return Trainer(base, spec, lesson.encoded, lesson.images_digest)


def _named(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items())


def _lowest(rows: Sequence[tuple[float, float]], low: float, high: float) -> tuple[float, float]:
    """The rate at which the loss was lowest, and that loss. Raises GauchoError if no rate lowered it."""
    rate, loss = min(rows, key=lambda row: row[1] if math.isfinite(row[1]) else math.inf)
    if rate == rows[0][0]:
        raise GauchoError(
            _("learning_rate: find: no rate from {low:g} to {high:g} lowered the validation loss; set one", low=low, high=high)
        )
    return rate, loss


def find_rate(base: Loaded, spec: TrainingSpec, lesson: Lesson, kept: Path, reporter: Reporter) -> float:
    """A learning rate, by a range test (arXiv 1506.01186): it rises from step to step, and the validation loss is looked at.

    Taken is a third of the rate at which the loss was lowest. Raises GauchoError if no rate lowered it.
    """
    was_found = kept.is_file()
    processes.barrier()
    if was_found:
        return float(json.loads(kept.read_text(encoding="utf-8"))["learning_rate"])
    low, high = METHODS[spec.method].learning_rates
    trainer = Trainer(base, spec.model_copy(update={"learning_rate": low, "ema_decay": None}), lesson.encoded)
    rows = list[tuple[float, float]]()
    few = slice(None, None, max(1, len(trainer.selection) // 4)) if len(lesson.encoded.members) > 1 else slice(4)
    images, prompts = trainer.selection[few], trainer.selection_prompts[few]
    trainer.make_plan(reporter)
    try:
        for step in range(RANGE_TEST_STEPS + 1):
            rate = low * (high / low) ** (step / RANGE_TEST_STEPS)
            if step % RANGE_TEST_INTERVAL == 0:
                loss = validation.errors(trainer.model, images, prompts).mean().item()
                rows.append((rate, loss))
                if not math.isfinite(loss) or loss > 1.5 * rows[0][1]:
                    break
            for group in trainer.optimizer.param_groups:
                group["lr"] = rate
            trainer.learn(trainer.objective.examples(step), reporter)
    except NotFinite:
        pass  # a rate at which nothing is finite any more ends the test
    finally:
        trainer.end()
        trainer.model.method.detach()
    rate, loss = _lowest(rows, low, high)
    found = float(f"{rate / RATE_DIVISOR:.2g}")
    reporter.info(
        _(
            "learning_rate: find took {found:g}: the loss was lowest, {loss:.4f} after {rows:.4f}, at {rate:.2g}",
            found=found,
            loss=loss,
            rows=rows[0][1],
            rate=rate,
        )
    )
    write_atomically(kept, json.dumps({"learning_rate": found, "tried": rows}))
    return found
