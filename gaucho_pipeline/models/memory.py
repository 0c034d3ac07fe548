"""Memory: what a process or its card has taken, at most, now and still to be had; and the peak of each phase of a stage's work."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from gaucho_pipeline.stage.harness import SIDE_BY_SIDE_VARIABLE

_CGROUP = Path("/sys/fs/cgroup")


class PeakMeter:
    """The most memory that was taken in each phase of a stage's work, in bytes, by its name."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._phase = device, ""
        self.phases: dict[str, int] = {}

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is taken within it counts for this phase."""
        self.restart()
        before, self._phase = self._phase, name
        try:
            yield
        finally:
            self.restart()
            self._phase = before

    def restart(self) -> None:
        """Begins to measure anew; what was taken until now is kept for the phase."""
        if self._phase:
            self.phases[self._phase] = max(self.phases.get(self._phase, 0), peak_bytes(self._device))
        reset_peak(self._device)

    @property
    def highest(self) -> int:
        """Of all phases, and of what is under way."""
        return max([*self.phases.values(), peak_bytes(self._device)])


def peak_bytes(device: torch.device) -> int:
    """The most memory taken since the process began or the peak was reset: the GPU's where there is one, else the process's."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _status("VmHWM") or int(psutil.Process().memory_info().rss)


def resident_bytes(device: torch.device) -> int:
    """Memory taken now."""
    return int(torch.cuda.memory_allocated(device)) if device.type == "cuda" else int(psutil.Process().memory_info().rss)


def free_bytes(device: torch.device) -> int:
    """Memory that can still be had: of the GPU, or of the machine or the container that this runs in, shared with other programs."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    free, others = int(psutil.virtual_memory().available), int(os.environ.get(SIDE_BY_SIDE_VARIABLE, "1"))
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="utf-8").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="utf-8"))
        lines = (_CGROUP / "memory.stat").read_text(encoding="utf-8").splitlines()
        used -= next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)  # files that were read: given back
    except (OSError, ValueError):
        return free // others
    return (min(free, int(limit) - used) if limit.isdigit() else free) // others


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return  # no Linux: the peak is that of the whole run


def _status(name: str) -> int:
    """A figure of this process in bytes, as Linux tells it; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def give_back(device: torch.device) -> None:
    """Has memory that was freed leave the process (malloc_trim(3), of Linux's C library), and the card's go back to it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    if device.type == "cuda":
        torch.cuda.empty_cache()
