"""Training as a stage: makes `checkpoint` of a concept, and `collection` of several that are taught together.

What is taught and written is in `checkpoint.py` and `collection.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gaucho_pipeline.assets.table import COLLECTION
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter, SilentReporter
from gaucho_pipeline.stage.request import StageRequest, read_request
from gaucho_pipeline.store.store import Store
from gaucho_pipeline.training import processes
from gaucho_pipeline.training.checkpoint import make_checkpoint, take_from_collection, train_concept
from gaucho_pipeline.training.collection import make_collection, train_collection


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Makes what is requested."""
    if request.asset == COLLECTION.name:
        return make_collection(request, staging, reporter)
    return take_from_collection(request, staging, reporter) if _is_taken(request) else make_checkpoint(request, staging, reporter)


def _is_taken(request: StageRequest) -> bool:
    """Whether a checkpoint is what a collection learned."""
    return any(name.startswith(f"{COLLECTION.name}/") for name in request.inputs)


def follow(path: Path) -> None:
    """What every process but the first does: the same training, of which it keeps nothing."""
    request = read_request(path)
    if request.cached() is None and not _is_taken(request):
        staging = Store(request.data).staging_folder(request.asset, request.concept, str(request.fingerprint))
        train = train_collection if request.asset == COLLECTION.name else train_concept
        train(request, staging, SilentReporter(None))


if __name__ == "__main__":
    if processes.start(sys.argv, os.environ) == 0:
        main(run)
    else:
        follow(Path(sys.argv[1]))
