"""Measuring many images: in child processes with limits of time and memory, never the same image twice, and none held in memory.

One unreadable image costs nothing but itself, also when it takes its process with it: it is tried once more alone, then named.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import resource
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from filelock import FileLock
from pebble import ProcessExpired, ProcessPool
from PIL import Image

from gaucho_pipeline.curation.measures import VERSION, measure
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.filters.measures import FINGERPRINTS, Measures
from gaucho_pipeline.images.decoding import BadImage, probe

_PRELOADED = ["gaucho_pipeline.curation.__main__"]
"""Imported once, where the children are forked: each would take most of a second for it, and one that is still at it when a pool of few
tasks ends would print a traceback."""
SECONDS = 30.0
"""One image may take so long."""
MEMORY_BYTES = 3 * 2**30
"""One process may take so much, of addresses."""
MISSING, DAMAGED = "missing", "damaged"
"""Reasons that are the disk's, and no image's."""
_HASH = re.compile(r"[0-9a-f]{64}")
_AHEAD = 4
_TASKS = 2000
_RESTARTS = 20

_KEYS, _PRIMARY = "sha256 TEXT, version TEXT", "PRIMARY KEY (sha256, version)"
_MEASURES = f"measures_{digest([VERSION, [field.name for field in fields(Measures)], FINGERPRINTS])[:12]}"
"""The table of what is measured now: measuring something else, or otherwise, begins another one."""

Outcome = Measures | BadImage
Work = Callable[[str], Any]


class MeasuresCache:
    """What was measured before, by SHA-256 of the file and version of the measuring code, in one file of the data folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "measures.sqlite"
        with self._errors_told(), FileLock(folder / ".lock"):  # no one may ask while it becomes a database
            self._database = sqlite3.connect(self._file, timeout=60, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")  # what is lost with the machine is measured again
            columns = ", ".join(f"{name} BLOB" for name in FINGERPRINTS)
            self._database.execute(f"CREATE TABLE IF NOT EXISTS {_MEASURES} ({_KEYS}, numbers TEXT, {columns}, {_PRIMARY})")
            self._database.execute(f"CREATE TABLE IF NOT EXISTS answers ({_KEYS}, value TEXT, {_PRIMARY})")
            names = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in names:
                if name not in (_MEASURES, "answers"):
                    self._database.execute(f'DROP TABLE "{name}"')  # of other measures: an image has to be read again for these

    @contextlib.contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise GauchoError(
                _("{file}: {error}; make room on the disk, or delete it: what it holds is measured again", file=self._file, error=error)
            ) from None

    def _ask(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """The first row, if there is one. Raises GauchoError if the file cannot be read or written."""
        with self._errors_told():
            row: tuple[Any, ...] | None = self._database.execute(statement, values).fetchone()
        return row

    def has(self, sha256: str) -> bool:
        """Whether an image was measured before."""
        return self._row(("1",), sha256) is not None

    def get(self, sha256: str) -> Outcome | None:
        """What came of measuring an image; None if it was not measured yet."""
        row = self._row(("numbers", *FINGERPRINTS), sha256)
        if row is None:
            return None
        numbers = json.loads(row[0])
        return _bad(numbers) if "reason" in numbers else Measures.from_parts(numbers, row[1:])

    def get_bad(self, sha256: str) -> BadImage | None:
        """Why an image that was measured has no measures; None if it has."""
        row = self._row(("numbers",), sha256)
        numbers = json.loads(row[0]) if row else {}
        return _bad(numbers) if "reason" in numbers else None

    def put(self, sha256: str, outcome: Outcome) -> None:
        is_bad = isinstance(outcome, BadImage)
        numbers = {"reason": outcome.reason, "detail": outcome.detail} if isinstance(outcome, BadImage) else outcome.numbers()
        fingerprints = [None if is_bad else getattr(outcome, name) for name in FINGERPRINTS]
        values = (sha256, VERSION, json.dumps(numbers), *fingerprints)
        self._ask(f"INSERT OR REPLACE INTO {_MEASURES} VALUES ({', '.join('?' * len(values))})", values)

    def get_answer(self, sha256: str, version: str) -> Any:
        """What a model answered of an image, under a name that tells the model and what it was asked; None if it was not asked yet."""
        row = self._ask("SELECT value FROM answers WHERE sha256 = ? AND version = ?", (sha256, version))
        return json.loads(row[0]) if row else None

    def put_answer(self, sha256: str, version: str, value: float | str) -> None:
        self._ask("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (sha256, version, json.dumps(value, allow_nan=False)))

    def _row(self, columns: Sequence[str], sha256: str) -> tuple[Any, ...] | None:
        return self._ask(f"SELECT {', '.join(columns)} FROM {_MEASURES} WHERE sha256 = ? AND version = ?", (sha256, VERSION))


def _bad(numbers: dict[str, Any]) -> BadImage:
    return BadImage(numbers["reason"], numbers["detail"])


class StoredMeasures(Mapping[str, Measures]):
    """The measures of some images, by SHA-256, each read from the cache when it is asked for: memory does not grow with their number."""

    def __init__(self, cache: MeasuresCache, images: Collection[str], bad: Collection[str] = ()) -> None:
        """`images`: SHA-256 of what was measured; `bad`: those of them that have no measures, or shall have none."""
        self._cache, self._images, self._bad = cache, images, bad

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._images and sha256 not in self._bad

    def __getitem__(self, sha256: str) -> Measures:
        found = self._cache.get(sha256) if sha256 in self else None
        if not isinstance(found, Measures):
            raise KeyError(sha256)
        return found

    def __iter__(self) -> Iterator[str]:
        return (sha256 for sha256 in self._images if sha256 not in self._bad)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def measure_all(
    images: Iterable[str], path_of: Callable[[str], Path], cache: MeasuresCache, begin: Callable[[int], Callable[[], None]]
) -> Iterator[tuple[str, BadImage | None]]:
    """Sees to it that the measures of all images, by SHA-256, are in the cache; in no order, why each has none, if it has none.

    `begin` is called with the number of those that are measured now, and gives what is called after each of them.
    """
    new = []
    for sha256 in images:
        if not (path := path_of(sha256)).exists():
            yield sha256, BadImage(MISSING, str(path))
        elif cache.has(sha256):
            yield sha256, cache.get_bad(sha256)
        else:
            new.append(sha256)
    tell = begin(len(new))
    for sha256, outcome in in_children(_measured, ((sha256, str(path_of(sha256))) for sha256 in new)):
        if not (isinstance(outcome, BadImage) and outcome.reason in _OF_THE_MACHINE):
            cache.put(sha256, outcome)
        tell()
        yield sha256, outcome if isinstance(outcome, BadImage) else None


_TOO_LONG = "took too long"
_OF_THE_MACHINE = (_TOO_LONG, "ended its process", MISSING, DAMAGED)


def in_children(work: Work, tasks: Iterable[tuple[str, str]], workers: int | None = None) -> Iterator[tuple[str, Any]]:
    """What `work` makes of each task's text, by the task's key: its result, or a BadImage that says what became of it.

    All cores are busy, and no more tasks are on their way than a few for each. Raises GauchoError if processes keep dying.
    """
    count = workers or os.cpu_count() or 1
    todo, queue, suspects, restarts = iter(tasks), deque[tuple[str, str]](), list[tuple[str, str]](), 0
    while True:
        begun: dict[Future[Any], tuple[str, str]] = {}
        try:
            with _pool(count) as pool:
                while True:
                    while len(begun) < count * _AHEAD and (task := queue.popleft() if queue else next(todo, None)):
                        queue.appendleft(task)  # it is not lost if it cannot be begun
                        begun[_begin(pool, work, task[1])] = task
                        queue.popleft()
                    if not begun:
                        break
                    for future in wait(begun, return_when=FIRST_COMPLETED).done:
                        outcome = _outcome(future)
                        key, text = begun.pop(future)
                        restarts = 0
                        if isinstance(outcome, ProcessExpired) or (isinstance(outcome, BadImage) and outcome.reason == _TOO_LONG):
                            suspects.append((key, text))
                        else:
                            yield key, outcome
        except BrokenProcessPool:  # a process died with no task of its own: the others' tasks are begun again
            queue.extendleft(reversed(begun.values()))
            restarts += 1
            if restarts == _RESTARTS:
                raise GauchoError(_("the processes that read images keep dying; is there enough memory?")) from None
        else:
            break
    yield from ((key, _alone(work, text)) for key, text in suspects)


def _begin(pool: ProcessPool, work: Work, text: str) -> Any:
    try:
        return pool.schedule(work, args=[text], timeout=SECONDS)
    except RuntimeError as error:  # a pool that has broken takes nothing more
        raise BrokenProcessPool(str(error)) from None


def _alone(work: Work, text: str) -> Any:
    """A task whose process died or took too long, once more in a process of its own: those beside it may have been to blame."""
    try:
        with _pool(1) as pool:
            outcome = _outcome(_begin(pool, work, text))
    except BrokenProcessPool as error:
        outcome = error
    return BadImage("ended its process", str(outcome)[:200]) if isinstance(outcome, (ProcessExpired, BrokenProcessPool)) else outcome


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPool]:
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    pool = ProcessPool(max_workers=workers, max_tasks=_TASKS, initializer=_limit, context=context)
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
        return BadImage(_TOO_LONG, f"more than {SECONDS:.0f} seconds")
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
    """The bytes of an image. Raises BadImage if they are not there, or not those whose SHA-256 the file's name is, where it is one."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadImage(MISSING, str(error)) from None
    if _HASH.fullmatch(Path(path).name) and hashlib.sha256(content).hexdigest() != Path(path).name:
        raise BadImage(DAMAGED, "its bytes are not those that were fetched")
    return content


def small_pictures(images: Iterable[str], path_of: Callable[[str], Path], side: int) -> Iterator[tuple[str, Image.Image | None]]:
    """Each image, by SHA-256, at about this size, decoded in a child; None for one that cannot be."""
    for sha256, outcome in in_children(_small, ((sha256, json.dumps([str(path_of(sha256)), side])) for sha256 in images)):
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
