"""The asset checks, as Dagster shows them. What each looks at is in `assets/checks.py`.

Beside an asset's own checks there is `up_to_date`: Dagster does not hand staleness down, so that it calls fresh what exists below
something stale, and it does not look at the site when there are a hundred concepts and more. The check says it there.
"""

import warnings
from collections.abc import Sequence

import dagster as dg
from dagster import AssetCheckExecutionContext

from gaucho_pipeline.assets.checks import Check
from gaucho_pipeline.assets.table import ALL, Asset
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.project.states import NOT_REQUESTED
from gaucho_pipeline.store.soundness import run_check

UP_TO_DATE = "up_to_date"


def build_checks(partitions: dg.PartitionsDefinition[str], assets: Sequence[Asset]) -> list[dg.AssetChecksDefinition]:
    """The checks of each asset of each concept; those that block stop what is downstream."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Specifying a partitions_def", category=Warning)  # a preview, pinned and tested
        own = [_own_check(asset, check, partitions) for asset in assets for check in asset.checks]
        return [*own, *(_up_to_date_check(asset, partitions) for asset in assets)]


def _own_check(asset: Asset, what: Check, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    severity = dg.AssetCheckSeverity.ERROR if what.blocking else dg.AssetCheckSeverity.WARN

    @dg.asset_check(asset=asset.name, name=what.name, description=what.description, blocking=what.blocking, partitions_def=partitions)
    def check(context: AssetCheckExecutionContext, project: dg.ResourceParam[ProjectResource]) -> dg.AssetCheckResult:
        opened, slug = project.open(), context.partition_key
        if opened.concepts.has(slug) and not opened.has_asset(asset.name, slug):
            return dg.AssetCheckResult(passed=True, severity=severity, description=NOT_REQUESTED)
        artifact = opened.store.current(asset.name, slug)
        if artifact is None:
            return dg.AssetCheckResult(passed=False, description=f"there is no {asset.name} of {context.partition_key}")
        result = run_check(what, artifact)
        own = dg.AssetCheckSeverity.WARN if result.is_warning else severity
        return dg.AssetCheckResult(passed=result.passed, severity=own, description=result.text, metadata=result.numbers)

    return check


def _up_to_date_check(asset: Asset, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset.name,
        name=UP_TO_DATE,
        description="It is made from what exists now, and so is all that it is made from.",
        partitions_def=partitions if asset.is_partitioned else None,
    )
    def check(context: AssetCheckExecutionContext, project: dg.ResourceParam[ProjectResource]) -> dg.AssetCheckResult:
        try:
            opened, slug = project.open(), context.partition_key if asset.is_partitioned else ALL
            if not opened.has_asset(asset.name, slug):
                return dg.AssetCheckResult(passed=True, severity=dg.AssetCheckSeverity.WARN, description=NOT_REQUESTED)
            state = opened.state(asset.name, slug)
        except GauchoError as error:  # a concept that was removed, say
            return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description=str(error))
        text = "; ".join((state.state, *state.reasons))
        metadata = {"state": state.state}
        return dg.AssetCheckResult(passed=state.state == "fresh", severity=dg.AssetCheckSeverity.WARN, description=text, metadata=metadata)

    return check
