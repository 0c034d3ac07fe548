"""Keeps what the web UI needs beside it running: Dagster's daemon is started again if it ends, and without a code server the UI ends.

A UI whose daemon was killed looks well, and leaves every run in the queue.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import click
import psutil

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.orchestration.dagster_internals import DAEMON_PROGRAM

_SECONDS_TO_END = 20
_SECONDS_BETWEEN_LOOKS = 1.0
_STARTS, _WITHIN_SECONDS = 4, 600.0
"""How often it may be started in how long, before the UI ends with it."""
_DAEMON = f"from gaucho_pipeline.processes.launch import die_with_parent; die_with_parent(); {DAEMON_PROGRAM}"
"""A `dagster-daemon` that does not outlive this program: closing the terminal, or `kill -9`, would leave its schedules running."""
_CODE_SERVER = "code-server"


class Daemon(threading.Thread):
    """Dagster's daemon, which starts what is queued and evaluates schedules and sensors; and whoever looks after it and the code server."""

    def __init__(self, workspace: Sequence[str]) -> None:
        """`workspace`: the arguments that name the code server."""
        super().__init__(daemon=True, name="daemon")
        self._command = [sys.executable, "-P", "-c", _DAEMON, "run", "--log-level", "warning", *workspace]
        self._stop_asked, self._failure = threading.Event(), ""
        self._starts = list[float]()
        self._code_servers = [each for each in psutil.Process().children() if _CODE_SERVER in _words(each)]
        self._process = self._begin()

    def run(self) -> None:
        while not self._stop_asked.wait(_SECONDS_BETWEEN_LOOKS):
            if gone := [each for each in self._code_servers if not each.is_running() or each.status() == psutil.STATUS_ZOMBIE]:
                return self._give_up(_("Dagster's code server (process {pid}) is gone", pid=gone[0].pid))
            if (status := self._process.poll()) is None:
                continue
            recent = [moment for moment in self._starts if time.monotonic() - moment < _WITHIN_SECONDS]
            if len(recent) >= _STARTS:
                return self._give_up(_("Dagster's daemon ended {count} times, the last with {status}", count=len(recent), status=status))
            click.echo(_("Dagster's daemon ended ({status}); it is started again", status=status), err=True)
            self._process = self._begin()

    def stop(self) -> None:
        """Ends it, and waits for that. Raises GauchoError if the UI ends because of it."""
        self._stop_asked.set()
        if self.is_alive():
            self.join()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._failure:
            raise GauchoError(self._failure)

    def _begin(self) -> subprocess.Popen[bytes]:
        self._starts.append(time.monotonic())
        return subprocess.Popen(self._command, start_new_session=True)  # a terminal's Ctrl-C is for this program to hand on

    def _give_up(self, reason: str) -> None:
        self._failure = _("{reason}; nothing would run any more: start gaucho ui again", reason=reason)
        os.kill(os.getpid(), signal.SIGTERM)  # an orderly end, in which what trains is saved


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []
