"""The training loop: what the optimiser gets, which weights are kept, when it ends, and how it goes on to the same weights."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training import validation
from gaucho_pipeline.training.examples import ImageSet
from gaucho_pipeline.training.loop import Trainer, lr_factor
from gaucho_pipeline.training.posteriors import Posterior
from gaucho_pipeline.training.state import load_state, previous_of
from gaucho_pipeline_tests.reporters import RecordingReporter
from gaucho_pipeline_tests.trainers import copied, disturb, encoded, measured_on_itself, new_trainer, posteriors, same


def run(trainer: Trainer, tmp_path: Path, name: str = "training") -> Trainer:
    (tmp_path / name).mkdir(exist_ok=True)
    trainer.run(tmp_path / name / "training.pt", Reporter(None))
    return trainer


# ------------------------------------------------------------------------------------------ a step


def test_gradients_are_clipped_to_the_norm_that_is_asked_for(tmp_path: Path) -> None:
    for norm in (1.0, 0.25, None):
        trainer, norms = new_trainer(max_steps=2, max_grad_norm=norm), list[float]()
        real, step = trainer.objective.loss, trainer.optimizer.step
        trainer.objective.loss = lambda examples, real=real: 1e4 * real(examples)  # type: ignore[method-assign,misc]

        def observed(*args: Any, trainer: Trainer = trainer, norms: list[float] = norms, step: Any = step) -> Any:
            norms.append(torch.stack([p.grad.norm() for p in trainer.parameters if p.grad is not None]).norm().item())
            return step(*args)

        trainer.optimizer.step = observed
        run(trainer, tmp_path, str(norm))
        if norm is None:
            assert min(norms) > 10
        else:
            assert norms == pytest.approx([norm, norm], rel=1e-3)


def test_the_rate_rises_and_falls_and_is_what_the_optimiser_gets(tmp_path: Path) -> None:
    spec = TrainingSpec()
    assert [lr_factor(step, 100, spec) for step in (0, 4, 5)] == [0.2, 1.0, 1.0]
    assert lr_factor(99, 100, spec) == pytest.approx(0.1, abs=0.001)
    assert lr_factor(52, 100, spec) == pytest.approx(0.55, abs=0.02)
    trainer = run(new_trainer(max_steps=4, learning_rate=0.01), tmp_path)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * lr_factor(3, 4, spec))


@pytest.mark.parametrize(("schedule", "half", "end"), [("cosine", 0.5, 0.0), ("linear", 0.5, 0.0), ("constant", 1.0, 1.0)])
def test_the_rate_falls_as_its_schedule_says(schedule: Any, half: float, end: float) -> None:
    spec = TrainingSpec(lr_scheduler=schedule, lr_floor=0.0, lr_warmup=0.0)
    assert lr_factor(0, 1000, spec) == 1.0
    assert lr_factor(500, 1000, spec) == pytest.approx(half, abs=1e-3)
    assert lr_factor(999, 1000, spec) == pytest.approx(end, abs=2e-3)
    quarter = {"cosine": 0.8536, "linear": 0.75, "constant": 1.0}[schedule]
    assert lr_factor(250, 1000, spec) == pytest.approx(quarter, abs=1e-3)


def test_the_optimiser_is_as_the_keys_say() -> None:
    group = new_trainer(betas=(0.8, 0.95), weight_decay=0.2).optimizer.param_groups[0]
    assert (group["betas"], group["weight_decay"]) == ((0.8, 0.95), 0.2)


def test_an_optimiser_that_is_an_extra_is_reported_where_it_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"training\.optimizer: adamw_8bit needs the extra"):
        new_trainer(optimizer="adamw_8bit")


def test_epochs_are_how_often_each_image_is_seen_and_max_steps_wins() -> None:
    assert new_trainer(epochs=5).max_steps == math.ceil(5 * 3 / 2)
    assert new_trainer(epochs=5, max_steps=2).max_steps == 2


def test_the_average_of_the_weights_is_what_is_measured_and_kept(tmp_path: Path) -> None:
    trainer = new_trainer(max_steps=6, learning_rate=0.01, ema_decay=0.9, keep_best=False, lr_scheduler="constant", lr_warmup=0.0)
    seen, step = [copied(trainer)], trainer.optimizer.step

    def observed(*args: Any) -> None:
        step(*args)
        seen.append(copied(trainer))

    trainer.optimizer.step = observed
    run(trainer, tmp_path)
    average = {name: tensor.clone() for name, tensor in seen[0].items()}
    for number, weights in enumerate(seen[1:], 1):
        decay = 0.0 if number == 1 else min(0.9, number / (9 + number))  # diffusers' EMAModel counts so
        average = {name: decay * average[name] + (1 - decay) * weights[name] for name in weights}
    kept = copied(trainer)
    assert all(torch.allclose(kept[name], average[name], atol=1e-6) for name in kept)
    assert not same(kept, seen[-1])


# ------------------------------------------------------------------------------------------ what is kept, and when it ends


def measured_as(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Has the measurements of a training give these."""
    found = iter(losses)
    monkeypatch.setattr(validation, "errors", lambda *_, **__: torch.full((2, 8), next(found)) + 1e-4 * torch.arange(8))


def test_the_best_weights_are_kept_and_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, seen = new_trainer(max_steps=3, validation_steps=1, learning_rate=0.01), list[dict[str, torch.Tensor]]()
    measured_as(monkeypatch, [1.0, 0.5, 0.7, 0.6])
    step = trainer.optimizer.step
    trainer.optimizer.step = lambda *args: (step(*args), seen.append(copied(trainer)))[0]
    run(trainer, tmp_path)
    assert trainer.state.best_step == 1
    assert same(copied(trainer), seen[0])
    assert not same(copied(trainer), seen[2])
    assert [row.step for row in trainer.state.curve] == [0, 1, 2, 3]
    assert [file.name for file in sorted((tmp_path / "training").iterdir())] == [
        "best-1.safetensors",
        "training.previous.pt",
        "training.pt",
    ]


def test_the_last_weights_are_kept_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = new_trainer(max_steps=3, validation_steps=1, learning_rate=0.01, keep_best=False)
    measured_as(monkeypatch, [1.0, 0.5, 0.7, 0.6])
    assert run(trainer, tmp_path).state.best_step == 3


def test_a_training_that_a_third_of_its_steps_has_not_moved_ends_there(tmp_path: Path) -> None:
    still = run(new_trainer(max_steps=12, learning_rate=1e-9, early_stopping=True), tmp_path, "still")
    assert (still.state.step, still.max_steps) == (4, 12)
    assert "a third of the steps changed the validation loss by" in still.state.ended
    on = run(new_trainer(max_steps=12, learning_rate=1e-9), tmp_path, "on")
    assert (on.state.step, on.state.ended) == (12, "")


def test_a_training_that_moves_goes_on_to_its_end(tmp_path: Path) -> None:
    trainer = run(new_trainer(measured_on_itself(), max_steps=30, learning_rate=3e-3, early_stopping=True), tmp_path)
    assert (trainer.state.step, trainer.state.ended) == (30, "")


def test_a_training_whose_best_is_a_third_of_its_steps_ago_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = new_trainer(max_steps=9, validation_steps=1, early_stopping=True)
    measured_as(monkeypatch, [1.0, 0.8, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2])
    run(trainer, tmp_path)
    assert (trainer.state.best_step, trainer.state.step) == (2, 5)
    assert trainer.state.ended == "the validation loss has not fallen since step 2"


# ------------------------------------------------------------------------------------------ what is not finite


def test_an_image_that_gives_no_finite_loss_stops_the_run_by_its_name(tmp_path: Path) -> None:
    good, bad = posteriors(2, 1)[0], Posterior(torch.full((4, 16, 16), math.nan), torch.zeros(4, 16, 16))
    trainer = new_trainer(encoded(views=[[good], [bad], [good]]), max_steps=20)
    with pytest.raises(GauchoError, match=r"the loss is not finite at step \d \(images: 1\.png\); lower training\.learning_rate, or excl"):
        run(trainer, tmp_path)


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    trainer = new_trainer(max_steps=2)
    trainer.parameters[0].register_hook(lambda grad: grad * math.inf)
    with pytest.raises(GauchoError, match=r"the gradient is not finite at step 0 \(images: .*\.png"):
        run(trainer, tmp_path)


def test_weights_that_give_no_finite_validation_loss_stop_the_run(tmp_path: Path) -> None:
    trainer = new_trainer(max_steps=20)
    trainer.encoded.validation[0].mean[:] = math.nan
    with pytest.raises(GauchoError, match="the weights are not finite at step 0"):
        run(trainer, tmp_path)


# ------------------------------------------------------------------------------------------ memory


def short_of_memory(trainer: Trainer, fits: int, unless_checkpointed: bool = False) -> None:
    """Has a step run out of memory with more than so many images at once."""
    real = trainer.objective.loss

    def loss(examples: list[Any]) -> torch.Tensor:
        if trainer.plan and len(examples) > fits and not (unless_checkpointed and trainer.state.gradient_checkpointing):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(examples)

    trainer.objective.loss = loss  # type: ignore[method-assign]


def test_out_of_memory_halves_what_is_computed_at_once_and_changes_the_result_by_rounding_only(tmp_path: Path) -> None:
    keys = {"max_steps": 3, "batch_size": 4, "learning_rate": 1e-3}
    whole, told = run(new_trainer(**keys), tmp_path, "whole"), RecordingReporter()
    short = new_trainer(**keys)
    short_of_memory(short, 1)
    (tmp_path / "short").mkdir()
    short.run(tmp_path / "short" / "training.pt", told)
    assert [line.split(":")[1].split(" images")[0].strip() for line in told.lines if "ran out" in line] == ["2", "1"]
    assert (whole.state.micro_batch, short.state.micro_batch) == (4, 1)
    one, other = copied(whole), copied(short)
    assert all(torch.allclose(one[name], other[name], atol=2e-4) for name in one)
    assert not same(one, copied(new_trainer(**keys)))


def test_with_one_image_at_once_parts_are_computed_twice_and_then_it_fails_with_a_remedy(tmp_path: Path) -> None:
    saved = new_trainer(max_steps=1)
    short_of_memory(saved, 0, unless_checkpointed=True)
    assert run(saved, tmp_path, "saved").state.gradient_checkpointing
    lost = new_trainer(max_steps=1)
    short_of_memory(lost, 0)
    with pytest.raises(GauchoError, match=r"with one image at once; lower training\.resolution, or take a smaller base_model"):
        run(lost, tmp_path, "lost")


def test_another_error_is_not_taken_for_one_of_memory(tmp_path: Path) -> None:
    trainer = new_trainer(max_steps=1)

    def broken(*_: Any) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    trainer.model.family.predict = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(trainer, tmp_path)


# ------------------------------------------------------------------------------------------ going on


def stopped_at(trainer: Trainer, step: int, act: Callable[[], None]) -> Trainer:
    """Does something while a step is learned."""
    real = trainer.objective.examples

    def examples(number: int) -> Any:
        if number == step and trainer.plan:
            act()
        return real(number)

    trainer.objective.examples = examples  # type: ignore[method-assign]
    return trainer


def fail() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("kills", "keys"),
    [((3, 4), {"ema_decay": 0.9}), ((4,), {"method": "dreambooth", "learning_rate": 1e-4, "prior_loss_weight": 1.0})],
)
def test_a_run_that_was_killed_ends_with_the_weights_of_an_undisturbed_one(
    kills: tuple[int, ...], keys: dict[str, Any], tmp_path: Path
) -> None:
    keys = {"max_steps": 5, "validation_steps": 2, "learning_rate": 0.01} | keys
    whole = run(new_trainer(**keys), tmp_path, "whole")
    for step in kills:
        with pytest.raises(KeyboardInterrupt):
            run(stopped_at(new_trainer(**keys), step, fail), tmp_path, "killed")
    resumed = run(new_trainer(**keys), tmp_path, "killed")
    assert 1 <= resumed.steps_run <= 3  # from the last state that was whole
    assert same(copied(whole), copied(resumed))
    assert resumed.state == whole.state


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_saves_first_and_goes_on_from_there(number: int, tmp_path: Path) -> None:
    keys = {"max_steps": 5, "validation_steps": 9, "learning_rate": 0.01}
    whole, before = run(new_trainer(**keys), tmp_path, "whole"), signal.getsignal(number)
    asked = stopped_at(new_trainer(**keys), 2, lambda: signal.raise_signal(number))
    with pytest.raises(GauchoError, match="asked to stop: saved at step 3 of 5; run the same again to go on"):
        run(asked, tmp_path, "asked")
    assert signal.getsignal(number) is before
    resumed = run(new_trainer(**keys), tmp_path, "asked")
    assert resumed.steps_run == 2
    assert same(copied(whole), copied(resumed))


def test_outside_of_the_main_thread_signals_are_left_alone(tmp_path: Path) -> None:
    trainer = new_trainer(max_steps=1)
    thread = threading.Thread(target=lambda: run(trainer, tmp_path))
    thread.start()
    thread.join()
    assert trainer.state.step == 1


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    whole = run(new_trainer(max_steps=2), tmp_path)
    again = new_trainer(max_steps=2)
    disturb(again)
    run(again, tmp_path)
    assert again.steps_run == 0
    assert same(copied(whole), copied(again))


def test_a_state_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    run(new_trainer(max_steps=1), tmp_path)
    with pytest.raises(GauchoError, match=r"training\.pt: is of a training with another seed; remove it to begin again"):
        run(new_trainer(max_steps=1, seed=8), tmp_path)
    with pytest.raises(GauchoError, match="with another rank, learning_rate"):
        run(new_trainer(max_steps=1, rank=2, learning_rate=0.5e-4), tmp_path)
    with pytest.raises(GauchoError, match="another max_steps;"):
        run(new_trainer(), tmp_path)
    other = new_trainer(max_steps=1)
    other.inputs["images"] = "others"
    with pytest.raises(GauchoError, match="another images;"):
        run(other, tmp_path)


def test_how_it_is_computed_is_no_other_training(tmp_path: Path) -> None:
    run(new_trainer(max_steps=1), tmp_path)
    assert run(new_trainer(max_steps=1, micro_batch=1, gradient_checkpointing=True, save_minutes=9), tmp_path).steps_run == 0


def test_keys_of_how_it_is_computed_hold_for_a_run_that_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(stopped_at(new_trainer(max_steps=3, validation_steps=1), 2, fail), tmp_path)
    resumed = run(new_trainer(max_steps=3, validation_steps=1, micro_batch=1, gradient_checkpointing=True), tmp_path)
    assert (resumed.state.micro_batch, resumed.state.gradient_checkpointing) == (1, True)


@pytest.mark.parametrize("content", [b"PK\x03\x04 half", b"", b"nothing of the kind"])
def test_a_state_that_is_damaged_is_reported_and_the_one_before_it_is_gone_on_from(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gaucho_pipeline.training.loop.SAVE_TIME_RATIO", 0)  # it is saved after every step, however long that takes
    whole = copied(run(new_trainer(max_steps=3, validation_steps=1), tmp_path, "undisturbed"))
    with pytest.raises(KeyboardInterrupt):
        run(stopped_at(new_trainer(max_steps=3, validation_steps=1), 2, fail), tmp_path)
    state = tmp_path / "training" / "training.pt"
    assert previous_of(state).exists()
    state.write_bytes(content)
    resumed = run(new_trainer(max_steps=3, validation_steps=1), tmp_path)
    told = capsys.readouterr().err
    assert "training.pt, where the training stood, is damaged and was put aside\nthe training goes on from step 1" in told
    assert same(copied(resumed), whole)
    for file in (state, previous_of(state)):
        file.write_bytes(content)
    assert same(copied(run(new_trainer(max_steps=3, validation_steps=1), tmp_path)), whole)
    assert capsys.readouterr().err.count("was put aside\nthe training begins again") == 2


def test_a_byte_that_the_disk_has_changed_is_noticed_and_memory_that_runs_out_damages_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(new_trainer(max_steps=1), tmp_path)
    state = tmp_path / "training" / "training.pt"
    content = state.read_bytes()
    inputs = torch.load(state, weights_only=True)["inputs"]
    assert load_state(state, inputs)[1] == []
    middle = len(content) // 2
    state.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    assert load_state(state, inputs) == (None, [state])
    state.write_bytes(content)

    def full(*arguments: object, **keys: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        load_state(state, inputs)


def test_a_state_whose_best_weights_are_damaged_does_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(stopped_at(new_trainer(max_steps=3, validation_steps=1), 2, fail), tmp_path)
    for file in (tmp_path / "training").glob("best-*.safetensors"):
        file.write_bytes(file.read_bytes()[:-9])
    run(new_trainer(max_steps=3, validation_steps=1), tmp_path)
    assert "begins again" in capsys.readouterr().err


def test_an_image_set_has_a_name_and_a_caption_for_each_image() -> None:
    images = encoded().train
    assert isinstance(images, ImageSet)
    assert len(images) == len(images.names) == len(images.captions) == len(images.views) == 3
