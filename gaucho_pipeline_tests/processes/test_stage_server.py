"""Stages that are forked from a server: each is a process as if its client had started it, and none is forked where that is not safe."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from gaucho_pipeline.processes import launch
from gaucho_pipeline.processes.stage_client import READY, SERVER_VARIABLE, SOCKET
from gaucho_pipeline.processes.stage_server import SWITCH_VARIABLE, serving
from gaucho_pipeline.stage.server import PROGRAM_ENVIRONMENT
from gaucho_pipeline_tests.programs import stage_environment, wait_until

FORKED = "colorsys"
"""A small module that the tests' own server imports, and no program does by itself: who has it was forked."""
ABOUT = f"""
import json, os, sys, threading
mask = os.umask(0); os.umask(mask)
print(json.dumps({{
    "forked": {FORKED!r} in sys.modules, "folder": os.getcwd(), "mask": mask, "arguments": sys.argv[1:],
    "variable": os.environ.get("GAUCHO_OWN"),
    "threads": sorted(thread.name for thread in threading.enumerate()), "parent": os.getppid(), "name": __name__, "pid": os.getpid(),
    "handles": len(os.listdir("/proc/self/fd")),
}}), flush=True)
"""
SLEEP = "\nimport time\nopen('begun', 'w').close()\ntime.sleep(600)\n"


def write_program(folder: Path, text: str) -> list[str]:
    """A stage's program and its request; the command that starts it, which alone says where the program is."""
    (folder / "own_stage.py").write_text(textwrap.dedent(text), encoding="utf-8")
    (folder / "request.json").write_text("{}", encoding="utf-8")
    begin = f"import sys; sys.path.insert(0, {str(folder)!r}); from {launch.__name__} import main; main()"
    return [sys.executable, "-P", "-c", begin, "own_stage", str(folder / "request.json"), launch.WAIT]


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """A server that imports one small module, whatever else runs; its folder."""
    tests_own = os.environ.pop(SERVER_VARIABLE, None)
    with serving([FORKED], os.environ) as folder:
        assert folder
        wait_until((folder / READY).exists)
        os.environ.pop(SERVER_VARIABLE)  # the tests' own is started by whoever needs it first
        os.environ |= {SERVER_VARIABLE: tests_own} if tests_own else {}
        yield folder
        tests_own = os.environ.pop(SERVER_VARIABLE, None)
    os.environ |= {SERVER_VARIABLE: tests_own} if tests_own else {}


def environment_for(server: Path, **variables: str) -> dict[str, str]:
    return os.environ | {SERVER_VARIABLE: str(server)} | variables


def run(server: Path, folder: Path, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = write_program(folder, text)
    return subprocess.run(command, cwd=folder, env=environment_for(server, **variables), capture_output=True, text=True, timeout=120)


def about(server: Path, folder: Path, **variables: str) -> dict[str, Any]:
    done = run(server, folder, ABOUT, **variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_stage_is_as_if_its_client_had_started_it(server: Path, tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        found = about(server, tmp_path, GAUCHO_OWN="araucária")
    finally:
        os.umask(mask)
    assert found["forked"]
    assert (found["folder"], found["mask"], found["variable"]) == (str(tmp_path), 0o027, "araucária")
    assert found["arguments"] == [str(tmp_path / "request.json")]
    assert found["name"] == "__main__"
    assert found["threads"] == ["MainThread", "Thread-1 (watch)"]  # it watches for its parent's end, and nothing else runs
    assert found["handles"] <= 5


def test_two_stages_share_nothing(server: Path, tmp_path: Path) -> None:
    text = f"import sys, {FORKED} as shared\nprint(getattr(shared, 'mark', 'clean'))\nshared.mark = 'marked'"
    assert [run(server, tmp_path, text).stdout for _ in range(2)] == ["clean\n", "clean\n"]


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('in words')", 1, "in words"),
        ("raise SystemExit", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV, ""),
        ("import atexit, sys; atexit.register(lambda: print('at the end', file=sys.stderr))", 0, "at the end"),
        (
            "import sys, threading, time; threading.Thread(target=lambda: (time.sleep(0.3), print('late', file=sys.stderr))).start()",
            0,
            "late",
        ),
    ],
)
def test_its_exit_is_its_clients(text: str, code: int, error: str, server: Path, tmp_path: Path) -> None:
    forked, alone = run(server, tmp_path, text), run(Path("/nowhere"), tmp_path, text)
    assert (forked.returncode, alone.returncode) == (code, code)
    assert error in forked.stderr
    assert error in alone.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_for_the_client_stops_the_stage_in_one_line(number: int, server: Path, tmp_path: Path) -> None:
    command = write_program(tmp_path, SLEEP)
    process = subprocess.Popen(command, cwd=tmp_path, env=environment_for(server), stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "begun").exists)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert error.count("\n") == 1
    assert error.startswith("asked to stop")
    assert process.returncode == 128 + number
    assert json.loads((tmp_path / launch.ERROR_FILE).read_text())["is_transient"] is True


def begun(server: Path, folder: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A client whose stage sleeps, and the stage."""
    command = write_program(folder, ABOUT + SLEEP)
    client = subprocess.Popen(command, cwd=folder, env=environment_for(server), stdout=subprocess.PIPE, text=True)
    wait_until((folder / "begun").exists)
    assert client.stdout
    found = json.loads(client.stdout.readline())
    assert found["forked"]
    return client, psutil.Process(found["pid"])


def test_whoever_kills_the_client_kills_the_stage(server: Path, tmp_path: Path) -> None:
    client, stage = begun(server, tmp_path)
    client.kill()
    client.communicate()
    stage.wait(timeout=30)


def owned_server() -> tuple[subprocess.Popen[str], psutil.Process, Path]:
    """A program that has a server run, that server, and its folder."""
    code = f"""
        import os, time
        os.environ.pop({SERVER_VARIABLE!r}, None)
        from gaucho_pipeline.processes.stage_server import serving
        with serving([{FORKED!r}], os.environ) as folder:
            print(folder, flush=True)
            time.sleep(600)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    folder = Path(owner.stdout.readline().strip())
    wait_until((folder / READY).exists)
    (server,) = psutil.Process(owner.pid).children()
    return owner, server, folder


def test_a_server_that_is_killed_takes_its_stages_with_it_and_the_next_is_run_without(tmp_path: Path) -> None:
    owner, server, folder = owned_server()
    client, stage = begun(folder, tmp_path)
    server.kill()
    client.communicate(timeout=60)
    assert client.returncode == -signal.SIGKILL
    stage.wait(timeout=30)
    assert about(folder, tmp_path)["forked"] is False
    owner.kill()
    owner.communicate()


def test_a_server_ends_when_its_owner_is_killed_and_leaves_no_folder(tmp_path: Path) -> None:
    owner, server, folder = owned_server()
    client, stage = begun(folder, tmp_path)
    owner.kill()
    owner.communicate()
    server.wait(timeout=30)
    stage.wait(timeout=30)
    client.communicate(timeout=30)
    assert not folder.exists()


def test_another_environment_is_another_program(server: Path, tmp_path: Path) -> None:
    assert about(server, tmp_path)["forked"]
    assert about(server, tmp_path, GAUCHO_ANY="1", DAGSTER_ANY="1", PWD="/")["forked"]
    assert about(server, tmp_path, OMP_NUM_THREADS="7")["forked"] is False
    assert about(server, tmp_path, LD_PRELOAD="")["forked"] is False


def test_what_is_no_request_is_refused_and_the_server_goes_on(server: Path, tmp_path: Path) -> None:
    import socket

    for content in (b"", b"\x00", b"\x00\x00\x00\x02[]", b"\xff\xff\xff\xff" + b"x" * 64, b"\x00\x00\x00\x04null"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(server / SOCKET))
            connection.sendall(content) if content else None
    assert about(server, tmp_path)["forked"]
    assert (server.stat().st_mode & 0o777) == 0o700  # nobody else may ask it


@pytest.mark.parametrize("reason", ["switch", "not wanted", "inherited"])
def test_there_is_none_where_it_is_switched_off_not_wanted_or_inherited(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    if reason == "switch":
        monkeypatch.setenv(SWITCH_VARIABLE, "0")
    if reason == "inherited":
        monkeypatch.setenv(SERVER_VARIABLE, "/elsewhere")
    with serving([FORKED], os.environ, is_wanted=reason != "not wanted") as folder:
        assert folder is None


PROBE = """
import json, sys
first = {"reactor": "twisted.internet.reactor" in sys.modules, "cuda": sys.modules["torch"].cuda.is_initialized()}
import numpy as np, torch
rng = np.random.default_rng(1)
a = rng.standard_normal((384, 384))
blas = np.allclose(a @ np.linalg.inv(a), np.eye(384), atol=1e-6)
x = torch.ones(4, 32, 64, 64)
omp = torch.nn.functional.conv2d(x, torch.ones(32, 32, 3, 3), padding=1)[:, :, 1:-1, 1:-1]
from twisted.internet import reactor
import scrapy
answers = []
reactor.callWhenRunning(lambda: reactor.callInThread(lambda: reactor.callFromThread(lambda: (answers.append(1), reactor.stop()))))
reactor.run(installSignalHandlers=False)
found = {"blas": bool(blas), "openmp": bool((omp == 288).all()), "scrapy": answers == [1], "threads": torch.get_num_threads()}
print(json.dumps(first | found))
"""


@pytest.fixture(scope="module")
def real_server() -> Path:
    """The server that has imported what stages need."""
    stage_environment()
    folder = Path(os.environ[SERVER_VARIABLE])
    wait_until((folder / READY).exists)
    return folder


def process_of(server: Path) -> psutil.Process:
    (found,) = [each for each in psutil.process_iter(["cmdline"]) if str(server) in (each.info["cmdline"] or [])]
    return found


def test_after_the_imports_no_thread_holds_anything(real_server: Path) -> None:
    """What numpy's OpenBLAS starts when it is loaded waits for work, and is ended and begun again by its own handler of forks."""
    tasks = Path(f"/proc/{process_of(real_server).pid}/task")
    names = [(each / "comm").read_text().strip() for each in tasks.iterdir()]
    assert len(names) <= 2 * (os.cpu_count() or 1) + 1, names
    states = [(each / "stat").read_text().rpartition(") ")[2].split()[0] for each in tasks.iterdir()]
    assert set(states) <= {"S", "R"}


def test_two_hundred_forked_stages_compute_with_blas_openmp_and_scrapy(real_server: Path, tmp_path: Path) -> None:
    command = write_program(tmp_path, PROBE)
    environment = os.environ | PROGRAM_ENVIRONMENT | {SERVER_VARIABLE: str(real_server)}

    def probe(_: int) -> dict[str, Any]:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(probe, range(200)))
    assert {json.dumps(each, sort_keys=True) for each in found} == {json.dumps(found[0], sort_keys=True)}
    assert found[0] == {
        "reactor": False, "cuda": False, "blas": True, "openmp": True, "scrapy": True, "threads": found[0]["threads"],
    }  # fmt: skip
    assert process_of(real_server).children() == []


def test_the_memory_of_the_server_is_shared_and_a_stage_has_its_own(real_server: Path, tmp_path: Path) -> None:
    with contextlib.suppress(psutil.AccessDenied):
        assert process_of(real_server).memory_info().rss < 1_200_000_000
