"""A PostgreSQL server of Debian's for the tests, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{base}'
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 60
"""


class PostgresServer:
    """A server that listens on loopback; its superuser is `gaucho`, without a password. Not run as root, which it refuses."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # short, because the path of a socket has at most 107 bytes
        self._data = self.base / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.base, "postgres", "postgres")
            self._as_user = ["runuser", "-u", "postgres", "--"]
        self.base.chmod(0o700)
        self._run("initdb", "-D", self._data, "-U", "gaucho", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(_CONFIGURATION.format(port=self.port, base=self.base))

    def new_database(self, name: str) -> str:
        """Makes a database; returns its address."""
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "gaucho", name)
        return f"postgresql+psycopg2://gaucho@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "30", "-l", self.base / "log", "start")

    def restart(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "fast", "-l", self.base / "log", "restart")

    def remove(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.base)

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._as_user, str(BINARIES[-1] / program), *map(str, arguments)]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
