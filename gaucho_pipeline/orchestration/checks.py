"""Blocking checks: what must hold of an artifact before the next stage may use it."""

import warnings
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from dagster import AssetCheckExecutionContext
from safetensors.numpy import load_file

from gaucho_pipeline.artifacts import Artifact
from gaucho_pipeline.orchestration.resources import ProjectResource

Judgement = tuple[bool, str, dict[str, Any]]


def build_checks(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetChecksDefinition]:
    """A blocking check for the set, the checkpoint and the gallery of each concept."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Specifying a partitions_def", category=Warning)  # a preview, pinned and tested
        return _checks(partitions)


def _checks(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetChecksDefinition]:
    return [
        _check("curated_set", "enough_images", "There are enough images to learn from.", _enough_images, partitions),
        _check("checkpoint", "sound_weights", "The weights are finite and load back.", _sound_weights, partitions),
        _check("sample_gallery", "no_black_pictures", "No picture is black.", _no_black_pictures, partitions),
    ]


def _check(asset: str, name: str, description: str, judge: Any, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=name, description=description, blocking=True, partitions_def=partitions)
    def check(context: AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
        opened = project.open()
        slug = context.partition_key
        artifact = opened.store.current(asset, slug)
        if artifact is None:
            return dg.AssetCheckResult(passed=False, description=f"there is no {asset} of {slug}")
        least = opened.concept(slug).curation.min_images
        passed, text, metadata = judge(artifact, least)
        return dg.AssetCheckResult(passed=passed, description=text, metadata=metadata, severity=dg.AssetCheckSeverity.ERROR)

    return check


def _enough_images(artifact: Artifact, least: int) -> Judgement:
    figures = artifact.manifest.figures
    excluded = ", ".join(f"{count} {reason}" for reason, count in figures["excluded"].items()) or "none excluded"
    text = f"{figures['kept']} of {figures['read']} images are left, {least} are needed ({excluded})"
    return figures["kept"] >= least, text, {"kept": figures["kept"], "needed": least}


def _sound_weights(artifact: Artifact, least: int) -> Judgement:
    files = sorted(Path(artifact.folder).rglob("*.safetensors"))
    broken = [file.name for file in files if not all(np.isfinite(tensor).all() for tensor in load_file(file).values())]
    difference = float(artifact.manifest.figures["reload_difference"])
    text = f"not finite: {', '.join(broken)}" if broken else f"finite; read back, predictions differ by {difference:.2g}"
    return bool(files) and not broken, text, {"files": len(files), "reload_difference": difference}


def _no_black_pictures(artifact: Artifact, least: int) -> Judgement:
    black = int(artifact.manifest.figures["black"])
    return black == 0, f"{black} of {artifact.manifest.figures['pictures']} pictures are black", {"black": black}
