"""A run of the web UI that waits behind one of the command line says so in its log, once, and nothing once its turn has come."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from gaucho_pipeline.orchestration.queue import tell_why_queued, why_queued
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.run_workers import this_process
from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.orchestration.tags import CONCEPT_TAG, PARTITION_TAG, PROCESS_TAG
from gaucho_pipeline_tests.standing import two_concepts

LOCATION = RegisteredCodeLocationOrigin("gaucho_pipeline.definitions")
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), "crawl")
"""Where a run comes from that can be taken out of the queue."""


def test_a_run_in_the_queue_says_for_what_it_waits(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    job = build_defs(project).resolve_job_def("crawl")
    with get_instance(project) as instance:

        def said(run: dg.DagsterRun) -> list[str]:
            messages = [entry.dagster_event.message or "" for entry in instance.all_logs(run.run_id) if entry.dagster_event]
            return [message for message in messages if message.startswith("It waits")]

        tags = {PROCESS_TAG: this_process(), CONCEPT_TAG: "chimarrao"}
        at_work = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        queued = instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.QUEUED, tags={PARTITION_TAG: "araucaria"}, remote_job_origin=ORIGIN
        )
        told = dict[str, str]()
        for _ in range(3):
            told = tell_why_queued(instance, told)
        (text,) = said(queued)
        assert text.startswith("It waits until fewer than 1 are at work, as max_concurrent_runs in dagster.yaml has it")
        assert f"run {at_work.run_id[:8]} of the command line for chimarrao, since " in text
        assert text.endswith(f", process {this_process().split()[-2]}")
        assert said(at_work) == []

        instance.report_run_canceled(at_work)
        assert why_queued(instance) == {}
        told = tell_why_queued(instance, told)
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: "chimarrao"})
        told = tell_why_queued(instance, told)
        assert [" of the web UI for chimarrao" in text for text in said(queued)] == [False, True]
