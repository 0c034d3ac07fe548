"""Real Ray nodes on loopback, each a `ray start --block` in a session of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from gaucho_pipeline_tests.programs import wait_until

_QUICK = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_timeout_ms": 1500,
          "health_check_failure_threshold": 3}  # fmt: skip
"""A node that died is noticed in seconds."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """A node of the cluster: all its processes."""

    def __init__(self, log: Path, *arguments: str) -> None:
        ray = str(Path(sys.executable).parent / "ray")
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        own = {"PATH": path, "RAY_USAGE_STATS_ENABLED": "0", "RAY_JOB_START_TIMEOUT_SECONDS": "2592000"}
        common = ["--block", "--node-ip-address=127.0.0.1", "--disable-usage-stats", "--object-store-memory=80000000"]
        command = [ray, "start", *common, f"--dashboard-agent-listen-port={free_port()}", *arguments]
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, env=os.environ | own)

    def family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            whole = psutil.Process(self.process.pid)
            return [*whole.children(recursive=True), whole]
        return []

    def does(self, module: str) -> bool:
        """Whether a program of ours is at work on it."""
        for each in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                if module in each.cmdline():
                    return True
        return False

    def kill(self) -> None:
        for each in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()


class Cluster:
    """A head without GPUs, and workers with one each, as they say of themselves."""

    def __init__(self, folder: Path) -> None:
        """`folder`: a short one, because sockets are put into it."""
        self._folder, self._port, self._dashboard, self.workers = folder, free_port(), free_port(), list[Node]()
        folder.mkdir(parents=True, exist_ok=True)
        self._head = Node(
            folder / "head.log", "--head", f"--port={self._port}", "--include-dashboard=true", "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self._dashboard}", "--num-cpus=2", "--num-gpus=0", f"--temp-dir={folder}",
            f"--ray-client-server-port={free_port()}", f"--system-config={json.dumps(_QUICK)}",
        )  # fmt: skip
        wait_until(lambda: len(self.alive()) == 1)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._dashboard}"

    def add_worker(self) -> Node:
        count = len(self.alive())
        log = self._folder / f"worker{len(self.workers)}.log"
        self.workers.append(Node(log, f"--address=127.0.0.1:{self._port}", "--num-cpus=1", "--num-gpus=1"))
        wait_until(lambda: len(self.alive()) == count + 1)
        return self.workers[-1]

    def alive(self) -> list[Any]:
        try:
            with urllib.request.urlopen(f"{self.address}/api/v0/nodes", timeout=5) as answer:
                rows = json.load(answer)["data"]["result"]["result"]
        except (OSError, ValueError, LookupError, TypeError):
            return []
        return [row for row in rows if row["state"] == "ALIVE"]

    def stop(self) -> None:
        for node in (*self.workers, self._head):
            if node.process.poll() is None:
                node.kill()
