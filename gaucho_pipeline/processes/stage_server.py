"""Forks stage programs from one process that has imported their libraries.

`python -m gaucho_pipeline.processes.stage_server FOLDER MODULE …`

A stage imports torch, diffusers and transformers for about five seconds. The server imports the modules that it is told once, and then
forks a process for each stage, which begins in a tenth of a second and is otherwise a process like any other: its own memory, streams,
working folder, environment, signals and exit status. Its client (`stage_client.py`) stays the process that others see: it hands on
signals, and whoever kills it kills the stage. Python's own forkserver knows only processes that its owner has started itself; here several
`gaucho run` share one, and Dagster starts programs by their command.

Nothing is computed in the server, and it has no threads of Python's: what OpenBLAS starts when it is loaded it ends before a fork and
begins again after it, and OpenMP starts its threads at the first parallel loop, in the stage. Linux only, and never beside an accelerator,
whose drivers do not survive a fork. Only the standard library is imported here.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.processes import launch
from gaucho_pipeline.processes.stage_client import READY, SERVER_VARIABLE, SIZE, SOCKET

SWITCH_VARIABLE = "GAUCHO_FORK_STAGES"
"""`0` has every stage start as a program of its own."""
_PER_STAGE = ("GAUCHO_", "DAGSTER_")
"""Prefixes of variables that may differ from stage to stage: no library reads them when it is loaded."""
_NOT_COMPARED = frozenset({"PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES", "PYTEST_CURRENT_TEST", "SF_PARTNER"})
"""Those of shells and tests, and one that Dagster sets for a database driver when it is imported."""
_SECONDS_BETWEEN_LOOKS = 0.5
_MAX_REQUEST_BYTES = 16 * 2**20


# ------------------------------------------------------------------------------------------ whoever has it run


_SECONDS_TO_END = 20
"""That a server may take to end when it is asked to."""


@contextlib.contextmanager
def serving(modules: Sequence[str], environment: Mapping[str, str], is_wanted: bool = True) -> Iterator[Path | None]:
    """Has a server run as long as the block, for every process that is started within it; yields the folder of its socket.

    `modules`: what it imports; `environment`: what stages will find set, but for what differs from stage to stage. There is none on other
    systems than Linux, where SWITCH_VARIABLE says so, where one is inherited, or if it is not wanted.
    """
    if not is_wanted or not sys.platform.startswith("linux") or os.environ.get(SWITCH_VARIABLE) == "0" or SERVER_VARIABLE in os.environ:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="gaucho-stages-"))
    command = [sys.executable, "-P", "-m", "gaucho_pipeline.processes.stage_server", str(folder), *modules]
    own = {**environment, launch.PARENT_VARIABLE: str(os.getpid())}
    process = subprocess.Popen(command, env=own, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    os.environ[SERVER_VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        os.environ.pop(SERVER_VARIABLE, None)
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:  # seen once in a long test run; whoever waits for it would wait for ever
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


# ------------------------------------------------------------------------------------------ the server


@dataclass(frozen=True)
class Job:
    """A stage to run, in the process that was forked for it."""

    module: str
    request: str
    folder: str
    environment: dict[str, str]
    path: list[str]
    umask: int

    def adopt(self, streams: Sequence[int]) -> None:
        """Has this process be as if the client had started it. `streams`: its standard input, output and error."""
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update({**self.environment, launch.PARENT_VARIABLE: str(os.getppid())})
        os.chdir(self.folder)
        os.umask(self.umask)
        sys.path[:] = self.path
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def main() -> None:
    """Serves until whoever started it ends it, or is gone. In a process that was forked for a stage, runs that."""
    folder, modules = Path(sys.argv[1]), sys.argv[2:]
    owner = int(os.environ[launch.PARENT_VARIABLE])
    warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)  # of OpenBLAS's threads, which end before a fork
    environment = _compared(os.environ)  # as it was, before libraries put variables of their own into it
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / SOCKET))
        listener.listen(64)
        import_all(modules)
        gc.freeze()
        (folder / READY).touch()
        job = _serve(listener, owner, environment)
    if job is None:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        launch.begin(Path(job.request))
        launch.run(job.module, Path(job.request))


def import_all(modules: Sequence[str]) -> None:
    """Imports modules; a stage's `__main__` is forgotten again, so that each stage begins it again. What is not installed is left out."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
        if name.endswith(".__main__"):
            sys.modules.pop(name, None)


def _serve(listener: socket.socket, owner: int, environment: dict[str, str]) -> Job | None:
    """Forks a process for each request. Returns its job in a forked process, None in the server once it is to end."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    stages: dict[int, tuple[socket.socket, int]] = {}
    """By the file descriptor that tells of its end: the connection of a stage's client, and its process."""
    while os.getppid() == owner:
        for key, _ in selector.select(_SECONDS_BETWEEN_LOOKS):
            if key.fileobj is listener:
                connection, _ = listener.accept()
                job, streams = _receive(connection, environment)
                if job is None:
                    connection.close()
                elif pid := os.fork():
                    ends = os.pidfd_open(pid)
                    stages[ends] = connection, pid
                    selector.register(ends, selectors.EVENT_READ)
                    selector.register(connection, selectors.EVENT_READ, data=pid)
                    _close(streams)
                else:
                    selector.close()
                    for each, _ in stages.values():
                        each.close()
                    _close(list(stages))
                    connection.close()
                    job.adopt(streams)
                    return job
            elif isinstance(key.fileobj, socket.socket):
                _hand_on(key.fileobj, key.data, selector)
            else:
                connection, pid = stages.pop(key.fd)
                _end(key.fd, connection, pid, selector)
    for _, pid in stages.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return None


def _compared(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that libraries may have read when they were loaded."""
    return {name: value for name, value in environment.items() if not name.startswith(_PER_STAGE) and name not in _NOT_COMPARED}


def _receive(connection: socket.socket, environment: dict[str, str]) -> tuple[Job | None, list[int]]:
    """What a client wants to have run, and its streams; None where it is gone, or has another environment than the server."""
    connection.settimeout(10)
    streams: list[int] = []
    try:
        head, streams, _, _ = socket.recv_fds(connection, SIZE.size, 3)
        (size,) = SIZE.unpack(head)
        content = bytearray()
        while len(content) < size <= _MAX_REQUEST_BYTES and (part := connection.recv(size - len(content))):
            content += part
        job = Job(**json.loads(bytes(content)))
        is_ours = _compared(job.environment) == environment and len(streams) == 3
        connection.sendall(b"y" if is_ours else b"n")
        connection.settimeout(None)
    except (OSError, ValueError, TypeError, struct.error):
        is_ours = False
    if not is_ours:
        _close(streams)
        return None, []
    return job, streams


def _hand_on(connection: socket.socket, pid: int, selector: selectors.BaseSelector) -> None:
    """Hands a client's signals on to its stage; a client that is gone takes its stage with it."""
    try:
        numbers = connection.recv(64)
    except OSError:
        numbers = b""
    with contextlib.suppress(ProcessLookupError):
        for number in numbers:
            os.kill(pid, number)
        if not numbers:
            selector.unregister(connection)
            os.kill(pid, signal.SIGKILL)


def _end(ends: int, connection: socket.socket, pid: int, selector: selectors.BaseSelector) -> None:
    """Tells a client how its stage has ended."""
    _, status = os.waitpid(pid, 0)
    selector.unregister(ends)
    os.close(ends)
    with contextlib.suppress(KeyError):
        selector.unregister(connection)
    with contextlib.suppress(OSError):
        connection.sendall(SIZE.pack(status))
    connection.close()


def _close(handles: Sequence[int]) -> None:
    for handle in handles:
        os.close(handle)


if __name__ == "__main__":
    main()
