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

    Of that moment also `anonymous_mb` and `mapped_mb`: what they wrote, and what they read from files that the kernel may drop.

    Sampled at most ten times a second, and for at most a twentieth of the time: the kernel walks every page to answer, which for
    gigabytes takes so long that the process itself would wait.
    """
    found, ended = {"peak_mb": 0.0, "anonymous_mb": 0.0, "mapped_mb": 0.0}, threading.Event()

    def sample() -> None:
        pause = 0.1
        while not ended.wait(pause):
            started = time.monotonic()
            anonymous, mapped = (each / 1e6 for each in _held(pid))
            if anonymous + mapped > found["peak_mb"]:
                found.update(peak_mb=anonymous + mapped, anonymous_mb=anonymous, mapped_mb=mapped)
            pause = max(0.1, 20 * (time.monotonic() - started))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _held(pid: int) -> tuple[int, int]:
    """Anonymous and mapped bytes held by a process and its children, what they share counted in parts."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0, 0  # it has just ended
    kilobytes = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
    anonymous = 1024 * kilobytes["Pss_Anon:"]
    both = [(anonymous, 1024 * kilobytes["Pss:"] - anonymous), *(_held(int(child)) for child in children)]
    return sum(each[0] for each in both), sum(each[1] for each in both)
