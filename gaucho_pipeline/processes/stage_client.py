"""The client of the stage server, for `launch.py`: asks it to fork a stage, hands on signals, and ends as the stage has ended.

What the server does is in `stage_server.py`. Only the standard library is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

SERVER_VARIABLE = "GAUCHO_STAGE_SERVER"
"""The folder of the server's socket, for those who may ask it."""
SOCKET, READY = "socket", "ready"
SIZE = struct.Struct("!I")
"""What numbers travel as."""


def run_there(module: str, request: Path, may_wait: bool) -> int | None:
    """Has the server run a stage, and returns its status as os.waitpid gives it; None where no server does, and the caller has to.

    `may_wait`: whether to wait for a server that still imports: worth it for whoever would have to import the same.
    """
    folder = Path(os.environ.get(SERVER_VARIABLE, ""))
    if SERVER_VARIABLE not in os.environ or not (may_wait or (folder / READY).exists()):
        return None
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        try:
            connection.connect(str(folder / SOCKET))
            _send_request(connection, _request(module, request))
            if connection.recv(1) != b"y":
                return None
        except OSError:
            return None
        if "DAGSTER_PIPES_CONTEXT" in os.environ:
            with contextlib.suppress(PermissionError):
                os.setpgid(0, 0)  # Dagster hands on a terminal's Ctrl-C; twice would be once too often
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, frame: connection.sendall(bytes([received])))
        answer = connection.recv(SIZE.size, socket.MSG_WAITALL)
    return SIZE.unpack(answer)[0] if len(answer) == SIZE.size else int(signal.SIGKILL)  # the server was killed, and its stages with it


def end_like(status: int) -> NoReturn:
    """Ends this process as another one has ended, also by a signal. `status`: as os.waitpid gives it."""
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL) if os.WTERMSIG(status) != signal.SIGKILL else None
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _request(module: str, request: Path) -> dict[str, Any]:
    mask = os.umask(0o022)
    os.umask(mask)
    return {
        "module": module, "request": str(request), "folder": os.getcwd(), "environment": dict(os.environ), "path": sys.path, "umask": mask,
    }  # fmt: skip


def _send_request(connection: socket.socket, request: dict[str, Any]) -> None:
    content = json.dumps(request).encode()
    socket.send_fds(connection, [SIZE.pack(len(content))], [0, 1, 2])
    connection.sendall(content)
