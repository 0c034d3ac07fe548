"""What a stage tells while it works: lines, and progress with a rate and the time left. What went wrong is in `failures.py`."""

from __future__ import annotations

import sys
import time

from dagster_pipes import PipesContext

from gaucho_pipeline.errors import shown

_PROGRESS_SECONDS = 5.0


class Reporter:
    """Tells things on the terminal, and in Dagster's log where there is one."""

    def __init__(self, pipes: PipesContext | None) -> None:
        self._pipes = pipes

    def info(self, text: str) -> None:
        text = shown(text)
        print(text, file=sys.stderr, flush=True)
        if self._pipes:
            self._pipes.log.info(text)

    def progress(self, what: str, total: int, unit: str, done: int = 0) -> Progress:
        return Progress(self, what, total, unit, done)


class SilentReporter(Reporter):
    """Tells nothing."""

    def info(self, text: str) -> None:
        pass


class Progress:
    """Counts work that is done, and every few seconds says how much, how fast and how long it will still take."""

    def __init__(self, reporter: Reporter, what: str, total: int, unit: str, done: int) -> None:
        self._reporter, self._what, self._total, self._unit = reporter, what, total, unit
        self._started_at, self._done, self._start = done, done, time.monotonic()
        self._reported = self._start

    def skip(self, by: int) -> None:
        """Counts work that stood already: it says nothing of the rate."""
        self._done += by
        self._started_at += by

    def advance(self, by: int = 1, note: str = "") -> None:
        self._done += by
        moment = time.monotonic()
        if moment - self._reported >= _PROGRESS_SECONDS or self._done == self._total:
            self._reported = moment
            self._reporter.info(self.line(moment - self._start) + (f", {note}" if note else ""))

    def line(self, seconds: float) -> str:
        rate = (self._done - self._started_at) / max(seconds, 1e-6)
        left = (self._total - self._done) / rate if rate > 0 else 0.0
        return f"{self._what}: {self._done}/{self._total} {self._unit}, {rate:.1f} {self._unit}/s, {_clock(left)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
