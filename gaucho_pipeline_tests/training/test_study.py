"""Trying values: every combination from the same beginning, the best kept; and a learning rate that is found."""

from __future__ import annotations

import gc
import math
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.models import base_models
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training import study, validation
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.study import Lesson, Study, find_rate, train_all
from gaucho_pipeline_tests.trainers import PLAIN, copied, measured_on_itself, new_trainer, same


@pytest.fixture(autouse=True)
def short_range_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "RANGE_TEST_STEPS", 21)


def spec_of(**keys: Any) -> TrainingSpec:
    return TrainingSpec.model_validate(PLAIN | {"max_steps": 6, "validation_steps": 3} | keys).for_family(Embedded)


def studied(tmp_path: Path, **keys: Any) -> Study:
    base = base_models.load("embedded", None, torch.device("cpu"))
    return train_all(base, spec_of(**keys), Lesson(measured_on_itself(), "images"), tmp_path, Reporter(None))


def test_every_combination_is_tried_and_the_best_is_kept(tmp_path: Path) -> None:
    found = studied(tmp_path, study={"learning_rate": [3e-3, 1e-9], "rank": [2, 4]})
    assert [result.values for result in found.results] == [
        {"learning_rate": rate, "rank": rank} for rate in (3e-3, 1e-9) for rank in (2, 4)
    ]
    best = min(found.results, key=lambda result: result.loss)
    assert [result.kept for result in found.results] == [result is best for result in found.results]
    assert best.values["learning_rate"] == 3e-3
    assert found.trainer.spec.rank == best.values["rank"]
    assert found.trainer.state.best_loss == pytest.approx(best.loss, abs=1e-5)
    assert list(found.curves) == [f"learning_rate {rate:g}, rank {rank}" for rate in (3e-3, 1e-9) for rank in (2, 4)]
    assert found.trainer.steps_run == 6


def test_a_trial_learns_what_it_would_alone(tmp_path: Path) -> None:
    together = studied(tmp_path / "study", study={"learning_rate": [1e-9, 3e-3]})
    alone = studied(tmp_path / "alone", learning_rate=3e-3)
    assert alone.results == []
    assert same(copied(together.trainer), copied(alone.trainer))


def test_trials_that_have_ended_are_not_run_again(tmp_path: Path) -> None:
    first = studied(tmp_path, study={"learning_rate": [3e-3, 1e-3]})
    again = studied(tmp_path, study={"learning_rate": [3e-3, 1e-3]})
    assert (first.trainer.steps_run, again.trainer.steps_run) == (6, 0)
    assert same(copied(first.trainer), copied(again.trainer))
    assert again.results == first.results


def test_a_trial_that_comes_to_nothing_finite_counts_as_the_worst(tmp_path: Path) -> None:
    found = studied(tmp_path, study={"learning_rate": [0.1, 1e-3]}, method="dreambooth", max_grad_norm=None, max_steps=12)
    assert [result.loss is None for result in found.results] == [True, False]
    assert [result.kept for result in found.results] == [False, True]


def test_no_trial_stands_in_memory_beside_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, real, made = list[int](), Trainer.run, list[Any]()

    def run(self: Trainer, *args: Any) -> None:
        gc.collect()
        alive.append(sum(each() is not None for each in made))
        made.append(weakref.ref(self.optimizer))
        real(self, *args)

    monkeypatch.setattr(Trainer, "run", run)
    studied(tmp_path, study={"rank": [2, 3, 4]}, max_steps=1)
    assert alive == [0, 0, 0, 0]


def test_computing_parts_twice_in_one_trial_is_not_taken_into_the_next(tmp_path: Path) -> None:
    base = base_models.load("embedded", None, torch.device("cpu"))
    for on in (True, False):
        trainer = Trainer(base, spec_of(gradient_checkpointing=on), measured_on_itself())
        (tmp_path / str(on)).mkdir()
        trainer.run(tmp_path / str(on) / "training.pt", Reporter(None))
        assert base.family.network.is_gradient_checkpointing is on
        trainer.end()
        trainer.model.method.detach()


@pytest.mark.parametrize(
    ("tried", "message"),
    [
        ({"nonsense": [1, 2]}, "nonsense is no key of training that can be tried"),
        ({"method": ["lora", "dreambooth"]}, "method is no key of training that can be tried"),
        ({"seed": [1, 2]}, "seed is no key of training that can be tried"),
        ({"rank": [4, 4]}, "rank needs values, each once"),
        ({"rank": []}, "rank needs values, each once"),
        ({"rank": [4]}, "tries 2 to 24 combinations"),
        ({"rank": [*range(1, 26)]}, "tries 2 to 24 combinations"),
        ({"rank": [4, 0]}, "rank"),
        ({"learning_rate": [1e-4, "fast"]}, "learning_rate"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(tried: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingSpec.model_validate({"study": tried})


def test_a_trial_may_name_modules_of_its_family(tmp_path: Path) -> None:
    trials = spec_of(study={"target_modules": ["attention", "all"]}).trials()
    sizes = [len(trial.for_family(Embedded).target_modules) for _, trial in trials]
    assert sizes[0] < sizes[1]


# ------------------------------------------------------------------------------------------ learning_rate: find


def found_rate(tmp_path: Path, **keys: Any) -> float:
    base = base_models.load("embedded", None, torch.device("cpu"))
    return find_rate(
        base, spec_of(learning_rate="find", **keys), Lesson(measured_on_itself(), "images"), tmp_path / "range_test.json", Reporter(None)
    )


@pytest.mark.parametrize(("method", "low", "high"), [("lora", 1e-4, 1e-2), ("dreambooth", 1e-6, 1e-3)])
def test_the_rate_that_is_found_learns_more_than_a_much_lower_one(method: str, low: float, high: float, tmp_path: Path) -> None:
    rate = found_rate(tmp_path, method=method)
    assert low < rate <= high
    results = []
    for name, tried in (("found", rate), ("lower", rate / 30)):
        (tmp_path / name).mkdir()
        trainer = new_trainer(measured_on_itself(), learning_rate=tried, max_steps=20, method=method)
        trainer.run(tmp_path / name / "training.pt", Reporter(None))
        results.append(trainer.state.best_loss)
    assert results[0] < results[1]


def test_a_rate_that_was_found_is_not_sought_again_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = studied(tmp_path, learning_rate="find")
    rate = trained.trainer.spec.learning_rate
    monkeypatch.setattr(validation, "errors", lambda *_, **__: torch.full((2, 8), math.nan))
    assert studied(tmp_path, learning_rate="find").trainer.spec.learning_rate == rate
    monkeypatch.undo()
    alone = studied(tmp_path / "alone", learning_rate=rate)
    assert same(copied(trained.trainer), copied(alone.trainer))


def test_where_no_rate_lowers_the_loss_that_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rising = iter(range(1000))
    monkeypatch.setattr(validation, "errors", lambda *_, **__: torch.full((2, 8), 1 + next(rising) / 100))
    with pytest.raises(GauchoError, match=r"learning_rate: find: no rate from 1e-05 to 0\.03 lowered the validation loss; set one"):
        found_rate(tmp_path)
