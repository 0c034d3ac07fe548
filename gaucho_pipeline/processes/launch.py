"""Starts a stage's program: `python -m gaucho_pipeline.processes.launch MODULE REQUEST.json [--wait]`.

Here is what must hold before the program's imports, which take seconds: it can be stopped in one line, and it does not outlive whoever
started it. Where a stage server runs (`stage_server.py`), it has that fork the program. Only the standard library is imported.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from gaucho_pipeline.processes.stage_client import end_like, run_there

PARENT_VARIABLE = "GAUCHO_PARENT"
"""Names the process that a stage must not outlive, because it may be gone before the stage has begun to look."""
ERROR_FILE = "error.json"
"""Beside a request: what went wrong, in one line, and whether the same may succeed later without a change of its input."""
WAIT = "--wait"
"""Has a program that imports much wait for a stage server that is not ready yet."""
_ASKED = "asked to stop; what is done is kept, and the same run goes on from there"


def command(module: str, request: Path, waits: bool) -> list[str]:
    """The command that starts a stage's program. `waits`: whether it imports so much that a stage server is worth waiting for.

    Nothing is imported from the working folder (`-P`): what lies beside a concepts file may be another's.
    """
    return [sys.executable, "-P", "-m", "gaucho_pipeline.processes.launch", module, str(request), *([WAIT] if waits else [])]


def main() -> None:
    """Has a stage server run the program where there is one, else runs it here."""
    module, request = sys.argv[1], Path(sys.argv[2])
    begin(request)
    status = run_there(module, request, may_wait=WAIT in sys.argv[3:])
    if status is not None:
        end_like(status)
    run(module, request)


def begin(request: Path) -> None:
    """Has this process be one that can be stopped, and that does not outlive whoever started it."""
    stop_when_asked(request.parent / ERROR_FILE)
    if PARENT_VARIABLE in os.environ:
        die_with_parent()


def run(module: str, request: Path) -> NoReturn:
    """Runs a stage's program in this process, as `python -m` would, and ends the process."""
    sys.argv = [sys.argv[0], str(request)]
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    _end(code)


def _end(code: object) -> NoReturn:
    """Ends this process as Python does (threads, atexit, streams), but leaves its memory to the system.

    Taking torch's and transformers' modules apart takes one to three seconds, and changes nothing that lasts.
    """
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(int(code or 0) & 0xFF)


def stop_when_asked(error_file: Path) -> None:
    """Has Ctrl-C and SIGTERM end this program in one line, wherever it is: everything that counts is on disk already.

    A stage that has something to save first handles them itself.
    """

    def stop(number: int, frame: object) -> None:
        with contextlib.suppress(OSError):
            error_file.write_text(json.dumps({"message": _ASKED, "is_transient": True}), encoding="utf-8")
        with contextlib.suppress(OSError):
            os.write(2, f"{_ASKED}\n".encode())
        os._exit(128 + number)  # no library may stand in the way: a reactor, or a pool that waits for its children

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def die_with_parent() -> None:
    """Ends this process when the one that started it is gone: a killed run must not go on computing."""
    parent = int(os.environ.get(PARENT_VARIABLE, os.getppid()))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
