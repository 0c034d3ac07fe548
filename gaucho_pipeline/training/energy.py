"""The energy that a stretch of work took, where the device tells it: the GPU's power as it was sampled, or the processor's own counter."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import torch

_COUNTER = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
_SECONDS_BETWEEN_SAMPLES = 1.0


class EnergyMeter:
    """Measures from `start` to `stop`."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._watts, self._done = device, list[float](), threading.Event()

    def start(self) -> None:
        self._started, self._counter = time.monotonic(), _counted()
        if self._device.type == "cuda" and _watts_of(self._device) is not None:
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()

    def stop(self) -> float | None:
        """Watt-hours, or None where nothing tells."""
        self._done.set()
        hours = (time.monotonic() - self._started) / 3600
        if self._watts:
            return sum(self._watts) / len(self._watts) * hours
        after = _counted()
        if self._device.type != "cpu" or self._counter is None or after is None or after < self._counter:
            return None
        return (after - self._counter) / 1e6 / 3600

    def _sample(self) -> None:
        while not self._done.wait(_SECONDS_BETWEEN_SAMPLES):
            if (watts := _watts_of(self._device)) is not None:
                self._watts.append(watts)


def _watts_of(device: torch.device) -> float | None:
    try:
        return torch.cuda.power_draw(device) / 1000
    except Exception:  # whatever is missing of the vendor's library: then there is no figure
        return None


def _counted() -> float | None:
    """Microjoules of the first processor so far (https://www.kernel.org/doc/html/latest/power/powercap/powercap.html)."""
    try:
        return float(_COUNTER.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
