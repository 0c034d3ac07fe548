"""The loss curve as a picture and as logs."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gaucho_pipeline.assets.rows import Loss
from gaucho_pipeline.training.curve import Curve, draw_curves, write_logs

ROWS = [Loss(step=0, validation=1.0), Loss(step=5, validation=0.7, train=0.4)]


def test_the_curve_shows_the_validation_loss_the_trials_and_the_step_that_was_kept(tmp_path: Path) -> None:
    def drawn(curves: dict[str, Curve], kept: str = "a", best: int = 5) -> bytes:
        draw_curves(curves, kept, best, tmp_path / "losses.png")
        return (tmp_path / "losses.png").read_bytes()

    other = [row.model_copy(update={"validation": 0.9}) for row in ROWS]
    assert drawn({"a": ROWS}) == drawn({"a": [row.model_copy(update={"train": 0.1}) for row in ROWS]})
    assert drawn({"a": ROWS}) != drawn({"a": other})
    assert drawn({"a": ROWS}) != drawn({"a": ROWS}, best=0)
    assert drawn({"a": ROWS, "b": other}) != drawn({"a": ROWS})
    assert drawn({"a": ROWS, "b": other}, kept="b") != drawn({"a": ROWS, "b": other})
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.width == 600


def test_logs_hold_both_losses_of_every_trial(tmp_path: Path) -> None:
    assert write_logs({"rate 1": ROWS, "rate 2": [row.model_copy(update={"validation": 0.9}) for row in ROWS]}, tmp_path)
    found = {}
    for folder in sorted(tmp_path.iterdir()):
        logs = EventAccumulator(str(folder)).Reload()
        found[folder.name] = {tag: [(e.step, round(e.value, 3)) for e in logs.Scalars(tag)] for tag in logs.Tags()["scalars"]}
    assert found == {
        "00": {"loss/validation": [(0, 1.0), (5, 0.7)], "loss/train": [(5, 0.4)]},
        "01": {"loss/validation": [(0, 0.9), (5, 0.9)], "loss/train": [(5, 0.4)]},
    }


def test_without_the_extra_there_are_no_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    assert not write_logs({"a": ROWS}, tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
