"""A concept that is removed from the file costs nobody else anything: not a backfill that asks for it, nor what the conditions remember."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.orchestration.partitions import load_partitions
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import folder_concept, write_concepts
from gaucho_pipeline_tests.programs import wait_until

MODULE = "gaucho_pipeline.definitions"
SLUGS = ["araucaria", "chimarrao", "cuia", "pampa"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    concepts = {slug: folder_concept(tmp_path / slug, f"{slug[:3]}x", "thing") for slug in SLUGS}
    return Project(write_concepts(tmp_path / "concepts.yaml", concepts), tmp_path / "data")


@pytest.fixture
def workspace(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceProcessContext]:
    """The web server's and the daemon's view of the project, with a code server of its own, as `gaucho ui` has it."""
    monkeypatch.setenv("GAUCHO_CONCEPTS", str(project.concepts_file))
    monkeypatch.setenv("GAUCHO_DATA", str(project.store.root))
    monkeypatch.setenv("DAGSTER_HOME", str(project.concepts_file.parent))
    with (
        get_instance(project) as instance,
        WorkspaceProcessContext(instance, ModuleTarget(MODULE, None, str(project.concepts_file.parent), None)) as context,
    ):
        yield context


def remove(project: Project, slug: str) -> None:
    value = yaml.safe_load(project.concepts_file.read_text(encoding="utf-8"))
    del value["concepts"][slug]
    project.concepts_file.write_text(yaml.safe_dump(value), encoding="utf-8")


def tick(context: WorkspaceProcessContext) -> PartitionBackfill:
    """What the daemon does of a backfill every few seconds."""
    assert [error for error in execute_backfill_iteration(context, logging.getLogger("test")) if error] == []
    backfill = context.instance.get_backfill("x")
    assert backfill
    return backfill


def test_a_backfill_goes_on_without_a_concept_that_was_removed(project: Project, workspace: WorkspaceProcessContext) -> None:
    instance, graph = workspace.instance, workspace.create_request_context().asset_graph
    asked = PartitionBackfill.from_asset_partitions(
        "x", graph, SLUGS, [dg.AssetKey("crawl_spec")], time.time(), {}, instance, False, None, None, None
    )
    instance.add_backfill(asked)
    tick(workspace)
    queued = instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    assert sorted(run.tags["dagster/partition"] for run in queued) == SLUGS

    remove(project, "cuia")
    workspace.reload_code_location(MODULE)
    assert tick(workspace).status == BulkActionStatus.REQUESTED
    assert len(instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))) == len(SLUGS)
    assert load_partitions(Project(project.concepts_file, project.store.root)).slugs == ["araucaria", "chimarrao", "pampa"]

    for run in queued:
        instance.report_run_failed(run)
    wait_until(lambda: tick(workspace).status != BulkActionStatus.REQUESTED)
    assert tick(workspace).status == BulkActionStatus.COMPLETED_FAILED
    workspace.reload_code_location(MODULE)
    node = workspace.create_request_context().asset_graph.get(dg.AssetKey("crawl_spec"))
    assert node.partitions_def
    assert list(node.partitions_def.get_partition_keys()) == ["araucaria", "chimarrao", "pampa"]


def test_what_the_conditions_remember_of_others_stays(project: Project) -> None:
    """A change that waits for a run under way is not forgotten because another concept goes, and nothing is asked for of that one."""

    def requested(cursor: object) -> tuple[list[tuple[str, object]], object]:
        definitions = build_defs(Project(project.concepts_file, project.store.root))
        result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)  # type: ignore[arg-type]
        keys = [dg.AssetKey(name) for name in ASSETS]
        return [(key.to_user_string(), slug) for key in keys for slug in result.get_requested_partitions(key)], result.cursor

    def report(name: str, slug: str, version: str) -> None:
        tags = {"dagster/data_version": version}
        instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=slug, tags=tags))

    with get_instance(project) as instance:
        for slug in SLUGS:
            report("crawl_spec", slug, "1")
            report("raw_crawl", slug, "1")
        _, cursor = requested(None)
        crawl = {dg.AssetKey("raw_crawl")}
        job = build_defs(project).resolve_implicit_global_asset_job_def().get_subset(asset_selection=crawl)
        tags = [{"dagster/partition": slug} for slug in ("cuia", "pampa")]
        started = dg.DagsterRunStatus.STARTED
        runs = [instance.create_run_for_job(job, status=started, tags=each, asset_selection=frozenset(crawl)) for each in tags]
        for slug in ("cuia", "pampa"):
            report("crawl_spec", slug, "2")
        asked, cursor = requested(cursor)
        assert asked == []  # both wait
        remove(project, "cuia")
        asked, cursor = requested(cursor)
        assert asked == []
        for run in runs:
            instance.report_run_canceled(run)
        asked, cursor = requested(cursor)
        assert asked == [("raw_crawl", "pampa")]
