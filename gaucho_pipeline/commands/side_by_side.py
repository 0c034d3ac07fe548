"""Several concepts at once: each in a `gaucho run` of its own, with its share of the cores or a GPU of its own.

On two cores, two concepts side by side train more images a second than one after the other. What one of them does is in `run.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Queue
from typing import IO

import click

from gaucho_pipeline.language import terminal
from gaucho_pipeline.processes import json_log
from gaucho_pipeline.processes.launch import PARENT_VARIABLE
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.harness import SIDE_BY_SIDE_VARIABLE


@dataclass
class Printer:
    """Prints lines of several concepts, with the concept's name wherever it is another than before."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: str = ""

    def out(self, slug: str, line: str) -> None:
        with self._lock:
            if slug != self._last:
                click.secho(slug, bold=True)
                self._last = slug
            click.echo(line)

    def err(self, slug: str, line: str) -> None:
        with self._lock:
            click.echo(f"{slug}: {line}", err=True)


def run_side_by_side(
    project: Project, slugs: Sequence[str], select: str, options: Sequence[str], jobs: int, gpus: Sequence[str]
) -> list[str]:
    """Brings concepts up to date, `jobs` at once; says what was done and why, and returns what failed.

    `options`: of each one's command. `gpus`: the names of the GPUs; without one, each has its share of the cores.
    """
    places, printer, running = Queue[int](), Printer(), list[subprocess.Popen[str]]()
    for place in range(jobs):
        places.put(place)

    def bring(slug: str) -> str:
        place = places.get()
        try:
            return _run_one(project, slug, select, options, _environment(place, jobs, gpus), printer, running)
        finally:
            places.put(place)

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(bring, slug) for slug in slugs]
        try:
            return [error for future in futures if (error := future.result())]
        except BaseException:
            for future in futures:
                future.cancel()
            for process in running:
                process.send_signal(signal.SIGINT)  # they save their state
            raise


def environment_of(jobs: int) -> dict[str, str]:
    """What stages find set where so many concepts are brought up to date at once without a GPU: each has its share of the cores."""
    share = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs))} if jobs > 1 else {}
    return {**share, **os.environ}


def _environment(place: int, jobs: int, gpus: Sequence[str]) -> dict[str, str]:
    own = {"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {SIDE_BY_SIDE_VARIABLE: str(jobs)}
    found = {**(os.environ if gpus else environment_of(jobs)), PARENT_VARIABLE: str(os.getpid()), "PYTHONUNBUFFERED": "1", **own}
    found.pop(json_log.VARIABLE, None)  # who prints their lines does that
    return found | {terminal.VARIABLE: "en"}  # and reads them in another language


def _run_one(
    project: Project,
    slug: str,
    select: str,
    options: Sequence[str],
    environment: dict[str, str],
    printer: Printer,
    running: list[subprocess.Popen[str]],
) -> str:
    """Runs one concept; returns what went wrong, or nothing."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "gaucho_pipeline",
        "--concepts",
        str(project.concepts_file),
        "--data",
        str(project.store.root),
    ]
    command += ["run", slug, "--select", select, "--jobs", "1", *options]
    keys = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    # in a session of its own: a terminal's Ctrl-C is handed on once, by the one that it is meant for
    with subprocess.Popen(command, env=environment, start_new_session=True, **keys) as process:  # type: ignore[call-overload]
        running.append(process)
        assert process.stdout
        assert process.stderr
        last = list[str]()
        reader = threading.Thread(target=_forward_errors, args=(process.stderr, slug, printer, last), daemon=True)
        reader.start()
        for line in process.stdout:
            if line.strip() != slug:  # its own heading
                printer.out(slug, line.rstrip("\n"))
        reader.join()
    running.remove(process)
    if process.returncode == 0:
        return ""
    return last[-1].removeprefix("error: ") if last and last[-1].startswith("error: ") else f"{slug} failed"


def _forward_errors(stream: IO[str], slug: str, printer: Printer, last: list[str]) -> None:
    """Prints lines as they come, but for an error that nothing follows: that is told once, at the end of all."""
    for line in stream:
        if last and last[-1].startswith("error: "):
            printer.err(slug, last[-1])
        last[:] = [line.rstrip("\n")]
        if not last[-1].startswith("error: "):
            printer.err(slug, last[-1])
