"""The harness of a stage program: request in, artifact out, progress and errors told to whoever started it.

A stage hands `main` a function that fills a folder; reading the request, finding what stands, staging, the manifest, Dagster and the
terminal are seen to here. Nothing here knows what a stage does.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dagster_pipes import PipesContext, open_dagster_pipes
from pydantic import ValidationError

from gaucho_pipeline.artifacts import Artifact, Manifest, Store, now, write_atomically
from gaucho_pipeline.assets import ASSETS
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.forgotten import Forgotten
from gaucho_pipeline.json_log import install_if_asked
from gaucho_pipeline.launch import ERROR_FILE, stop_when_asked
from gaucho_pipeline.metrics import Metrics
from gaucho_pipeline.pipeline import StageRequest
from gaucho_pipeline.remote_store import share_if_asked

SIDE_BY_SIDE_VARIABLE = "GAUCHO_SIDE_BY_SIDE"
"""How many stages share this machine's memory, where there is no GPU for each."""
_PROGRESS_SECONDS = 5.0
_DISK_FULL = (os.strerror(errno.ENOSPC), "database or disk is full", "PytorchStreamWriter failed writing file")
_TORCH_MEMORY_ERROR = "OutOfMemoryError"  # by its name, because torch is not for this module to import


@dataclass(frozen=True)
class StageResult:
    """What a stage says of the folder that it filled."""

    data_version: str
    metrics: Metrics
    fingerprint: str | None = None
    """Only for what is named by what it holds."""
    leftovers: tuple[str, ...] = ()
    """Folders of the staging folder that are no part of the artifact, and go once it is published."""


class Reporter:
    """Tells things on the terminal, and in Dagster's log where there is one."""

    def __init__(self, pipes: PipesContext | None) -> None:
        self._pipes = pipes

    def info(self, text: str) -> None:
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


RunStage = Callable[[StageRequest, Path, Reporter], StageResult]


def main(run: RunStage) -> None:
    """Runs a stage program: reads the request that the command line names, and ends with exit status 0 or 1.

    What went wrong is printed in one line and kept in error.json beside the request.
    """
    if len(sys.argv) != 2:
        print("usage: python -m gaucho_pipeline.<stage> REQUEST.json", file=sys.stderr)
        sys.exit(2)
    path = Path(sys.argv[1])
    stop_when_asked(path.parent / ERROR_FILE)
    with errors_told(path.parent / ERROR_FILE, partial(_memory_remedy, path)), contextlib.ExitStack() as stack:
        pipes = stack.enter_context(open_dagster_pipes()) if "DAGSTER_PIPES_CONTEXT" in os.environ else None
        if pipes:
            with contextlib.suppress(PermissionError):  # where it is the first of its session already
                os.setpgid(0, 0)  # Dagster hands on a terminal's Ctrl-C; twice would be once too often
        reporter, request = Reporter(pipes), read_request(path)
        install_if_asked(asset=request.asset, concept=request.concept)
        artifact, cached = ensure(request, run, reporter)
        if pipes:
            pipes.report_custom_message({"folder": str(artifact.folder), "cached": cached})


def ensure(request: StageRequest, run: RunStage, reporter: Reporter) -> tuple[Artifact, bool]:
    """The artifact that a request asks for, made if it does not stand already; and whether it stood."""
    if cached := request.cached():
        share_if_asked(Store(request.data), cached, reporter.info)
        return cached, True
    store = Store(request.data, Forgotten(request.forgotten).sha256)
    store.check_writable()
    check_inputs(store, request)
    started = time.monotonic()
    with store.staging(request.asset, request.concept, request.fingerprint or "crawl") as staging:
        result = run(request, staging, reporter)
        name = request.fingerprint or result.fingerprint
        if name is None:
            raise ValueError("a stage whose request has no fingerprint must give one")
        named = request.model_copy(update={"fingerprint": name, "force": False})
        if request.fingerprint is None and (cached := named.cached()):  # what is named by what it holds may stand already
            shutil.rmtree(staging)
            return cached, True
        manifest = Manifest(
            asset=request.asset,
            concept=request.concept,
            fingerprint=name,
            data_version=result.data_version,
            provenance=request.provenance,
            made_at=now(),
            seconds=round(time.monotonic() - started, 2),
            metrics=result.metrics,
        )
        artifact = store.publish(staging, manifest, result.leftovers)
        for name in result.leftovers:  # a full disk, or a kill, before this moment would cost more than they do
            shutil.rmtree(artifact.folder / name, ignore_errors=True)
    share_if_asked(store, artifact, reporter.info)
    return artifact, False


def check_inputs(store: Store, request: StageRequest) -> None:
    """Raises GauchoError if a file of what is read is not what was written: nothing is made from less than was meant."""
    for name, folder in request.inputs.items():
        artifact = store.find(name.partition("/")[0], folder.parent.name, folder.name)
        if artifact:
            store.check(artifact, with_weights=ASSETS[request.asset].reads_weights)


def read_request(path: Path) -> StageRequest:
    """A stage's request. Raises ConfigError if it is not there, or is none."""
    try:
        return StageRequest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such request") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: is not a request: {error.errors()[0]['msg']}") from None


def _memory_remedy(path: Path) -> str:
    """What takes less memory in the stage that a request asks for."""
    with contextlib.suppress(GauchoError, OSError, LookupError):
        return ASSETS[read_request(path).asset].memory_remedy
    return ""


@contextlib.contextmanager
def errors_told(error_file: Path, memory_remedy: Callable[[], str] = str) -> Iterator[None]:
    """Tells what a program's block raises in one line, keeps it in a file, and ends the program with its exit status."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, (GauchoError, OSError, MemoryError, ValidationError)) or type(error).__name__ == _TORCH_MEMORY_ERROR
        if not known and not is_disk_full(error):
            raise
        message = explain(error, memory_remedy())
        with contextlib.suppress(OSError):
            write_atomically(error_file, json.dumps({"message": message, "is_transient": is_transient(error)}))
        print(f"error: {message}", file=sys.stderr, flush=True)
        sys.exit(getattr(error, "exit_code", 1))


def is_transient(error: BaseException) -> bool:
    """Whether the same may succeed later although nothing that it is made from has changed: the machine's fault, or the web's."""
    return (
        is_disk_full(error) or isinstance(error, ConnectionError | TimeoutError) or (isinstance(error, GauchoError) and error.is_transient)
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that the disk is full; torch, safetensors and SQLite raise errors of their own for it."""
    while error is not None:
        text = str(error)
        if getattr(error, "errno", None) == errno.ENOSPC or any(words in text for words in _DISK_FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def explain(error: BaseException, memory_remedy: str = "") -> str:
    """One line for a person. `memory_remedy`: what takes less memory."""
    if is_disk_full(error):
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return f"the disk is full{where}; make room, then run again: it goes on where it stopped"
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    if isinstance(error, MemoryError) or type(error).__name__ == _TORCH_MEMORY_ERROR:
        return f"memory ran out; {memory_remedy or 'close other programs, or take a machine with more'}"
    return " ".join(str(error).split())
