"""The assets in Dagster: a specification and an artifact for each stage and concept, and the site.

An asset finds that its result exists, or starts the stage's program; it does no work itself. The facts about each are in the table of
`assets/table.py`.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import AssetExecutionContext, PipesSubprocessClient

from gaucho_pipeline.assets.table import ALL, ASSETS, CHECKPOINT, COLLECTION, CURATED_SET, EVALUATION, RAW_CRAWL, Asset
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.orchestration.automation import WHEN_AN_EVALUATION_CHANGED, WHEN_SOMETHING_CHANGED
from gaucho_pipeline.orchestration.dagster_internals import DagsterPipesExecutionError
from gaucho_pipeline.orchestration.executor import op_tags, retry_policy
from gaucho_pipeline.orchestration.metadata import build_metadata
from gaucho_pipeline.orchestration.partitions import Partitions
from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.orchestration.retrying import IS_TRANSIENT
from gaucho_pipeline.orchestration.stopping import cancelled_if_stopped
from gaucho_pipeline.orchestration.tags import ACCEPT_LOSSES_TAG, FORCE_TAG
from gaucho_pipeline.processes import launch
from gaucho_pipeline.processes.launch import ERROR_FILE, PARENT_VARIABLE
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.states import NOT_REQUESTED
from gaucho_pipeline.stage.server import PROGRAM_ENVIRONMENT
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.remote import share_if_asked

OWNERS = ["team:curators"]


def assets_in(known: Partitions) -> list[Asset]:
    """The assets that there are: those of collections where the file has some."""
    return [asset for asset in ASSETS.values() if known.collections or not asset.is_of_collections]


def build_assets(known: Partitions) -> Sequence[dg.AssetsDefinition]:
    """All assets, partitioned by concept and collection, but for the site."""
    there, partitions = assets_in(known), known.definition()
    return [
        *(_spec_asset(asset, partitions, known.notice) for asset in there if asset.is_partitioned),
        *(_artifact_asset(asset, partitions, _deps(asset, known)) for asset in there),
    ]


def _deps(asset: Asset, known: Partitions) -> list[str | dg.AssetDep]:
    """What an asset is made from, as Dagster's graph shows it: a collection of its concepts' sets, their checkpoints of the collection."""
    names = {each.name for each in assets_in(known)}
    deps: list[str | dg.AssetDep] = [asset.spec_name] if asset.is_partitioned else []
    deps += [name for name in asset.inputs if name in names]
    members = {slug: set(concepts) for slug, concepts in known.collections.items()}
    if asset == CHECKPOINT and members:
        deps.append(dg.AssetDep(COLLECTION.name, partition_mapping=dg.StaticPartitionMapping(members)))
    if asset.is_of_collections:
        collection = {concept: slug for slug, concepts in members.items() for concept in concepts}
        upstream = CURATED_SET if asset == COLLECTION else EVALUATION
        deps.append(dg.AssetDep(upstream.name, partition_mapping=dg.StaticPartitionMapping(collection)))
    return deps


def _spec_asset(asset: Asset, partitions: dg.PartitionsDefinition[str], notice: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=asset.spec_name,
        partitions_def=partitions,
        group_name="specifications",
        kinds={"yaml"},
        owners=OWNERS,
        description=f"{notice}{asset.part_description} Its part of concepts.yaml.",
    )
    def specification(context: AssetExecutionContext, project: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[None]:
        try:
            opened = project.open()
            asks = opened.has_asset(asset.name, context.partition_key)
            if asset.on_base_model and asks:
                opened.recognise(context.partition_key)
            spec = opened.recipe(asset.name, context.partition_key).spec if asks else {}
            version = opened.observed_version(asset.name, context.partition_key)
        except GauchoError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata={"specification": dg.MetadataValue.json(spec)})

    return specification


def _artifact_asset(asset: Asset, partitions: dg.PartitionsDefinition[str], deps: Sequence[str | dg.AssetDep]) -> dg.AssetsDefinition:
    @dg.asset(
        name=asset.name,
        deps=deps,
        partitions_def=partitions if asset.is_partitioned else None,
        group_name="concepts",
        kinds=set(asset.kinds),
        owners=OWNERS,
        description=f"{asset.description}\n\n{asset.next_step}",
        code_version=asset.code_version,
        pool=asset.pool,
        op_tags=op_tags(asset),
        automation_condition=_condition(asset),
        retry_policy=retry_policy(asset),
    )
    def artifact(
        context: AssetExecutionContext, project: dg.ResourceParam[ProjectResource], programs: PipesSubprocessClient
    ) -> dg.MaterializeResult[None]:
        with cancelled_if_stopped(context.instance, context.run.run_id):
            return _ensure(context, project, programs, asset, context.partition_key if asset.is_partitioned else ALL)

    return artifact


def _condition(asset: Asset) -> dg.AutomationCondition[Any] | None:
    """When the asset is made by itself; None for what only people can ask for."""
    if asset.is_made_apart:
        return None
    return WHEN_SOMETHING_CHANGED if asset.is_partitioned else WHEN_AN_EVALUATION_CHANGED


def _ensure(
    context: AssetExecutionContext, resource: ProjectResource, programs: PipesSubprocessClient, asset: Asset, slug: str
) -> dg.MaterializeResult[None]:
    """Returns the artifact that exists, or has the stage's program make it.

    Raises Failure without retries for what a retry cannot mend, such as a concept that was removed.
    """
    try:
        project = resource.open()
        if not project.has_asset(asset.name, slug):  # partitions are those of all assets: Dagster has no jobs over several kinds
            context.log.info(_("{slug} asks for no {name}", slug=slug, name=asset.name))
            return dg.MaterializeResult(data_version=dg.DataVersion(NOT_REQUESTED), metadata={"cached": True, "note": NOT_REQUESTED})
        if asset.on_base_model:
            project.recognise(slug)
        accepts = asset == RAW_CRAWL and context.run.tags.get(ACCEPT_LOSSES_TAG) == "true"
        request = project.request(asset.name, slug, force=accepts or context.run.tags.get(FORCE_TAG) == "true")
        request = request.model_copy(update={"accept_losses": accepts})
        project.check_inputs(asset.name, slug)
        project.store.check_writable()
    except GauchoError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    if cached := request.cached():
        share_if_asked(project.store, cached, context.log.info)
        context.log.info(_("{name} of {slug} exists already: {folder}", name=asset.name, slug=slug, folder=cached.folder))
        return _result(cached, cached=True)
    folder = project.store.root / ".requests" / asset.name / slug
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "request.json", request.model_dump_json(indent=1))
    return _run_program(context, programs, project, asset, slug, folder)


def _run_program(
    context: AssetExecutionContext, programs: PipesSubprocessClient, project: Project, asset: Asset, slug: str, folder: Path
) -> dg.MaterializeResult[None]:
    (folder / ERROR_FILE).unlink(missing_ok=True)
    try:
        invocation = programs.run(
            command=launch.command(asset.program, folder / "request.json", waits=asset.on_base_model),
            context=context,
            env=PROGRAM_ENVIRONMENT | {PARENT_VARIABLE: str(os.getpid())},
        )
    except DagsterPipesExecutionError as error:
        raise _failure(folder / ERROR_FILE, error, asset) from None
    report: dict[str, Any] = next((m for m in invocation.get_custom_messages() if isinstance(m, dict)), {})
    made = project.store.current(asset.name, slug)
    if made is None:
        raise dg.Failure(f"{asset.name} of {slug}: the program ended without an artifact", allow_retries=False)
    return _result(made, cached=bool(report.get("cached")))


def _failure(file: Path, error: DagsterPipesExecutionError, asset: Asset) -> dg.Failure:
    """What a program said went wrong; one that said nothing was killed, or broke. What its input is to blame for is not tried again."""
    if file.exists():
        failure = json.loads(file.read_text(encoding="utf-8"))
        text, is_transient = failure["message"], bool(failure.get("is_transient"))
    else:
        is_transient = "failed with code -" in str(error)
        text = f"the program was killed: {error}" if is_transient else str(error)
    return dg.Failure(text, metadata={IS_TRANSIENT: is_transient}, allow_retries=bool(asset.retries) and is_transient)


def _result(artifact: Artifact, cached: bool) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(
        data_version=dg.DataVersion(artifact.manifest.data_version), metadata={"cached": cached, **build_metadata(artifact)}
    )
