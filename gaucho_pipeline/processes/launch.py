"""Starts a stage's program: `python -m gaucho_pipeline.processes.launch MODULE REQUEST.json`.

Here is what must hold before the program's imports, which take seconds: it can be stopped in one line, and it does not outlive whoever
started it. Only the standard library is imported.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

PARENT_VARIABLE = "GAUCHO_PARENT"
"""Names the process that a stage must not outlive, because it may be gone before the stage has begun to look."""
ERROR_FILE = "error.json"
"""Beside a request: what went wrong, in one line, and whether the same may succeed later without a change of its input."""
_ASKED = "asked to stop; what is done is kept, and the same run goes on from there"


def main() -> None:
    """Runs a stage's program as `python -m` would."""
    module, request = sys.argv[1], Path(sys.argv[2])
    stop_when_asked(request.parent / ERROR_FILE)
    if PARENT_VARIABLE in os.environ:
        die_with_parent()
    sys.argv[1:] = [str(request)]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def stop_when_asked(error_file: Path) -> None:
    """Has Ctrl-C and SIGTERM end this program in one line, wherever it stands: everything that counts is on disk already.

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
