"""`gaucho run --log-json`: what is told, as JSON Lines, for programs that collect logs.

Each line has `time` (UTC, ISO 8601), `stream` (`out` or `err`), `text`, and where a stage tells it, its `asset` and `concept`.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import sys
import threading
from datetime import UTC, datetime
from io import TextIOBase
from typing import TextIO

VARIABLE = "GAUCHO_LOG_JSON"
"""Tells the programs that a run starts to do the same."""
_ENDS = re.compile(r"\r\n|\r|\n")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class JsonLines(TextIOBase):
    """A stream whose lines become objects; what a progress bar writes over is a line, too."""

    def __init__(self, stream: TextIO, name: str, **about: str) -> None:
        self._stream, self._name, self._about, self._begun, self._lock = stream, name, about, "", threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._begun = _ENDS.split(self._begun + text)
            for line in lines:
                self._tell(line)
        return len(text)

    def end(self) -> None:
        """Tells what exists without an end of its line."""
        with self._lock:
            self._tell(self._begun)
            self._begun = ""
            self._stream.flush()

    def _tell(self, line: str) -> None:
        if bare := _STYLE.sub("", line).strip():
            value = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "stream": self._name, **self._about, "text": bare}
            self._stream.write(json.dumps(value, ensure_ascii=False) + "\n")

    def flush(self) -> None:
        self._stream.flush()


def install(**about: str) -> None:
    """Has this process and those that it starts tell everything as JSON. `about`: what every line says of itself."""
    os.environ[VARIABLE] = "1"
    out, err = JsonLines(sys.__stdout__ or sys.stdout, "out", **about), JsonLines(sys.__stderr__ or sys.stderr, "err", **about)
    sys.stdout, sys.stderr = out, err
    atexit.register(out.end)
    atexit.register(err.end)


def install_if_asked(**about: str) -> None:
    """The same for a program that was started by one which does so."""
    if os.environ.get(VARIABLE):
        install(**about)
