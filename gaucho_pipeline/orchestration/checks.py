"""The blocking checks, as Dagster shows them. What they judge is in `soundness.py`."""

import warnings

import dagster as dg
from dagster import AssetCheckExecutionContext

from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.soundness import CHECKS, judge


def build_checks(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetChecksDefinition]:
    """A blocking check for the set, the checkpoint and the gallery of each concept."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Specifying a partitions_def", category=Warning)  # a preview, pinned and tested
        return [_check(asset, name, description, partitions) for asset, (name, description) in CHECKS.items()]


def _check(asset: str, name: str, description: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=name, description=description, blocking=True, partitions_def=partitions)
    def check(context: AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
        artifact = project.open().store.current(asset, context.partition_key)
        if artifact is None:
            return dg.AssetCheckResult(passed=False, description=f"there is no {asset} of {context.partition_key}")
        judgement = judge(artifact)
        return dg.AssetCheckResult(passed=judgement.passed, description=judgement.text, metadata=judgement.figures)

    return check
