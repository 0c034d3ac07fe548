"""Energy: from the processor's counter or from the power of a GPU, and nothing where neither tells."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gaucho_pipeline.training import energy
from gaucho_pipeline.training.energy import EnergyMeter


def test_the_processors_counter_is_read_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = tmp_path / "energy_uj"
    monkeypatch.setattr(energy, "_COUNTER", counter)
    counter.write_text("1000000\n")
    meter = EnergyMeter(torch.device("cpu"))
    meter.start()
    counter.write_text("7201000000\n")
    assert meter.stop() == pytest.approx(2.0)
    meter.start()
    counter.write_text("5\n")  # it has begun again
    assert meter.stop() is None


def test_where_nothing_tells_there_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_COUNTER", tmp_path / "none")
    meter = EnergyMeter(torch.device("cpu"))
    meter.start()
    assert meter.stop() is None


def test_a_gpus_power_is_in_watts_and_unknown_where_the_vendors_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "power_draw", lambda device: 350_500)  # milliwatts
    assert energy._watts_of(torch.device("cuda")) == 350.5

    def missing(device: torch.device) -> int:
        raise ModuleNotFoundError("pynvml")

    monkeypatch.setattr(torch.cuda, "power_draw", missing)
    assert energy._watts_of(torch.device("cuda")) is None


def test_a_gpus_power_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_SECONDS_BETWEEN_SAMPLES", 0.01)
    monkeypatch.setattr(energy, "_watts_of", lambda device: 360.0)
    meter = EnergyMeter(torch.device("cuda"))
    meter.start()
    meter._started -= 3600
    while not meter._watts:
        pass
    assert meter.stop() == pytest.approx(360.0, rel=0.01)
