"""Runs the pipeline's own programs as a person or Dagster would: in processes of their own."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
from click.testing import CliRunner, Result
from safetensors import safe_open

from gaucho_pipeline.assets.table import ASSETS, CONCEPT_ASSETS, SAMPLE_SEQUENCE
from gaucho_pipeline.cli import main
from gaucho_pipeline.processes import launch
from gaucho_pipeline.processes.stage_client import SERVER_VARIABLE
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.stage.server import PROGRAM_ENVIRONMENT, stage_server

EVERY_CONCEPTS = tuple(asset for asset in CONCEPT_ASSETS if asset != SAMPLE_SEQUENCE and not asset.is_made_apart)
"""The assets that a run makes of every concept; the others are those of concepts that ask for them."""
CONCEPT_NAMES = tuple(asset.name for asset in EVERY_CONCEPTS)


_WORKER = {"PYTEST_XDIST_WORKER": "gw0", "PYTEST_XDIST_WORKER_COUNT": "1"}
"""Variables that say which of pytest-xdist's workers this is, and their values without it."""


@lru_cache(maxsize=1)
def start_stage_server() -> None:
    """One stage server for all tests of this process, begun by the first that starts a stage."""
    stack = contextlib.ExitStack()
    stack.enter_context(stage_server(os.environ))
    atexit.register(stack.close)


def forked_stages() -> list[psutil.Process]:
    """The stages that the server of this process's tests has forked, and that still run."""
    folder = os.environ[SERVER_VARIABLE]
    server = next(each for each in psutil.process_iter(["cmdline"]) if folder in (each.info["cmdline"] or []))
    return server.children()


def gaucho(project: Path, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """`gaucho …` on the concepts file and the data below a folder, in this process; the stages that it runs have their own."""
    start_stage_server()
    command = ["--concepts", str(project / "concepts.yaml"), "--data", str(project / "data"), *arguments]
    before = dict(os.environ)
    with contextlib.chdir(project):
        done = CliRunner().invoke(main, command, env=variables)
    os.environ.clear()  # a program of its own, which commands are elsewhere, sets what it likes
    os.environ.update(before)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert not check or done.exit_code == 0, done.output
    return subprocess.CompletedProcess(command, done.exit_code, done.stdout, done.stderr)


def gaucho_process(project: Path, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same as a program of its own, as a shell starts it: for what is claimed of processes."""
    command = [sys.executable, "-m", "gaucho_pipeline.cli", "--concepts", str(project / "concepts.yaml"), "--data", str(project / "data")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=os.environ | variables, cwd=project)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def states(project: Path) -> dict[str, dict[str, str]]:
    """Whether each asset of each concept is up to date, a word for each, as `gaucho status` tells it."""
    opened = Project(project / "concepts.yaml", project / "data")
    found = {slug: {asset: state.state for asset, state in opened.states(slug).items()} for slug in opened.slugs}
    return found | {"all": {"gallery_site": opened.site_state().state}}


def made(project: Path) -> list[str]:
    """Runs everything; the assets that were made or cached rather than left alone, as `concept/asset word`."""
    concept, found = "", []
    for line in gaucho(project, "run", "--jobs", "1").stdout.splitlines():
        if not line.startswith(" "):
            concept = line.strip()
        elif (words := line.split())[1] in ("made", "cached"):
            found.append(f"{concept}/{words[0]} {words[1]}")
    return found


def write_request(folder: Path, request: StageRequest) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "request.json").write_text(request.model_dump_json(), encoding="utf-8")
    return folder / "request.json"


def stage_environment(**variables: str) -> dict[str, str]:
    """What a stage's program finds set."""
    start_stage_server()
    return os.environ | PROGRAM_ENVIRONMENT | variables


def run_stage(project: Project, asset: str, slug: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a stage's program to its end."""
    return subprocess.run(stage_command(project, asset, slug, folder), capture_output=True, text=True, env=stage_environment(**variables))


def stage_command(project: Project, asset: str, slug: str, folder: Path) -> list[str]:
    request = write_request(folder, project.request(asset, slug))
    return launch.command(ASSETS[asset].program, request, waits=ASSETS[asset].on_base_model)


def free_port() -> int:
    """A port that nobody listens at, and that no other worker of this run takes before somebody does: each has its own residue."""
    worker, count = (int(os.environ.get(name, default).lstrip("gw")) for name, default in _WORKER.items())
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port // 2 % count == worker:  # the system gives even ones before odd ones
            return port


def wait_until(ready: Callable[[], bool], seconds: float = 120) -> None:
    """Waits for a moment, and fails the test if it never comes."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


def kill_when(command: list[str], ready: Callable[[], bool], seconds: float = 120) -> bool:
    """Starts a program and kills it with SIGKILL as soon as `ready` says so; whether it was still running then."""
    process = subprocess.Popen(command, env=stage_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + seconds
    while process.poll() is None and not ready():
        assert time.monotonic() < deadline, "it never came to the moment to be killed at"
        time.sleep(0.005)
    running = process.poll() is None
    _kill(process)
    return running


def kill_after(command: list[str], seconds: float) -> bool:
    """Starts a program and kills it with SIGKILL after some seconds; whether it was still running then."""
    process = subprocess.Popen(command, env=stage_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        _kill(process)
        return True
    return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills a program, and waits until the stage that it had forked is gone, too: the server ends that a moment later."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    if SERVER_VARIABLE in os.environ:
        wait_until(lambda: not forked_stages())


def _weights(path: Path) -> dict[str, Any]:
    """The tensors and the metadata of a file whose header stands in any order."""
    with safe_open(path, "np") as file:
        return {"metadata": file.metadata()} | {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def content_of(folder: Path) -> dict[str, Any]:
    """Everything in an artifact but the moments and the rates."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name.startswith("logs/"):  # which hold the moment of every figure
            continue
        found[name] = _weights(path) if path.suffix == ".safetensors" else path.read_bytes()
    manifest = json.loads(found.pop("manifest.json"))
    for volatile in ("made_at", "seconds", "files", "digest"):  # which are compared themselves
        manifest.pop(volatile)
    for volatile in ("images_per_second", "peak_memory_bytes", "pictures_per_second", "generated", "requests", "resources"):
        manifest["metrics"].pop(volatile, None)
    if "README.md" in found:
        found["README.md"] = [line for line in found["README.md"].splitlines() if b" images/s, " not in line]
    return found | {"manifest": manifest}


def invoke(project: Project, *arguments: str) -> Result:
    """`gaucho …` in this process."""
    named = ["--concepts", str(project.concepts_file), "--data", str(project.store.root)]
    return CliRunner().invoke(main, [*named, *arguments])
