"""What is said of a training when it is over: a run that learned nothing is told from one that did, and what is stored reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from gaucho_pipeline.assets.metrics import CheckpointMetrics
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.lora import ADAPTER, DIFFUSERS_FILE
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training.loss_change import loss_fell
from gaucho_pipeline.training.report import losses_of, measure, read_back
from gaucho_pipeline.training.study import Study
from gaucho_pipeline.training.validation import reported_of
from gaucho_pipeline_tests.trainers import disturb, measured_on_itself, new_trainer


def measured(tmp_path: Path, **keys: Any) -> CheckpointMetrics:
    trainer = new_trainer(measured_on_itself(), **({"max_steps": 40, "validation_steps": 20, "rank": 8, "validation_noises": 4} | keys))
    trainer.run(tmp_path / "training.pt", Reporter(None))
    (found,) = measure(Study(trainer, [], {"while training": trainer.state.curve}, "while training"), 0.5, "free")
    return found


@pytest.mark.parametrize(("learning_rate", "expected"), [(1e-9, "no"), (3e-3, "yes")])
def test_a_run_that_learned_nothing_is_reported_from_one_that_did(learning_rate: float, expected: str, tmp_path: Path) -> None:
    found = measured(tmp_path, learning_rate=learning_rate)
    loss = found.validation_loss
    assert loss.interval
    assert found.loss_fell == expected == loss_fell(loss.base, loss.interval, found.best_step, bool(found.reported_apart))
    assert loss.interval[0] <= loss.tuned - loss.base <= loss.interval[1]


def test_the_losses_of_every_noise_level_make_up_the_whole(tmp_path: Path) -> None:
    found = measured(tmp_path, learning_rate=3e-3)
    assert [level.noise for level in found.by_noise_level] == sorted({level.noise for level in found.by_noise_level})
    for name in ("base", "tuned"):
        mean = sum(getattr(level, name) for level in found.by_noise_level) / len(found.by_noise_level)
        assert mean == pytest.approx(getattr(found.validation_loss, name), abs=1e-4)


def test_losses_differ_by_images_and_prompts() -> None:
    trainer = new_trainer()
    disturb(trainer)
    losses, _, _ = losses_of(trainer, trainer.encoded.members[0], reported_of(trainer.encoded.validation))
    tuned = [pair.tuned for part in (losses.train, losses.validation) for pair in (part.token, part.other_token, part.class_noun)]
    assert len(set(tuned)) == 6


def test_what_it_took_stands_beside_what_was_predicted(tmp_path: Path) -> None:
    found = measured(tmp_path, max_steps=6)
    took = found.resources
    assert took
    assert (took.micro_batch, took.gradient_checkpointing, took.watt_hours) == (2, False, 0.5)
    assert took.share_of_peak
    assert 0 < took.share_of_peak < 1.5
    assert took.seconds > 0
    assert took.predicted_memory_bytes > 1e8
    assert (found.steps, found.base_model_license) == (6, "free")


def test_what_is_stored_as_something_else_is_refused(tmp_path: Path) -> None:
    def study() -> Study:
        trainer = new_trainer(alpha=8)
        disturb(trainer, 0.2)
        trainer.model.method.save(tmp_path, CheckpointInfo("x", "mtl tree", "CC0-1.0", 3))
        return Study(trainer, [], {}, "")

    assert read_back(study(), tmp_path) < 1e-4
    spoilt, file = study(), tmp_path / ADAPTER / DIFFUSERS_FILE
    save_file({name: tensor * 2 for name, tensor in load_file(file).items()}, file)  # other weights, and without their alpha
    with pytest.raises(GauchoError, match="what was stored, read back, predicts something else"):
        read_back(spoilt, tmp_path)
    broken = study()
    file.write_bytes(b"nothing")
    with pytest.raises(GauchoError, match="does not load"):
        read_back(broken, tmp_path)


def test_reading_back_takes_the_trained_model_out_of_memory_first(tmp_path: Path) -> None:
    trainer = new_trainer(method="dreambooth")
    trainer.model.method.save(tmp_path, CheckpointInfo("x", "mtl tree", "CC0-1.0", 3))
    read_back(Study(trainer, [], {}, ""), tmp_path)
    assert trainer.model.family.pipeline.unet is None
    assert (trainer.optimizer, trainer.parameters) == (None, [])
