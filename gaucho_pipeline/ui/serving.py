"""Starts Dagster's code server, its daemon and its web server, the last behind the guard, and ends them together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import psutil
import uvicorn
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_MAX_OVERFLOW, DEFAULT_POOL_RECYCLE
from dagster_webserver.version import __version__
from filelock import FileLock, Timeout

from gaucho_pipeline.assets.table import ALL, GALLERY_SITE
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.models.base_models import gpu_names
from gaucho_pipeline.orchestration.console import QUIET_VARIABLE
from gaucho_pipeline.orchestration.dagster_internals import shared_code_server, workspace_context
from gaucho_pipeline.orchestration.metadata import page_address
from gaucho_pipeline.orchestration.run_workers import SECONDS_TO_SAVE, is_running, worker_of
from gaucho_pipeline.orchestration.runner import dagster_home, get_instance
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.server import stage_server
from gaucho_pipeline.ui.daemon import Daemon
from gaucho_pipeline.ui.guard import PAGES_HOST, UI_HOST, Guard
from gaucho_pipeline.ui.limits import limits
from gaucho_pipeline.ui.reloading import Reloader
from gaucho_pipeline.ui.waiting import QueueTeller

_MODULE = "gaucho_pipeline.definitions"
_SECONDS_TO_END = 20


def serve(project: Project, port: int) -> None:
    """Serves the web UI until Ctrl-C or SIGTERM.

    Raises ConfigError if the port is taken, the project is served already, or the concepts file has a mistake, and GauchoError if Dagster's
    daemon or its code server cannot be kept running.
    """
    _ = project.concepts
    _check_free(port)
    home = dagster_home(project)
    os.environ |= {
        "DAGSTER_HOME": str(home),
        "GAUCHO_CONCEPTS": str(project.concepts_file.resolve()),
        "GAUCHO_DATA": str(project.store.root),
        QUIET_VARIABLE: "1",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore"),  # Dagster's own, of its previews
    }
    ending = _Ending()
    signal.signal(signal.SIGTERM, ending.asked)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(home, f"http://{UI_HOST}:{port}"))
        stack.callback(ending.end_family)
        instance = stack.enter_context(get_instance(project))
        stack.enter_context(stage_server(os.environ, is_wanted=not gpu_names()))
        workspace = stack.enter_context(shared_code_server(instance, _MODULE))
        stack.callback(ending.end_runs, instance)
        stack.enter_context(_daemon(workspace))
        stack.callback(ending.find_family)
        _serve(instance, workspace, project, port)


class _Ending:
    """A service manager's SIGTERM is as orderly an end as a terminal's Ctrl-C, which reaches every process by itself."""

    def __init__(self) -> None:
        self._was_asked, self._family = False, list[psutil.Process]()

    def asked(self, number: int, frame: object) -> None:
        """Handles SIGTERM."""
        self._was_asked = True
        raise KeyboardInterrupt

    def find_family(self) -> None:
        """To be called while all of them run: who has lost its parent is found by nobody."""
        self._family = psutil.Process().children(recursive=True)

    def end_runs(self, instance: DagsterInstance) -> None:
        """Has the runs under way save their state, and waits for them."""
        pids = {each.pid for each in self._family}
        runs = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED]))
        workers = [worker.pid for run in runs if (worker := worker_of(instance, run)) and worker.pid in pids and is_running(worker)]
        if workers:
            click.echo(_("{count} at work: what it has learned is saved, and the same goes on from there", count=len(workers)), err=True)
        for pid in workers if self._was_asked else ():
            os.kill(pid, signal.SIGINT)
        psutil.wait_procs([each for each in self._family if each.pid in workers], timeout=SECONDS_TO_SAVE)

    def end_family(self) -> None:
        """Leaves nothing behind."""
        for each in psutil.wait_procs(self._family, timeout=_SECONDS_TO_END)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


@contextlib.contextmanager
def _alone(home: Path, address: str) -> Iterator[None]:
    """Two servers of one history would start everything twice. Raises ConfigError with the other one's address."""
    file = home / ".gaucho-ui"
    try:
        with FileLock(f"{file}.lock", blocking=False):
            write_atomically(file, address)
            yield
    except Timeout:
        other = file.read_text(encoding="utf-8") if file.exists() else "another address"
        raise ConfigError(_("gaucho ui: this project is served at {other} already; end that one first", other=other)) from None


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((UI_HOST, port))
        except OSError:
            raise ConfigError(_("--port: {port} is taken on this machine; name another one", port=port)) from None


@contextlib.contextmanager
def _daemon(workspace: Sequence[str]) -> Iterator[None]:
    """Runs the daemon as long as the block. Raises GauchoError if the block was ended because it could not be kept running."""
    daemon = Daemon(workspace)
    daemon.start()
    try:
        yield
    finally:
        daemon.stop()


def _serve(instance: DagsterInstance, workspace: Sequence[str], project: Project, port: int) -> None:
    instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
    with workspace_context(instance, workspace[1], __version__) as context:
        app = Guard(create_app_from_workspace_process_context(context), port, project.store.root)
        helpers = (Reloader(context, _MODULE, project), QueueTeller(instance))
        site = f"http://{PAGES_HOST}:{port}{page_address(GALLERY_SITE.name, ALL, 'index.html')}"
        click.echo(
            _(
                "The web UI:  http://{ui_host}:{port}\nThe gallery: {site}\nThe history: {dagster_home}\nCtrl-C ends it.",
                ui_host=UI_HOST,
                port=port,
                site=site,
                dagster_home=dagster_home(project),
            )
        )
        for helper in helpers:
            helper.start()
        try:
            uvicorn.run(app, host=UI_HOST, port=port, log_level="error", proxy_headers=False, server_header=False, **limits())
        finally:
            for helper in helpers:
                helper.stop()
