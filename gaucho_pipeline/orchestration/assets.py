"""The assets: a specification and an artifact for each stage and concept, and the site.

An asset finds that its result stands, or starts the stage's program; it does no work itself.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import AssetExecutionContext, PipesSubprocessClient
from dagster._core.errors import DagsterPipesExecutionError

from gaucho_pipeline.artifacts import Artifact, write_atomically
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.orchestration.automation import WHEN_A_GALLERY_CHANGED, WHEN_SOMETHING_CHANGED
from gaucho_pipeline.orchestration.metadata import described
from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.pipeline import ALL, ASSETS, CODE_VERSIONS, INPUT_OF, SITE, STAGE_OF, Project
from gaucho_pipeline.stage import ERROR_FILE, PARENT_VARIABLE

FORCE_TAG = "gaucho/force"
OWNERS = ["team:curators"]

_PROGRAM = {asset: f"gaucho_pipeline.{STAGE_OF[asset]}" for asset in ASSETS} | {SITE: "gaucho_pipeline.gallery.site"}
_KINDS = {
    "raw_crawl": {"scrapy"},
    "curated_set": {"pillow", "pandas"},
    "checkpoint": {"pytorch", "huggingface"},
    "sample_gallery": {"pytorch", "huggingface"},
    SITE: {"html"},
}
_DESCRIPTIONS = {
    "raw_crawl": "Images of the concept from its sources, as they came, each with its licence and author.",
    "curated_set": "The images worth training on, upright and without metadata, and a reason for every other one.",
    "checkpoint": "The adapter that teaches the concept to the base model, with the loss on images it has not seen.",
    "sample_gallery": "The same prompts and seeds before and after, with scores and a page.",
    SITE: "One page that leads to every concept's gallery.",
}
_SPEC_DESCRIPTIONS = {
    "crawl": "What to gather for the concept.",
    "curation": "What an image must be to be kept.",
    "training": "How the concept is taught.",
    "gallery": "What is drawn of the concept.",
}
_PROGRAM_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",  # else large tensors are given back and faulted in again at every step
    "MALLOC_MMAP_THRESHOLD_": "33554432",
}
_GPU = {"checkpoint", "sample_gallery"}


def spec_key(asset: str) -> str:
    """The name of the specification of an asset."""
    return f"{STAGE_OF[asset]}_spec"


def build_assets(partitions: dg.PartitionsDefinition[str]) -> Sequence[dg.AssetsDefinition]:
    """All assets, partitioned by concept, but for the site."""
    return [*(_spec_asset(a, partitions) for a in ASSETS), *(_artifact_asset(a, partitions) for a in ASSETS), _site_asset()]


def _spec_asset(asset: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        name=spec_key(asset),
        partitions_def=partitions,
        group_name="specifications",
        kinds={"yaml"},
        owners=OWNERS,
        description=f"{_SPEC_DESCRIPTIONS[STAGE_OF[asset]]} Its part of concepts.yaml.",
    )
    def specification(context: AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
        try:
            opened = project.open()
            spec = opened.concept(context.partition_key).spec(STAGE_OF[asset])
            version = opened.spec_version(asset, context.partition_key)
        except GauchoError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata={"specification": dg.MetadataValue.json(spec)})

    return specification


def _artifact_asset(asset: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    upstream = [spec_key(asset), *([INPUT_OF[asset]] if INPUT_OF[asset] else [])]

    @dg.asset(
        name=asset,
        deps=[name for name in upstream if name],
        partitions_def=partitions,
        group_name="concepts",
        kinds=_KINDS[asset],
        owners=OWNERS,
        description=_DESCRIPTIONS[asset],
        code_version=CODE_VERSIONS[asset],
        pool="gpu" if asset in _GPU else None,
        op_tags={"gaucho/gpu": "1"} if asset in _GPU else None,
        automation_condition=WHEN_SOMETHING_CHANGED,
        retry_policy=dg.RetryPolicy(max_retries=1, delay=30) if asset == "raw_crawl" else None,
    )
    def artifact(context: AssetExecutionContext, project: ProjectResource, programs: PipesSubprocessClient) -> dg.MaterializeResult[None]:
        return _bring_up_to_date(context, project, programs, asset, context.partition_key)

    return artifact


def _site_asset() -> dg.AssetsDefinition:
    @dg.asset(
        name=SITE,
        deps=["sample_gallery"],
        group_name="concepts",
        kinds=_KINDS[SITE],
        owners=OWNERS,
        description=_DESCRIPTIONS[SITE],
        code_version=CODE_VERSIONS[SITE],
        automation_condition=WHEN_A_GALLERY_CHANGED,
    )
    def site(context: AssetExecutionContext, project: ProjectResource, programs: PipesSubprocessClient) -> dg.MaterializeResult[None]:
        return _bring_up_to_date(context, project, programs, SITE, ALL)

    return site


def _bring_up_to_date(
    context: AssetExecutionContext, resource: ProjectResource, programs: PipesSubprocessClient, asset: str, slug: str
) -> dg.MaterializeResult[None]:
    """Returns the artifact that stands, or has the stage's program make it.

    Raises Failure without retries for what a retry cannot mend, such as a concept that was removed.
    """
    forced = context.run.tags.get(FORCE_TAG) == "true"
    try:
        project = resource.open()
        request = project.request(asset, slug, forced)
        project.check_inputs(asset, slug)
        project.store.check_writable()
    except GauchoError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    standing = project.store.find(asset, slug, request.fingerprint) if request.fingerprint and not forced else None
    if standing:
        project.store.set_current(standing)
        context.log.info(f"{asset} of {slug} stands already: {standing.folder}")
        return _result(standing, reused=True)
    folder = project.store.root / ".requests" / asset / slug
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "request.json", request.model_dump_json(indent=1))
    return _run_program(context, programs, project, asset, slug, folder)


def _run_program(
    context: AssetExecutionContext, programs: PipesSubprocessClient, project: Project, asset: str, slug: str, folder: Path
) -> dg.MaterializeResult[None]:
    (folder / ERROR_FILE).unlink(missing_ok=True)
    try:
        invocation = programs.run(
            command=[sys.executable, "-m", _PROGRAM[asset], str(folder / "request.json")],
            context=context,
            env=_PROGRAM_ENVIRONMENT | {PARENT_VARIABLE: str(os.getpid())},
        )
    except DagsterPipesExecutionError:
        if (folder / ERROR_FILE).exists():
            message = json.loads((folder / ERROR_FILE).read_text(encoding="utf-8"))["message"]
            raise dg.Failure(message, allow_retries=asset == "raw_crawl") from None  # the web may answer better a little later
        raise
    told: dict[str, Any] = next((m for m in invocation.get_custom_messages() if isinstance(m, dict)), {})
    made = project.store.current(asset, slug)
    if made is None:
        raise dg.Failure(f"{asset} of {slug}: the program ended without an artifact", allow_retries=False)
    return _result(made, reused=bool(told.get("reused")))


def _result(artifact: Artifact, reused: bool) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(
        data_version=dg.DataVersion(artifact.manifest.data_version), metadata={"reused": reused, **described(artifact)}
    )
