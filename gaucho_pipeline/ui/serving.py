"""Starts Dagster's code server, its daemon and its web server, the last behind the guard, and ends them together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

import click
import uvicorn
from dagster import DagsterInstance
from dagster._cli.dev import _optionally_create_temp_workspace  # the one way in which `dagster dev` shares a code server
from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster_shared.cli import WorkspaceOpts
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_MAX_OVERFLOW, DEFAULT_POOL_RECYCLE
from dagster_webserver.version import __version__

from gaucho_pipeline.assets import ALL, GALLERY_SITE
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.orchestration.metadata import page_address
from gaucho_pipeline.orchestration.runner import dagster_home, get_instance
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline.ui.guard import PAGES_HOST, UI_HOST, Guard

_MODULE = "gaucho_pipeline.definitions"
_SECONDS_TO_END = 20
_DAEMON = "from gaucho_pipeline.launch import die_with_parent; die_with_parent(); from dagster._daemon.cli import main; main()"
"""`python -m dagster._daemon` that does not outlive this program: closing the terminal, or `kill -9`, would leave its schedules running."""


def serve(project: Project, port: int) -> None:
    """Serves the web UI until Ctrl-C. Raises ConfigError if the port is taken, or the concepts file has a mistake."""
    _ = project.concepts
    _check_free(port)
    home = dagster_home(project)
    os.environ |= {
        "DAGSTER_HOME": str(home),
        "GAUCHO_CONCEPTS": str(project.concepts_file.resolve()),
        "GAUCHO_DATA": str(project.store.root),
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore"),  # Dagster's own, of its previews
    }
    with contextlib.ExitStack() as stack:
        instance = stack.enter_context(get_instance(project))
        code_server = _optionally_create_temp_workspace(
            use_legacy_code_server_behavior=False,
            workspace_opts=WorkspaceOpts(module_name=(_MODULE,)),
            instance=instance,
            code_server_log_level="warning",
        )
        workspace = stack.enter_context(code_server)
        stack.enter_context(_daemon(workspace))
        _serve(instance, workspace, project, port)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((UI_HOST, port))
        except OSError:
            raise ConfigError(f"--port: {port} is taken on this machine; name another one") from None


@contextlib.contextmanager
def _daemon(workspace: Sequence[str]) -> Iterator[None]:
    """Runs the daemon, which starts what is queued and evaluates schedules and sensors, as long as the block."""
    command = [sys.executable, "-c", _DAEMON, "run", "--log-level", "warning", *workspace]
    with subprocess.Popen(command, start_new_session=True) as process:  # a terminal's Ctrl-C is for this program to hand on
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()


def _serve(instance: DagsterInstance, workspace: Sequence[str], project: Project, port: int) -> None:
    target = workspace_opts_to_load_target(WorkspaceOpts(workspace=(workspace[1],)))
    instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
    with WorkspaceProcessContext(instance, version=__version__, workspace_load_target=target) as context:
        app = Guard(create_app_from_workspace_process_context(context), port, project.store.root)
        site = f"http://{PAGES_HOST}:{port}{page_address(GALLERY_SITE.name, ALL, 'index.html')}"
        click.echo(f"The web UI:  http://{UI_HOST}:{port}\nThe gallery: {site}\nCtrl-C ends it.")
        uvicorn.run(app, host=UI_HOST, port=port, log_level="error", proxy_headers=False, server_header=False)
