"""`gaucho ui` of a folder, and what programs ask of it by GraphQL."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from gaucho_pipeline import orchestration
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import free_port, wait_until

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "gaucho_pipeline.definitions"}
LAUNCH = "mutation($p: ExecutionParams!){launchRun(executionParams:$p){__typename ... on LaunchRunSuccess{run{runId}}}}"
SLOW = {"epochs": 2000, "validation_steps": 50}
"""A training that is still at it when it is killed."""


def start_folder(folder: Path, **training: Any) -> Path:
    """A project of two concepts with a dagster.yaml of its own."""
    concepts = {
        slug: folder_concept(draw_folder(folder / slug, slug, 5), token, "cup")
        for slug, token in (("chimarrao", "dnc"), ("araucaria", "mtl"))
    }
    for concept in concepts.values():
        concept["training"] = training
    write_concepts(folder / "concepts.yaml", concepts)
    shutil.copyfile(Path(orchestration.__file__).parent / "dagster.yaml", folder / "dagster.yaml")
    return folder


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`gaucho ui` of a folder once it answers, and its port; whatever of it still runs in the end is killed."""
    found = free_port()
    command = [sys.executable, "-m", "gaucho_pipeline.cli", "ui", "--port", str(found)]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        family: list[psutil.Process] = []
        try:
            wait_until(lambda: status_of(found, "GET", "/server_info", {}) == 200)
            yield process, found
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for each in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()


def status_of(port: int, method: str, path: str, headers: dict[str, str], body: str | None = None) -> int:
    """The HTTP status of a request; 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def ask(port: int, query: str, **variables: Any) -> Any:
    """What GraphQL answers a program that says where it comes from."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
    connection.request("POST", "/graphql", json.dumps({"query": query, "variables": variables}), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert "errors" not in answer, answer
    return answer["data"]


def launch(port: int, slug: str, *assets: str) -> str:
    """Launches a run of assets of a concept."""
    selector = REPOSITORY | {"pipelineName": "__ASSET_JOB", "assetSelection": [{"path": [name]} for name in assets]}
    tags = [{"key": "dagster/partition", "value": slug}]
    done = ask(port, LAUNCH, p={"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}})
    assert done["launchRun"]["__typename"] == "LaunchRunSuccess", done
    return str(done["launchRun"]["run"]["runId"])


def run_status(port: int, run: str) -> str:
    return str(ask(port, "query($r: ID!){runOrError(runId:$r){... on Run{status}}}", r=run)["runOrError"]["status"])


def wait_for_run(port: int, run: str, *statuses: str, seconds: float = 120) -> str:
    """Waits until a run has one of some statuses."""
    deadline = time.monotonic() + seconds
    while (status := run_status(port, run)) not in statuses:
        assert time.monotonic() < deadline, status
        time.sleep(0.5)
    return status


def is_training(folder: Path, slug: str) -> bool:
    """Whether a training of the folder has begun to learn."""
    return any((folder / "data" / ".staging" / "checkpoint" / slug).glob("*/state/*"))
