"""The memory that a process and all that it started hold at one moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def peak_memory(pid: int) -> Iterator[dict[str, float]]:
    """The most memory that a process and its children hold while the block runs, in MB as `peak_mb`.

    Sampled at most ten times a second, and for at most a twentieth of the time: the kernel walks every page to answer, which for
    gigabytes takes so long that the process itself would wait.
    """
    found, ended = {"peak_mb": 0.0}, threading.Event()

    def sample() -> None:
        pause = 0.1
        while not ended.wait(pause):
            started = time.monotonic()
            found["peak_mb"] = max(found["peak_mb"], _held(pid) / 1e6)
            pause = max(0.1, 20 * (time.monotonic() - started))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _held(pid: int) -> int:
    """Bytes held by a process and its children, what they share counted in parts."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0  # it has just ended
    kilobytes = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return 1024 * kilobytes + sum(_held(int(child)) for child in children)
