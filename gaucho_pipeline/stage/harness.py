"""The harness of a stage program: request in, artifact out, progress and errors told to whoever started it.

A stage hands `main` a function that fills a folder; reading the request, finding what exists, staging, the manifest, Dagster and the
terminal are seen to here. Nothing here knows what a stage does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dagster_pipes import open_dagster_pipes

from gaucho_pipeline.assets.metrics import Metrics
from gaucho_pipeline.assets.table import ASSETS, CURATED_SET, EVALUATION
from gaucho_pipeline.assets.verdicts import SENTENCES
from gaucho_pipeline.errors import ForgottenError, GauchoError, _
from gaucho_pipeline.files.clock import now
from gaucho_pipeline.language import terminal
from gaucho_pipeline.processes.json_log import install_if_asked
from gaucho_pipeline.processes.launch import ERROR_FILE, stop_when_asked
from gaucho_pipeline.stage.failures import reports_failures
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest, read_request
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.manifest import Manifest
from gaucho_pipeline.store.remote import share_if_asked
from gaucho_pipeline.store.store import Store

SIDE_BY_SIDE_VARIABLE = "GAUCHO_SIDE_BY_SIDE"
"""How many stages share this machine's memory, where there is no GPU for each."""

_SHOWN_OR_LEARNED = (CURATED_SET.name, EVALUATION.name)
"""Assets whose images are learned from, measured with or shown."""


@dataclass(frozen=True)
class StageResult:
    """What a stage says of the folder that it filled."""

    data_version: str
    metrics: Metrics
    fingerprint: str | None = None
    """Only for what is named by what it holds."""
    leftovers: tuple[str, ...] = ()
    """Folders of the staging folder that are no part of the artifact, and go once it is published."""


RunStage = Callable[[StageRequest, Path, Reporter], StageResult]


def main(run: RunStage) -> None:
    """Runs a stage program: reads the request that the command line names, and ends with exit status 0 or 1.

    What went wrong is printed in one line and kept in error.json beside the request.
    """
    if len(sys.argv) != 2:
        print("usage: python -m gaucho_pipeline.<stage> REQUEST.json", file=sys.stderr)
        sys.exit(2)
    path = Path(sys.argv[1])
    stop_when_asked(path.parent / ERROR_FILE)
    with reports_failures(path.parent / ERROR_FILE, partial(_memory_remedy, path)), contextlib.ExitStack() as stack:
        pipes = stack.enter_context(open_dagster_pipes()) if "DAGSTER_PIPES_CONTEXT" in os.environ else None
        if pipes:
            with contextlib.suppress(PermissionError):  # where it is the first of its session already
                os.setpgid(0, 0)  # Dagster hands on a terminal's Ctrl-C; twice would be once too often
        reporter, request = Reporter(pipes), read_request(path)
        install_if_asked(asset=request.asset, concept=request.concept)
        terminal.install_if_asked(SENTENCES)
        artifact, cached = ensure(request, run, reporter)
        if pipes:
            pipes.report_custom_message({"folder": str(artifact.folder), "cached": cached})


def ensure(request: StageRequest, run: RunStage, reporter: Reporter) -> tuple[Artifact, bool]:
    """The artifact that a request asks for, made if it does not exist already; and whether it stood."""
    if cached := request.cached():
        share_if_asked(Store(request.data), cached, reporter.info)
        return cached, True
    forgotten = Forgotten(request.forgotten).sha256
    store = Store(request.data, forgotten)
    store.check_writable()
    check_inputs(store, request, forgotten)
    started = time.monotonic()
    with store.staging(request.asset, request.concept, request.fingerprint or "crawl") as staging:
        result = run(request, staging, reporter)
        name = request.fingerprint or result.fingerprint
        if name is None:
            raise ValueError("a stage whose request has no fingerprint must give one")
        named = request.model_copy(update={"fingerprint": name, "force": False})
        if request.fingerprint is None and (cached := named.cached()):  # what is named by what it holds may exist already
            shutil.rmtree(staging)
            return cached, True
        manifest = Manifest(
            asset=request.asset,
            concept=request.concept,
            fingerprint=name,
            data_version=result.data_version,
            provenance=request.provenance,
            made_at=now(),
            seconds=round(time.monotonic() - started, 2),
            metrics=result.metrics,
        )
        artifact = store.publish(staging, manifest, result.leftovers)
        for name in result.leftovers:  # a full disk, or a kill, before this moment would cost more than they do
            shutil.rmtree(artifact.folder / name, ignore_errors=True)
    share_if_asked(store, artifact, reporter.info)
    return artifact, False


def check_inputs(store: Store, request: StageRequest, forgotten: Collection[str]) -> None:
    """Raises GauchoError if a file of what is read is not what was written, or it holds an image that was forgotten elsewhere since.

    The tombstones may have come from another machine (`concepts.forgotten.json` is committed), where this one has not forgotten yet.
    """
    for name, folder in request.inputs.items():
        artifact = store.find(name.partition("/")[0], folder.parent.name, folder.name)
        if artifact:
            store.check(artifact, with_weights=ASSETS[request.asset].reads_weights)
            if forgotten and artifact.manifest.asset in _SHOWN_OR_LEARNED and (found := artifact.first_of(forgotten, ["excluded.jsonl"])):
                raise ForgottenError(
                    _(
                        "{asset} of {concept} holds an image that was forgotten; to take it out: gaucho forget {sha}",
                        asset=artifact.manifest.asset,
                        concept=artifact.manifest.concept,
                        sha=found,
                    )
                )


def _memory_remedy(path: Path) -> str:
    """What takes less memory in the stage that a request asks for."""
    with contextlib.suppress(GauchoError, OSError, LookupError):
        return ASSETS[read_request(path).asset].memory_remedy
    return ""
