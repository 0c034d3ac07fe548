"""Measuring many images: in child processes with limits of time and memory, and never the same image twice.

One unreadable image costs nothing but itself, also when it takes its process with it: it is tried once more alone, then named.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool
from PIL import Image

from gaucho_pipeline.curation.measures import VERSION, Measures, measure
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images import BadImage, probe

SECONDS = 30.0
"""One image may take so long."""
MEMORY_BYTES = 3 * 2**30
"""One process may take so much, of addresses."""
_AHEAD = 4
_TASKS = 2000
_RESTARTS = 20

Outcome = Measures | BadImage
Work = Callable[[str], Any]


class MeasuresCache:
    """What was measured before, by SHA-256 of the file and version of the measuring code, in one file of the data folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "measures.sqlite", timeout=60, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")  # what is lost with the machine is measured again
        self._database.execute("CREATE TABLE IF NOT EXISTS measures (sha256 TEXT, version TEXT, value TEXT, PRIMARY KEY (sha256, version))")

    def has(self, sha256: str) -> bool:
        """Whether an image was measured before."""
        found = self._database.execute("SELECT 1 FROM measures WHERE sha256 = ? AND version = ?", (sha256, VERSION))
        return found.fetchone() is not None

    def get(self, sha256: str) -> Outcome | None:
        row = self._database.execute("SELECT value FROM measures WHERE sha256 = ? AND version = ?", (sha256, VERSION)).fetchone()
        if row is None:
            return None
        value = json.loads(row[0])
        return BadImage(value["reason"], value["detail"]) if "reason" in value else Measures.from_row(value)

    def get_score(self, sha256: str, version: str) -> float | None:
        """A score that a model gave, under a name that says which model and prompts."""
        row = self._database.execute("SELECT value FROM measures WHERE sha256 = ? AND version = ?", (sha256, version)).fetchone()
        return float(row[0]) if row else None

    def put_score(self, sha256: str, version: str, score: float) -> None:
        self._database.execute("INSERT OR REPLACE INTO measures VALUES (?, ?, ?)", (sha256, version, str(score)))

    def put(self, sha256: str, outcome: Outcome) -> None:
        value = {"reason": outcome.reason, "detail": outcome.detail} if isinstance(outcome, BadImage) else outcome.described()
        self._database.execute("INSERT OR REPLACE INTO measures VALUES (?, ?, ?)", (sha256, VERSION, json.dumps(value)))


def measure_all(paths: dict[str, Path], cache: MeasuresCache, tell: Callable[[], None]) -> Iterator[tuple[str, Outcome]]:
    """The measures of each file, or why it has none, by SHA-256 and in no order; `tell` is called after each that was measured now."""
    new = []
    for sha256, path in paths.items():
        known = cache.get(sha256) if path.exists() else BadImage("missing", str(path))
        if known is None:
            new.append(sha256)
        else:
            yield sha256, known
    for sha256, outcome in in_children(_measured, ((sha256, str(paths[sha256])) for sha256 in new)):
        if not (isinstance(outcome, BadImage) and outcome.reason in _OF_THE_MACHINE):
            cache.put(sha256, outcome)
        tell()
        yield sha256, outcome


_OF_THE_MACHINE = ("took too long", "ended its process", "missing")


def in_children(work: Work, tasks: Iterable[tuple[str, str]], workers: int | None = None) -> Iterator[tuple[str, Any]]:
    """What `work` makes of each task's text, by the task's key: its result, or a BadImage that says what became of it.

    All cores are busy, and no more tasks are on their way than a few for each. Raises GauchoError if processes keep dying.
    """
    count = workers or os.cpu_count() or 1
    todo, queue, suspects, restarts = iter(tasks), deque[tuple[str, str]](), list[tuple[str, str]](), 0
    while True:
        begun: deque[tuple[str, str, Any]] = deque()
        try:
            with _pool(count) as pool:
                while True:
                    while len(begun) < count * _AHEAD and (task := queue.popleft() if queue else next(todo, None)):
                        queue.appendleft(task)  # it is not lost if it cannot be begun
                        begun.append((*task, _begin(pool, work, task[1])))
                        queue.popleft()
                    if not begun:
                        break
                    outcome = _outcome(begun[0][2])
                    key, text, _ = begun.popleft()
                    restarts = 0
                    if isinstance(outcome, ProcessExpired):
                        suspects.append((key, text))
                    else:
                        yield key, outcome
        except BrokenProcessPool:  # a process died with no task of its own: the others' tasks are begun again
            queue.extendleft((key, text) for key, text, _ in reversed(begun))
            restarts += 1
            if restarts == _RESTARTS:
                raise GauchoError("the processes that read images keep dying; is there enough memory?") from None
        else:
            break
    yield from ((key, _alone(work, text)) for key, text in suspects)


def _begin(pool: ProcessPool, work: Work, text: str) -> Any:
    try:
        return pool.schedule(work, args=[text], timeout=SECONDS)
    except RuntimeError as error:  # a pool that has broken takes nothing more
        raise BrokenProcessPool(str(error)) from None


def _alone(work: Work, text: str) -> Any:
    """A task whose process died, once more in a process of its own: the one beside it may have been to blame."""
    try:
        with _pool(1) as pool:
            outcome = _outcome(_begin(pool, work, text))
    except BrokenProcessPool as error:
        outcome = error
    return BadImage("ended its process", str(outcome)[:200]) if isinstance(outcome, (ProcessExpired, BrokenProcessPool)) else outcome


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPool]:
    pool = ProcessPool(max_workers=workers, max_tasks=_TASKS, initializer=_limit, context=get_context("forkserver"))
    try:
        yield pool
    finally:
        pool.stop()
        pool.join()


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _outcome(future: Any) -> Any:
    try:
        return future.result()
    except FutureTimeout:
        return BadImage("took too long", f"more than {SECONDS:.0f} seconds")
    except ProcessExpired as error:
        return error
    except MemoryError:
        return BadImage("too-many-pixels", "it needs more memory than one image may have")


def _measured(path: str) -> Outcome:
    """Runs in a child."""
    try:
        return measure(read_blob(path))
    except BadImage as error:
        return error
    except Exception as error:  # an image costs nothing but itself
        return BadImage("unreadable", f"{type(error).__name__}: {error}"[:200])


def read_blob(path: str) -> bytes:
    """The bytes of an image. Raises BadImage if they are not there."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadImage("missing", str(error)) from None


def small_pictures(paths: dict[str, Path], side: int) -> Iterator[tuple[str, Image.Image | None]]:
    """Each image at about this size, decoded in a child; None for one that cannot be."""
    for sha256, outcome in in_children(_small, ((sha256, json.dumps([str(path), side])) for sha256, path in paths.items())):
        yield sha256, None if isinstance(outcome, BadImage) else Image.frombytes("RGB", *outcome)


def _small(task: str) -> tuple[tuple[int, int], bytes] | BadImage:
    """Runs in a child."""
    path, side = json.loads(task)
    try:
        image = probe(read_blob(path), enough=side).image
    except BadImage as error:
        return error
    image.thumbnail((side, side))
    return image.size, image.tobytes()
