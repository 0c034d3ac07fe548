"""The training loop. What a step learns from is in `objective.py`, what is measured in `validation.py`, what learns in `methods/`."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gaucho_pipeline.assets.rows import Loss
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError, GauchoError, TransientError, _
from gaucho_pipeline.models.base_models import Loaded, is_out_of_memory
from gaucho_pipeline.prompts.templates import instance_prompt
from gaucho_pipeline.spec import JsonObject
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training import processes, validation
from gaucho_pipeline.training.examples import Encoded, Example
from gaucho_pipeline.training.loss_change import change_on_these_images
from gaucho_pipeline.training.memory import Plan, plan
from gaucho_pipeline.training.objective import Objective
from gaucho_pipeline.training.samples import SamplesWhileTraining
from gaucho_pipeline.training.state import SavedState, TrainerState, forget_worse, load_best, load_state, save_best, save_state
from gaucho_pipeline.training.tuned import TunedModel


class NotFinite(GauchoError):
    """Something that is learned, or learned from, is no number any more."""


SAVE_TIME_RATIO = 20
"""Saving states takes at most this part of the time; better weights are kept whenever they are found."""


class Trainer:
    """One training of one concept, or of several together. What differs between base models and methods is theirs to know."""

    def __init__(self, base: Loaded, spec: TrainingSpec, encoded: Encoded, inputs: str = "") -> None:
        self.spec, self.encoded, self.inputs = spec, encoded, JsonObject(spec.identity(), images=inputs)
        self.model = TunedModel(base, spec, encoded.conditionings)
        self.objective = Objective(self.model, spec, encoded)
        self.groups = self.model.method.parameter_groups()
        self.parameters = [parameter for group in self.groups for parameter in group["params"]]
        self.optimizer = self.model.accelerator.prepare(_optimizer(spec, self.groups, base.device))
        self.average = _moving_average(self.parameters, spec.ema_decay)
        self.state = TrainerState()
        chosen = validation.by_member(encoded, validation.selection_of)
        self.selection = [image for _member, own in chosen for image in own]
        self.selection_prompts = [instance_prompt(member.words) for member, own in chosen for _image in own]
        self.max_steps = spec.max_steps or max(1, math.ceil(spec.epochs * len(encoded.train) / spec.batch_size))
        self._first_errors: torch.Tensor | None = None
        self._is_asked = False
        self._best_before = 0
        """The step whose weights the state before names."""
        self.watch: SamplesWhileTraining | None = None
        """What draws pictures while it trains, where that is asked for."""
        self.plan: Plan | None = None
        self.steps_run, self.seconds = 0, 0.0
        """What `run` did in this process."""

    # ------------------------------------------------------------------------------------------ the loop

    def run(self, state_file: Path, reporter: Reporter) -> None:
        """Trains to the last step, from wherever `state_file` is at, and ends with the weights that are kept in place.

        Raises GauchoError if something is not finite, memory runs out, the process is asked to stop, or the file is of another training.
        """
        self._resume(state_file, reporter)
        spec, state, first = self.spec, self.state, self.state.step
        began = saved = time.monotonic()
        save_took = 0.0
        if state.step < self.max_steps and not state.ended:
            self.make_plan(reporter)
        measured = set(validation.steps_to_measure(spec, self.max_steps, len(self.selection), *self._count_reported()))
        progress = reporter.progress("training", self.max_steps, "steps", state.step)
        if not state.curve:
            self._measure(math.nan, state_file.parent)
        with _asked_to_stop() as asked:
            while state.step < self.max_steps and not state.ended:
                self._set_rate()
                loss = self.learn(self.objective.examples(state.step), reporter, bool(asked))
                self._is_asked |= bool(asked) and processes.count() == 1  # who is not alone is heard in the next step
                state.step += 1
                if state.step in measured:
                    self._measure(loss, state_file.parent)
                    state.ended = self._why_end() if spec.early_stopping else ""
                since, ends = time.monotonic() - saved, bool(self._is_asked or state.ended or state.step == self.max_steps)
                if ends or ((state.step in measured or since > 60 * spec.save_minutes) and since > SAVE_TIME_RATIO * save_took):
                    started = time.monotonic()
                    self._save(state_file)
                    saved = time.monotonic()
                    save_took = saved - started
                if self._is_asked and state.step < self.max_steps and not state.ended:
                    raise TransientError(
                        _(
                            "asked to stop: saved at step {step} of {max_steps}; run the same again to go on",
                            step=state.step,
                            max_steps=self.max_steps,
                        )
                    )
                progress.advance(note=f"validation loss {state.curve[-1].validation:.4f} (base {state.curve[0].validation:.4f})")
        self._look(is_last=True)
        if state.ended:
            reporter.info(_("ended at step {step} of {max_steps}: {ended}", step=state.step, max_steps=self.max_steps, ended=state.ended))
        processes.barrier()
        self.model.method.set_weights(load_best(state_file.parent, state.best_step))
        self.steps_run, self.seconds = state.step - first, time.monotonic() - began

    def _count_reported(self) -> tuple[int, int]:
        """How many validation and training images are reported on, of all concepts."""
        reported = sum(len(own) for _member, own in validation.by_member(self.encoded, validation.reported_of))
        return reported, sum(len(validation.measured_of(self.encoded, member)) for member in self.encoded.members)

    def learn(self, examples: list[Example], reporter: Reporter, asked: bool = False) -> float:
        """One step of the optimiser; returns its loss. `asked`: whether this process was asked to stop, which all then are."""
        while True:
            try:
                loss = self._accumulate(processes.shard(examples))
                break
            except (RuntimeError, MemoryError) as error:
                self.optimizer.zero_grad(set_to_none=True)
                if not is_out_of_memory(error):
                    raise
                self._take_less_memory(reporter)
        loss, stops = processes.all_reduce(self.parameters, loss, float(asked))
        self._is_asked, accelerator = stops > 0, self.model.accelerator
        norm = accelerator.clip_grad_norm_(self.parameters, self.spec.max_grad_norm or math.inf)
        if not accelerator.scaler and norm is not None and not torch.isfinite(norm):
            raise NotFinite(
                _(
                    "the gradient is not finite at step {step} ({names}); lower training.learning_rate",
                    step=self.state.step,
                    names=_names(examples),
                )
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.step(self.parameters)
        return loss

    def _accumulate(self, examples: list[Example]) -> float:
        """Adds up the gradient of a step, part by part."""
        total = 0.0
        for part in self.objective.micro_batches(examples, self.state.micro_batch or len(examples)):
            losses = self.objective.loss(part)
            if not torch.isfinite(losses).all():
                bad = [example for example, loss in zip(part, losses, strict=True) if not torch.isfinite(loss)]
                raise NotFinite(
                    _(
                        "the loss is not finite at step {step} ({names}); lower training.learning_rate, or exclude the image in curation",
                        step=self.state.step,
                        names=_names(bad),
                    )
                )
            self.model.backward(losses.sum())
            total += losses.sum().item()
        return total

    def _set_rate(self) -> None:
        share = lr_factor(self.state.step, self.max_steps, self.spec)
        for group, own in zip(self.optimizer.param_groups, self.groups, strict=True):
            group["lr"] = own["lr"] * share

    def end(self) -> None:
        """Takes all that only learning needs out of memory; the model may still be asked."""
        self.model.accelerator.free_memory()
        self.optimizer = self.average = None
        self.groups, self.parameters = [], []

    def release(self) -> None:
        """Takes the model out of memory, too; nothing is to be asked of it any more."""
        self.model.method.release()
        self.end()
        self.model.family.parts.drop(*self.model.method.names)

    # ------------------------------------------------------------------------------------------ memory

    def make_plan(self, reporter: Reporter) -> None:
        spec, state, count = self.spec, self.state, len(self.encoded.train)
        self.plan = found = plan(self.model, self.objective, spec)
        before = state.micro_batch if spec.micro_batch == "auto" else 0  # of the state that is gone on from: it may have had to be smaller
        state.micro_batch = min(before or found.micro_batch, found.micro_batch)
        state.gradient_checkpointing = found.gradient_checkpointing or (
            state.gradient_checkpointing and spec.gradient_checkpointing is None
        )
        self.model.set_gradient_checkpointing(state.gradient_checkpointing)
        self.model.eval_batch_size = state.micro_batch
        reporter.info(
            _(
                "{method}, rate {learning_rate:g}: {max_steps} steps of {batch_size} on {count} images",
                method=spec.method,
                learning_rate=float(spec.learning_rate),
                max_steps=self.max_steps,
                batch_size=spec.batch_size,
                count=count,
            )
        )
        reporter.info(
            _(
                "{micro_batch} images at once ({why}){how}; about {memory_bytes:.1f} GB, and {seconds:.0f} min for the steps",
                micro_batch=state.micro_batch,
                why=found.why,
                how=", parts computed twice" if state.gradient_checkpointing and not found.blocks_wait else "",
                memory_bytes=found.memory_bytes / 1e9,
                seconds=found.seconds * (self.max_steps - state.step) / 60,
            )
        )

    def _take_less_memory(self, reporter: Reporter) -> None:
        """Halves the images that are computed at once; with one, computes parts twice. Raises GauchoError if both are so already."""
        state = self.state
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        if state.micro_batch > 1:
            self.model.eval_batch_size = state.micro_batch = state.micro_batch // 2
            reporter.info(
                _(
                    "memory ran out at step {step}: {micro_batch} images at once from here on; the result is the same",
                    step=state.step,
                    micro_batch=state.micro_batch,
                )
            )
        elif not state.gradient_checkpointing and self.spec.gradient_checkpointing is None:
            state.gradient_checkpointing = True
            self.model.set_gradient_checkpointing(True)
            reporter.info(
                _("memory ran out at step {step}: parts are computed twice from here on; the result is the same", step=state.step)
            )
        else:
            raise GauchoError(
                _(
                    "memory ran out at step {step} with one image at once; lower training.resolution, or take a smaller base_model",
                    step=state.step,
                )
                if state.gradient_checkpointing
                else _(
                    "memory ran out at step {step} with one image at once; lower training.resolution, take a smaller base_model, "
                    "or set training.gradient_checkpointing",
                    step=state.step,
                )
            )

    # ------------------------------------------------------------------------------------------ measuring

    def _measure(self, training_loss: float, folder: Path) -> None:
        """Measures the validation loss, and keeps the weights if they are the best so far, or the last where that is asked for."""
        self._look()
        with self._averaged():
            errors = torch.zeros(len(self.selection), self.spec.validation_noises)
            if processes.is_first():
                errors = validation.errors(self.model, self.selection, self.selection_prompts)
            errors = processes.broadcast(errors, self.model.device)
            loss, state = errors.mean().item(), self.state
            if not math.isfinite(loss):
                raise NotFinite(_("the weights are not finite at step {step}; lower training.learning_rate", step=state.step))
            if self._first_errors is None:
                self._first_errors = errors
            low, high = change_on_these_images(self._first_errors, errors)
            train = {} if math.isnan(training_loss) else {"train": training_loss}
            state.curve.append(Loss(step=state.step, validation=loss, low=low, high=high, **train))
            if loss < state.best_loss or not self.spec.keep_best:
                state.best_loss, state.best_step = loss, state.step
                if processes.is_first():
                    save_best(folder, state.step, self.model.method.weights())

    def _look(self, is_last: bool = False) -> None:
        if self.watch and processes.is_first():
            self.watch.look(self, is_last)

    def _why_end(self) -> str:
        """Why a training is not worth going on with; empty if it is."""
        state, third = self.state, math.ceil(self.max_steps / 3)
        row = state.curve[-1]
        if state.step == third and row.low <= 0 <= row.high:
            return _("a third of the steps changed the validation loss by {low:.4f} to {high:.4f} only", low=row.low, high=row.high)
        if state.step < self.max_steps and state.step - state.best_step >= third:
            return _("the validation loss has not fallen since step {step}", step=state.best_step)
        return ""

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Within it the weights are their moving average, where that is asked for."""
        if not self.average or not self.state.step:
            yield
            return
        self.average.store(self.parameters)
        self.average.copy_to(self.parameters)
        try:
            yield
        finally:
            self.average.restore(self.parameters)

    # ------------------------------------------------------------------------------------------ going on after a kill

    def _save(self, path: Path) -> None:
        if not processes.is_first():
            return
        scaler, is_over = self.model.accelerator.scaler, bool(self.state.ended) or self.state.step == self.max_steps
        content: SavedState = {
            "state": dict(self.state.to_json()),
            "weights": self.model.method.weights(),
            "first_errors": self._first_errors,
            "optimizer": None if is_over else self.optimizer.state_dict(),  # which is most of a state, and of no use any more
            "average": self.average.state_dict() if self.average and not is_over else None,
            "scaler": scaler.state_dict() if scaler else None,
        }
        save_state(path, self.inputs, content)
        forget_worse(path.parent, {self.state.best_step, self._best_before})
        self._best_before = self.state.best_step

    def _resume(self, path: Path, reporter: Reporter) -> None:
        processes.barrier()
        content, damaged = load_state(path, self.inputs)
        processes.barrier()  # nobody saves while another still reads
        for file in damaged if processes.is_first() else ():
            file.replace(file.with_suffix(".damaged"))
            reporter.info(_("{name}, where the training stood, is damaged and was put aside", name=file.name))
            then = _("the training goes on from step {step}", step=content["state"]["step"]) if content else _("the training begins again")
            reporter.info(then)
        if content is None:
            return
        self.state, self._first_errors = TrainerState.from_json(JsonObject(content["state"])), content["first_errors"]
        self._best_before = self.state.best_step
        self.model.method.set_weights(content["weights"])
        if content["optimizer"]:
            self.optimizer.load_state_dict(content["optimizer"])
        if self.average and content["average"]:
            self.average.load_state_dict(content["average"])
            self.average.to(self.model.device)
        if content["scaler"]:
            self.model.accelerator.scaler.load_state_dict(content["scaler"])
        reporter.info(_("going on from step {step} of {max_steps}", step=self.state.step, max_steps=self.max_steps))


def lr_factor(step: int, max_steps: int, spec: TrainingSpec) -> float:
    """The learning rate's share at a step, from 0 to 1: it rises over the warm-up, then falls to its floor as the schedule says."""
    warm_up = max(1, int(max_steps * spec.lr_warmup)) if spec.lr_warmup else 0
    if step < warm_up:
        return (step + 1) / warm_up
    share = (step - warm_up) / max(1, max_steps - warm_up)
    height = {"cosine": 0.5 * (1 + math.cos(math.pi * share)), "linear": 1 - share, "constant": 1.0}[spec.lr_scheduler]
    return spec.lr_floor + (1 - spec.lr_floor) * height


def _moving_average(parameters: list[torch.nn.Parameter], decay: float | None) -> Any:
    """diffusers' moving average of weights, where one is wanted: importing it takes seconds."""
    if not decay:
        return None
    from diffusers.training_utils import EMAModel

    return EMAModel(parameters, decay=decay, min_decay=0.0)


def _optimizer(spec: TrainingSpec, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
    if spec.optimizer == "adamw":
        return torch.optim.AdamW(groups, betas=spec.betas, weight_decay=spec.weight_decay, fused=device.type in ("cuda", "cpu"))
    try:
        import bitsandbytes
    except ImportError:
        raise ConfigError(_("training.optimizer: adamw_8bit needs the extra: pip install 'gaucho-pipeline[bitsandbytes]'")) from None
    found: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(groups, betas=spec.betas, weight_decay=spec.weight_decay)
    return found


def _names(examples: list[Example]) -> str:
    return f"images: {', '.join(sorted({example.name for example in examples}))}"


_REPEATED = 10.0


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that is no longer empty once Ctrl-C or SIGTERM has come.

    One that comes later still ends the process as it always does; those of the same moment are one (a terminal's and Dagster's).
    """
    asked, first = list[int](), list[float]()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: object) -> None:
        if asked and time.monotonic() - first[0] > _REPEATED:
            for each, handler in before.items():
                signal.signal(each, handler)
            signal.raise_signal(number)
        first.append(time.monotonic())
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
