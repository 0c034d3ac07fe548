"""Ctrl-C and SIGTERM: which of them has come, whoever handles it, and what a command then says and exits with.

Dagster handles both while it runs a step, and says of neither that it came; a wakeup file descriptor is told of every signal
(https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd).
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

from gaucho_pipeline.errors import GauchoError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(GauchoError):
    """The command was asked to stop, and did. Its exit status is 128 and the signal's number, as a shell would give it."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code(number)


def exit_code(number: int) -> int:
    """What a program exits with that a signal has ended."""
    return 128 + number


@contextlib.contextmanager
def noticed() -> Iterator[Callable[[], int]]:
    """A function that gives the number of the first of the two signals that has come since, or 0.

    Within the block both raise KeyboardInterrupt where nobody else handles them. Of use in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    found: list[int] = []

    def received() -> int:
        with contextlib.suppress(BlockingIOError):
            found.extend(number for number in reader.recv(4096) if number in SIGNALS)
        return found[0] if found else 0

    handlers = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield received
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
