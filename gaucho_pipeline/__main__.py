"""The program `gaucho`, and `python -m gaucho_pipeline`: Ctrl-C ends it in one line also while it is being loaded.

Loading takes a second, in which Python would tell of Ctrl-C by a traceback. What comes after handles it itself (`commands/common.py`).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn


def main() -> None:
    """Loads the command line, and runs it."""
    before = signal.signal(signal.SIGINT, _stop)
    from gaucho_pipeline.assets.verdicts import SENTENCES
    from gaucho_pipeline.cli import main as run_command
    from gaucho_pipeline.commands.common import read_help
    from gaucho_pipeline.language import terminal

    signal.signal(signal.SIGINT, before)
    if terminal.install(sys.argv[1:], SENTENCES):
        read_help(run_command, terminal.reader(terminal.language(), SENTENCES).read)
    run_command()


def _stop(number: int, frame: object) -> NoReturn:
    if "GAUCHO_PARENT" not in os.environ:  # who runs several at once says it once
        os.write(2, b"stopped by Ctrl-C\n")
    os._exit(128 + number)  # nothing was begun


if __name__ == "__main__":
    main()
