"""Has the log of each run that waits in the queue say for what it waits, as long as the web UI is served."""

from __future__ import annotations

import contextlib
import threading

import dagster as dg
from sqlalchemy.exc import DBAPIError

from gaucho_pipeline.orchestration.queue import tell_why_queued

_SECONDS = 5.0


class QueueTeller(threading.Thread):
    """Looks at the queue every few seconds, until it is told to stop."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__(daemon=True, name="queue")
        self._instance, self._stop_asked, self._told = instance, threading.Event(), dict[str, str]()

    def run(self) -> None:
        while not self._stop_asked.wait(_SECONDS):
            with contextlib.suppress(DBAPIError):  # a history that is busy, or away for a moment, is looked at again
                self._told = tell_why_queued(self._instance, self._told)

    def stop(self) -> None:
        """Ends it; a look that has begun is waited for."""
        self._stop_asked.set()
        self.join()
