"""Whether an artifact is sound: the checks of its asset, run on it. Which checks an asset has is in `assets/table.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gaucho_pipeline.assets.checks import Check, CheckResult, Subject

if TYPE_CHECKING:
    from gaucho_pipeline.store.artifact import Artifact


def run_check(check: Check, artifact: Artifact) -> CheckResult:
    """What a check says of an artifact."""
    return check.run(artifact.manifest.metrics, Subject(artifact.manifest.provenance.spec, artifact.folder))


def blocked_by(artifact: Artifact) -> str:
    """Why nothing may be made from an artifact; empty if something may."""
    results = [run_check(check, artifact) for check in artifact.asset.checks if check.blocking]
    return "; ".join(result.text for result in results if not result.passed and not result.is_warning)
