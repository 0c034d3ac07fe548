"""The checks, as Dagster shows them. What they judge is in `soundness.py`."""

import warnings

import dagster as dg
from dagster import AssetCheckExecutionContext

from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.soundness import CHECKS, Check, judge


def build_checks(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetChecksDefinition]:
    """A check for each asset of each concept; all but the crawl's block what is downstream."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Specifying a partitions_def", category=Warning)  # a preview, pinned and tested
        return [_check(asset, check, partitions) for asset, check in CHECKS.items()]


def _check(asset: str, what: Check, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    severity = dg.AssetCheckSeverity.ERROR if what.blocks else dg.AssetCheckSeverity.WARN

    @dg.asset_check(asset=asset, name=what.name, description=what.asserts, blocking=what.blocks, partitions_def=partitions)
    def check(context: AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
        artifact = project.open().store.current(asset, context.partition_key)
        if artifact is None:
            return dg.AssetCheckResult(passed=False, description=f"there is no {asset} of {context.partition_key}")
        judgement = judge(artifact)
        return dg.AssetCheckResult(passed=judgement.passed, severity=severity, description=judgement.text, metadata=judgement.figures)

    return check
