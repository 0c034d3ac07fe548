"""Dagster's side: checks, retries, killed runs, and what a sensor asks for. The chain itself is run in `test_chain.py`."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from gaucho_pipeline.assets.table import ALL, ASSETS, CONCEPT_ASSETS
from gaucho_pipeline.commands import run as run_module
from gaucho_pipeline.commands.run import RunRequest
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.models import base_models
from gaucho_pipeline.orchestration import automation, executor, run_workers
from gaucho_pipeline.orchestration.checks import UP_TO_DATE
from gaucho_pipeline.orchestration.launcher import LocalRunLauncher
from gaucho_pipeline.orchestration.metadata import build_metadata
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.run_workers import Place, this_process
from gaucho_pipeline.orchestration.runner import Runner, get_instance
from gaucho_pipeline.orchestration.tags import GONE_TAG, PRIORITY_TAG, PROCESS_TAG, REASON_TAG
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder
from gaucho_pipeline_tests.standing import edit, stand, two_concepts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two concepts, of which everything stands."""
    return two_concepts(tmp_path)


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    with get_instance(project) as instance:
        yield instance


def run_checks(project: Project, instance: dg.DagsterInstance, asset: str, name: str, slug: str | None) -> Any:
    """What a check of an asset says, run by Dagster."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), name)
    job = build_defs(project).resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(), asset_check_selection={key})
    result = job.execute_in_process(partition_key=slug, instance=instance, raise_on_error=False)  # what blocks is raised
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


# ------------------------------------------------------------------------------------------ checks


def test_the_check_says_what_dagster_does_not_hand_down(project: Project, instance: dg.DagsterInstance) -> None:
    fresh = run_checks(project, instance, "sample_gallery", UP_TO_DATE, "araucaria")
    assert fresh.passed
    edit(project, "araucaria", "training", rank=2)
    waiting = run_checks(project, instance, "sample_gallery", UP_TO_DATE, "araucaria")
    assert (waiting.passed, waiting.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert waiting.description == "waiting; checkpoint is stale"
    assert run_checks(project, instance, "checkpoint", UP_TO_DATE, "araucaria").description == "stale; rank changed"
    assert run_checks(project, instance, "sample_gallery", UP_TO_DATE, "chimarrao").passed
    site = run_checks(project, instance, "gallery_site", UP_TO_DATE, None)
    assert site.description == "waiting; evaluation of araucaria is waiting"


def test_a_concept_that_was_removed_fails_the_check_in_words(project: Project, instance: dg.DagsterInstance) -> None:
    definitions = build_defs(project)
    value = yaml.safe_load(project.concepts_file.read_text())
    del value["concepts"]["chimarrao"]
    project.concepts_file.write_text(yaml.safe_dump(value))
    key = dg.AssetCheckKey(dg.AssetKey("checkpoint"), UP_TO_DATE)
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(), asset_check_selection={key})
    (evaluation,) = job.execute_in_process(partition_key="chimarrao", instance=instance).get_asset_check_evaluations()
    assert "there is no concept 'chimarrao'" in evaluation.description


@pytest.mark.parametrize(
    ("asset", "check", "metrics", "severity", "description"),
    [
        ("raw_crawl", "all_sources_answered", {"failed_sources": {"openverse: x": "timed out"}}, "WARN", "openverse: x (timed out)"),
        ("curated_set", "enough_images", {"kept": 1, "read": 9, "excluded": {"blurred": 8}}, "ERROR", "1 of 9 images are left, 4 are"),
        ("checkpoint", "sound_weights", {}, "ERROR", "not finite: weights.safetensors"),
        ("checkpoint", "loss_fell", {"loss_fell": "no"}, "WARN", "loss_fell: no; the loss went from 0.5000 to 0.4000"),
        ("checkpoint", "loss_fell", {"class_noun_drift": 0.25}, "WARN", "with the class noun alone the model moved 0.25 times as far"),
        ("sample_gallery", "no_black_pictures", {"black": 1}, "ERROR", "1 of 2 pictures show nothing"),
        ("sample_gallery", "no_black_pictures", {"drawn_again": 1}, "ERROR", "1 had to be drawn again with another seed"),
        ("evaluation", "verdict", {"verdict": "no", "reason": "no_nearer"}, "WARN", "verdict: no; The pictures are no more like"),
        ("evaluation", "nothing_memorised", {"memorised": 1}, "WARN", "1 of 1 pictures look copied"),
        ("evaluation", "nothing_memorised", {"memorisation_backbone": ""}, "WARN", "not measured"),
        ("evaluation", "within_thresholds", {"beyond": ("clip_i",)}, "WARN", "beyond their thresholds: clip_i"),
    ],
)  # fmt: skip
def test_each_assets_own_check_is_run_on_what_stands(
    asset: str, check: str, metrics: dict[str, Any], severity: str, description: str, project: Project, instance: dg.DagsterInstance
) -> None:
    made = stand(project, asset, "araucaria", data_version="2", **metrics)
    if check == "sound_weights":
        save_file({"weight": np.full(1, np.nan, np.float32)}, made.folder / "weights.safetensors")
    evaluation = run_checks(project, instance, asset, check, "araucaria")
    assert not evaluation.passed
    assert evaluation.severity.value == severity
    assert description in evaluation.description


def test_a_threshold_blocks_where_the_specification_says_so(project: Project, instance: dg.DagsterInstance) -> None:
    edit(project, "araucaria", "evaluation", block=True)
    stand(Project(project.concepts_file, project.store.root), "evaluation", "araucaria", data_version="2", beyond=("clip_i",))
    evaluation = run_checks(project, instance, "evaluation", "within_thresholds", "araucaria")
    assert (evaluation.passed, evaluation.severity.value) == (False, "ERROR")


def test_what_fails_blocks_but_for_warnings(project: Project) -> None:
    graph = build_defs(project).resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get(key).blocking}
    assert blocking == {"enough_images", "sound_weights", "no_black_pictures", "within_thresholds", "no_blank_frames"}


# ------------------------------------------------------------------------------------------ runs


def test_only_the_crawl_is_tried_again(project: Project) -> None:
    retries = {}
    for definition in build_defs(project).assets or ():
        assert isinstance(definition, dg.AssetsDefinition)
        policy = definition.op.retry_policy
        retries[definition.key.to_user_string()] = policy.max_retries if policy else 0
    assert {name: count for name, count in retries.items() if count} == {"raw_crawl": 1}


def test_a_removed_concept_fails_in_words_and_is_not_tried_again(project: Project, instance: dg.DagsterInstance) -> None:
    runner = Runner(build_defs(project, lambda: Project(project.concepts_file, project.store.root)), instance)
    value = yaml.safe_load(project.concepts_file.read_text())
    del value["concepts"]["chimarrao"]
    project.concepts_file.write_text(yaml.safe_dump(value))
    outcome = runner.run("raw_crawl", "chimarrao", force=False)
    assert "there is no concept 'chimarrao'; there are araucaria" in outcome.error
    (record,) = instance.get_run_records()
    kinds = [e.dagster_event.event_type_value for e in instance.all_logs(record.dagster_run.run_id) if e.dagster_event]
    assert "STEP_FAILURE" in kinds
    assert "STEP_UP_FOR_RETRY" not in kinds


def test_nothing_is_made_from_what_failed_its_check_whoever_asks(project: Project, instance: dg.DagsterInstance) -> None:
    stand(project, "curated_set", "araucaria", kept=3, read=3)
    outcome = Runner(build_defs(project), instance).run("checkpoint", "araucaria", force=False)
    assert "curated_set of araucaria is not fit for checkpoint: 3 of 3 images are left" in outcome.error


def test_what_stands_is_taken_and_said_to_be_cached(project: Project, instance: dg.DagsterInstance) -> None:
    outcome = Runner(build_defs(project), instance).run("gallery_site", ALL, force=False)
    assert (outcome.cached, outcome.error) == (True, "")


def dead_process() -> int:
    done = subprocess.Popen(["true"])
    done.wait()
    return done.pid


def test_runs_of_the_command_line_whose_process_is_gone_are_ended_and_no_others(project: Project) -> None:
    def started(instance: dg.DagsterInstance, place: Place, pid: int, began: str = "1") -> str:
        job = build_defs(project).resolve_job_def("crawl")
        tags = {PROCESS_TAG: " ".join((*place, str(pid), began))}
        return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags).run_id

    here, own = Place.here(), this_process().split()[-1]
    with get_instance(project) as instance:
        gone = [
            started(instance, here, dead_process()),
            started(instance, here, os.getpid(), "1"),  # another process of the same number
            started(instance, here._replace(boot="another-start"), os.getpid(), own),  # before a power cut
        ]
        left = [
            started(instance, here, os.getpid(), own),
            started(instance, here._replace(host="another-machine/1"), dead_process()),
            started(instance, here._replace(namespace="pid:[1]"), dead_process()),  # in a container that has the same name
        ]
    with get_instance(project) as instance:
        status = {run_id: instance.get_run_by_id(run_id).status for run_id in (*gone, *left)}  # type: ignore[union-attr]
    assert status == dict.fromkeys(gone, dg.DagsterRunStatus.FAILURE) | dict.fromkeys(left, dg.DagsterRunStatus.STARTED)


@pytest.mark.parametrize(
    ("is_dead", "is_of_the_command_line", "later", "is_ended"),
    [(True, True, 0, True), (False, True, 900, False), (True, False, 900, True), (True, False, 0, False)],
)
def test_a_run_that_was_created_and_never_begun_is_ended(
    is_dead: bool, is_of_the_command_line: bool, later: float, is_ended: bool, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kill -9` between the two left it *not started* for ever, and with it the concept, which something seems to be done for."""
    place = " ".join((*Place.here(), str(dead_process()), "1")) if is_dead else this_process()
    with get_instance(project) as instance:
        tags = {PROCESS_TAG: place} if is_of_the_command_line else {}
        run = instance.create_run_for_job(build_defs(project).resolve_job_def("crawl"), tags=tags)
        assert run.status == dg.DagsterRunStatus.NOT_STARTED
    now = time.time()
    monkeypatch.setattr(run_workers.time, "time", lambda: now + later)
    with get_instance(project) as instance:
        found = instance.get_run_by_id(run.run_id)
    assert found
    assert (found.status == dg.DagsterRunStatus.FAILURE, GONE_TAG in found.tags) == (is_ended, is_ended)


def test_a_history_that_is_named_and_not_there_is_reported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/nowhere/at/all")
    with pytest.raises(ConfigError, match="DAGSTER_HOME: /nowhere/at/all must be the whole path"), get_instance(project):
        pass


def test_a_run_reads_the_concepts_file_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, real = [], Path.read_text

    def counted(self: Path, *args: Any, **kwargs: Any) -> str:
        if self.name == "concepts.yaml":
            reads.append(self)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counted)
    edit(project, "araucaria", "crawl", max_images=5)
    reads.clear()
    fresh = Project(project.concepts_file, project.store.root)
    assert run_module.run_concepts(fresh, RunRequest((), "raw_crawl")) == []
    assert len(reads) == 1


# ------------------------------------------------------------------------------------------ sensors, metadata


def evaluate(project: Project, instance: dg.DagsterInstance, name: str, cursor: str | None) -> dg.SensorResult:
    defs = build_defs(project)
    sensor = defs.resolve_sensor_def(name)
    context = dg.build_sensor_context(instance, cursor=cursor, resources=dict(defs.resources or {}), definitions=defs)
    result = sensor.evaluate_tick(context)
    return result  # type: ignore[return-value]


def test_an_edit_re_evaluates_its_specification_and_the_checks_below_it(project: Project, instance: dg.DagsterInstance) -> None:
    first = evaluate(project, instance, "edited_concepts", None)
    edit(project, "araucaria", "training", rank=2)
    second = evaluate(project, instance, "edited_concepts", first.cursor)
    (request,) = second.run_requests or ()
    assert request.partition_key == "araucaria"
    assert request.asset_selection == [dg.AssetKey("training_spec")]
    below = ("checkpoint", "sample_gallery", "evaluation", "sample_sequence", "judgement")
    assert request.asset_check_keys == [dg.AssetCheckKey(dg.AssetKey(name), UP_TO_DATE) for name in below]
    assert not evaluate(project, instance, "edited_concepts", second.cursor).run_requests
    assert evaluate(project, instance, "edited_concepts", first.cursor).run_requests  # a tick that was killed goes on from the last
    assert len(second.cursor or "") < 50  # Dagster keeps one with every tick


def test_the_first_look_remembers_and_later_ones_ask_for_so_many_at_most_below_a_persons_click(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 300 concepts, switching a sensor on asked for 300 runs, and whatever a person clicked was the 301st."""
    for name in ("edited_concepts", "new_files"):
        first = evaluate(project, instance, name, None)
        assert not first.run_requests
        assert "2 concepts are remembered" in first.skip_message  # type: ignore[attr-defined]
        assert not evaluate(project, instance, name, first.cursor).run_requests
        assert not evaluate(project, instance, name, "of-a-file-that-is-gone").run_requests
    first = evaluate(project, instance, "edited_concepts", None)
    monkeypatch.setattr(automation, "RUNS_A_TICK", 1)
    edit(project, "araucaria", "training", rank=2)
    edit(project, "chimarrao", "training", rank=2)
    value = yaml.safe_load(project.concepts_file.read_text(encoding="utf-8"))
    value["concepts"]["pampa"] = value["concepts"]["chimarrao"] | {"token": "pmp"}
    project.concepts_file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    cursor, asked = first.cursor, list[tuple[str | None, str]]()
    for _ in range(4):
        result = evaluate(Project(project.concepts_file, project.store.root), instance, "edited_concepts", cursor)
        asked += [(request.partition_key, request.tags[REASON_TAG].partition(":")[0]) for request in result.run_requests or ()]
        assert all(int(request.tags[PRIORITY_TAG]) < 0 for request in result.run_requests or ())
        cursor = result.cursor
    assert asked == [("araucaria", "changed"), ("chimarrao", "changed"), ("pampa", "new or changed")]


def test_whatever_starts_by_itself_comes_after_what_a_person_starts(project: Project) -> None:
    defs = build_defs(project)
    sensor = defs.resolve_sensor_def("keep_up_to_date")
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert int(sensor.run_tags[PRIORITY_TAG]) < 0
    for name in ("crawl_every_night", "clean_every_week"):
        context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 25, 3), repository_def=defs.get_repository_def())
        for request in defs.resolve_schedule_def(name).evaluate_tick(context).run_requests or ():
            assert int(request.tags[PRIORITY_TAG]) < 0


def test_a_new_file_in_a_folder_re_evaluates_the_crawl_alone(project: Project, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    first = evaluate(project, instance, "new_files", None)
    draw_folder(tmp_path / "c", "chimarrao", 1, first=8)
    (request,) = evaluate(project, instance, "new_files", first.cursor).run_requests or ()
    assert (request.partition_key, request.asset_selection) == ("chimarrao", [dg.AssetKey("crawl_spec")])


def test_a_broken_file_is_reported_by_the_sensor(project: Project, instance: dg.DagsterInstance) -> None:
    defs = build_defs(project)
    sensor = defs.resolve_sensor_def("edited_concepts")
    project.concepts_file.write_text("concepts: [")
    context = dg.build_sensor_context(instance, resources=dict(defs.resources or {}), definitions=defs)
    result = sensor.evaluate_tick(context)
    assert "concepts.yaml:1" in (result.skip_message or "")


def test_every_night_each_concept_is_crawled_once(project: Project) -> None:
    defs = build_defs(project)
    schedule = defs.resolve_schedule_def("crawl_every_night")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 25, 3), repository_def=defs.get_repository_def())
    requests = schedule.evaluate_tick(context).run_requests or ()
    assert [request.partition_key for request in requests] == ["araucaria", "chimarrao"]
    assert len({request.run_key for request in requests}) == 2


def test_metadata_are_flat_numbers_that_dagster_plots(project: Project) -> None:
    artifact = project.store.current("checkpoint", "araucaria")
    assert artifact
    metadata = build_metadata(artifact)
    assert (metadata["validation_loss_base"], metadata["validation_loss_tuned"]) == (0.5, 0.4)
    assert metadata["train_images"] == 7
    further = {record.data["what"]: record.data["value"] for record in metadata["further"].records}
    assert further["losses_train_class_noun_tuned"] == "0.4"
    assert not further.keys() & metadata.keys()
    assert metadata["loss_fell"] == "yes"
    assert (metadata["validation_loss_interval_low"], metadata["validation_loss_interval_high"]) == (-0.12, -0.08)
    scored = build_metadata(project.store.current("evaluation", "araucaria"))  # type: ignore[arg-type]
    assert (scored["clip_i_base"], scored["clip_i_tuned"], scored["clip_i_interval_low"], scored["clip_i_ceiling"]) == (0.2, 0.5, 0.2, 0.6)
    assert [*scored][:2] == ["verdict", "because"]  # what people open it for
    assert (scored["verdict"], scored["because"]) == ("yes", "The subject is there in the pictures, and much more so than before.")
    assert not any(isinstance(value, dict) for value in metadata.values())


def test_a_checkpoints_page_opens_with_its_word_the_curve_and_the_page_and_has_ten_numbers(project: Project) -> None:
    artifact, site = project.store.current("checkpoint", "araucaria"), project.store.current("gallery_site", ALL)
    assert artifact
    assert site
    (artifact.folder / "losses.png").write_bytes(b"x" * 100)
    (site.folder / "araucaria").mkdir(exist_ok=True)
    (site.folder / "araucaria" / "index.html").write_text("x")
    metadata = build_metadata(artifact)
    assert [*metadata][:4] == ["loss_fell", "because", "loss_curve", "page"]
    assert "the loss went from 0.5000 to 0.4000" in metadata["because"]
    assert [*metadata][-3:] == ["further", "folder", "fingerprint"]
    assert len(metadata) <= 17


def test_a_page_and_a_small_picture_are_shown_and_a_large_one_is_not(project: Project) -> None:
    artifact, site = project.store.current("sample_gallery", "araucaria"), project.store.current("gallery_site", ALL)
    assert artifact
    assert site
    (site.folder / "index.html").write_text("x")
    assert build_metadata(site)["page"].value.endswith("/gallery_site/all/current/index.html")
    (artifact.folder / "contact_sheet.jpg").write_bytes(b"x" * 100)
    metadata = build_metadata(artifact)
    assert "data:image/jpeg;base64" in metadata["contact_sheet"].value
    (artifact.folder / "contact_sheet.jpg").write_bytes(b"x" * 100_001)
    assert "contact_sheet" not in build_metadata(artifact)


def test_the_table_of_assets_is_in_the_order_of_the_chain() -> None:
    seen: list[str] = []
    for asset in ASSETS.values():
        assert set(asset.inputs) <= set(seen)
        seen.append(asset.name)


def test_a_concept_that_is_removed_leaves_the_site_every_time_and_a_failure_is_tried_again(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = project.concepts_file.read_text(encoding="utf-8")
    value = yaml.safe_load(good)
    del value["concepts"]["chimarrao"]

    def tick(cursor: str | None, later: float = 0) -> dg.SensorResult:
        real = time.time()
        monkeypatch.setattr(automation, "time", SimpleNamespace(time=lambda: real + later))
        opened = Project(project.concepts_file, project.store.root)
        defs = build_defs(project, lambda: opened)
        context = dg.build_sensor_context(instance, cursor=cursor, resources=dict(defs.resources or {}), definitions=defs)
        return defs.resolve_sensor_def("removed_concepts").evaluate_tick(context)  # type: ignore[return-value]

    assert not tick(None).run_requests
    for _ in range(2):
        project.concepts_file.write_text(yaml.safe_dump(value), encoding="utf-8")
        first = tick("")
        (request,) = first.run_requests or ()
        assert (request.run_key, request.tags[REASON_TAG]) == (None, "removed: chimarrao")
        assert not tick(first.cursor, later=30).run_requests
        assert tick(first.cursor, later=90).run_requests
        project.concepts_file.write_text(good, encoding="utf-8")
        assert not tick(first.cursor).run_requests


# ------------------------------------------------------------------------------------------ what a newer code, a force, a failure does


def test_dagster_sees_the_code_version_of_each_asset(project: Project) -> None:
    versions = {}
    for definition in build_defs(project).assets or ():
        assert isinstance(definition, dg.AssetsDefinition)
        versions |= {key.to_user_string(): version for key, version in definition.code_versions_by_key.items() if version}
    assert versions == {asset.name: asset.code_version for asset in ASSETS.values() if not asset.is_of_collections}


def test_what_is_forced_is_made_although_it_stands(project: Project, instance: dg.DagsterInstance) -> None:
    outcome = Runner(build_defs(project), instance).run("gallery_site", ALL, force=True)
    assert (outcome.cached, outcome.error) == (False, "")
    made = project.store.current("gallery_site", ALL)
    assert made
    assert made.manifest.made_at != "2026-11-25T12:00:00+00:00"


def test_force_makes_the_selected_asset_again_and_no_other(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, str, bool]] = []

    def record(self: Runner, asset: str, slug: str, force: bool, reason: str) -> Any:
        ran.append((asset, slug, force))
        return type("Outcome", (), {"error": "", "cached": False})

    monkeypatch.setattr(Runner, "run", record)
    assert run_module.run_concepts(project, RunRequest(("araucaria",), "curated_set", force=True)) == []
    assert ran == [("curated_set", "araucaria", True)]
    ran.clear()
    edit(project, "chimarrao", "training", rank=2)
    assert run_module.run_concepts(Project(project.concepts_file, project.store.root), RunRequest((), "gallery_site")) == []
    assert ran == [("checkpoint", "chimarrao", False)]  # nothing else is stale until it has really changed


def test_a_concept_stops_at_what_failed_and_the_others_go_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, str]] = []

    def fail(self: Runner, asset: str, slug: str, force: bool, reason: str) -> Any:
        ran.append((asset, slug))
        return type("Outcome", (), {"error": "it broke", "cached": False})

    monkeypatch.setattr(Runner, "run", fail)
    for slug in project.slugs:
        edit(project, slug, "curation", min_side=70)
        edit(project, slug, "training", rank=2)
    failures = run_module.run_concepts(Project(project.concepts_file, project.store.root), RunRequest((), "checkpoint"))
    assert failures == ["curated_set of araucaria failed", "curated_set of chimarrao failed"]
    assert ran == [("curated_set", "araucaria"), ("curated_set", "chimarrao")]
    assert "it broke" in capsys.readouterr().err


def requested(project: Project, instance: dg.DagsterInstance, cursor: Any) -> tuple[list[tuple[str, Any]], Any]:
    """What the automation conditions ask for now."""
    result = dg.evaluate_automation_conditions(build_defs(project), instance, cursor=cursor)
    keys = [dg.AssetKey(name) for name in ASSETS]
    return [(key.to_user_string(), slug) for key in keys for slug in sorted(result.get_requested_partitions(key), key=str)], result.cursor


def materialize(project: Project, instance: dg.DagsterInstance, *names: str, slug: str | None) -> bool:
    job = build_defs(project).resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(name) for name in names]
    return job.execute_in_process(asset_selection=keys, partition_key=slug, instance=instance, raise_on_error=False).success


def test_newer_code_starts_what_it_makes_and_a_failure_is_not_tried_for_ever(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_RETRY_SECONDS", 0)
    everything = [name for asset in CONCEPT_ASSETS for name in (asset.spec_name, asset.name)]
    _, cursor = requested(project, instance, None)
    for slug in project.slugs:  # what exists is cached, but for the crawl
        assert materialize(project, instance, *(name for name in everything if name != "raw_crawl"), slug=slug)
    assert materialize(project, instance, "gallery_site", slug=None)
    asked, cursor = requested(project, instance, cursor)
    assert asked == [("raw_crawl", "araucaria"), ("raw_crawl", "chimarrao")]
    edit(project, "araucaria", "crawl", sources=[{"folder": {"path": "gone", "license": "pd", "author": "X", "source": "Y"}}])
    assert not materialize(project, instance, "raw_crawl", slug="araucaria")
    for _ in range(2):
        asked, cursor = requested(project, instance, cursor)
        assert ("raw_crawl", "araucaria") not in asked
    newer = dataclasses.replace(ASSETS["sample_gallery"], code_version="99")
    monkeypatch.setitem(ASSETS, "sample_gallery", newer)
    asked, cursor = requested(project, instance, cursor)
    assert {name for name, _ in asked} == {"sample_gallery"}


def test_the_sensors_watch_concepts_without_files_too(project: Project, instance: dg.DagsterInstance) -> None:
    edit(project, "araucaria", "crawl", sources=[{"openverse": {"query": "araucária"}}])
    first = evaluate(project, instance, "edited_concepts", None)
    files = evaluate(project, instance, "new_files", None)
    edit(project, "araucaria", "crawl", max_images=9)
    (request,) = evaluate(project, instance, "edited_concepts", first.cursor).run_requests or ()
    assert (request.partition_key, request.asset_selection) == ("araucaria", [dg.AssetKey("crawl_spec")])
    assert not evaluate(project, instance, "new_files", files.cursor).run_requests


def test_a_base_model_that_nobody_has_asked_about_holds_up_its_own_concept_alone(project: Project, instance: dg.DagsterInstance) -> None:
    edit(project, "araucaria", "training", base_model="owner/name", revision="b" * 40)
    first = evaluate(project, instance, "edited_concepts", None)
    assert not first.run_requests
    assert not evaluate(project, instance, "edited_concepts", first.cursor).run_requests
    LockFile(project.lock_file).add("base model", f"owner/name@{'b' * 40}", "https://x", {"id": "StableDiffusionPipeline"})
    (request,) = evaluate(project, instance, "edited_concepts", first.cursor).run_requests or ()
    assert request.partition_key == "araucaria"


def test_dagster_sees_another_base_model_behind_the_same_specification(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(project, instance, "edited_concepts", None)
    real = base_models.identity
    monkeypatch.setattr(base_models, "identity", lambda *names: real(*names) | {"digest": "another"})
    requests = evaluate(project, instance, "edited_concepts", first.cursor).run_requests or ()
    specs = [dg.AssetKey(name) for name in ("training_spec", "gallery_spec", "evaluation_spec")]
    assert [request.asset_selection for request in requests] == [specs] * 2


def test_a_check_of_what_is_not_there_fails(project: Project, instance: dg.DagsterInstance) -> None:
    (project.store.home("checkpoint", "araucaria") / "current.json").unlink()
    evaluation = run_checks(project, instance, "checkpoint", "sound_weights", "araucaria")
    assert (evaluation.passed, evaluation.description) == (False, "there is no checkpoint of araucaria")


def test_a_dead_run_gives_its_place_in_the_pool_back(project: Project) -> None:
    with get_instance(project) as instance:
        job = build_defs(project).resolve_job_def("everything")
        tags = {PROCESS_TAG: " ".join((*Place.here(), str(dead_process()), "1"))}
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("gpu")
        assert storage.claim_concurrency_slot("gpu", run.run_id, "checkpoint").is_claimed
        assert storage.get_concurrency_info("gpu").active_slot_count == 1
    with get_instance(project) as instance:
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 0


def test_the_launcher_ends_a_run_whose_process_is_gone_with_all_that_it_held(project: Project, instance: dg.DagsterInstance) -> None:
    job = build_defs(project).resolve_job_def("everything")
    tags = {PROCESS_TAG: " ".join((*Place.here(), str(dead_process()), "1"))}
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert instance.event_log_storage.claim_concurrency_slot("gpu", run.run_id, "checkpoint").is_claimed
    launcher = LocalRunLauncher()
    launcher.register_instance(instance)
    assert launcher.check_run_worker_health(run).status.value == "FAILED"
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
    assert instance.event_log_storage.get_concurrency_info("gpu").pending_steps == []


@pytest.mark.parametrize(("ago", "is_freed"), [(400, True), (10, False)])
def test_a_run_that_has_ended_gives_its_place_in_the_pool_back(
    ago: int, is_freed: bool, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was terminated in the web UI kept it, and every later run waited for ever; but what stops may still be saving."""
    with get_instance(project) as instance:
        run = instance.create_run_for_job(build_defs(project).resolve_job_def("everything"), status=dg.DagsterRunStatus.STARTED)
        instance.event_log_storage.initialize_concurrency_limit_to_default("gpu")
        assert instance.event_log_storage.claim_concurrency_slot("gpu", run.run_id, "checkpoint").is_claimed
        instance.report_run_canceled(run)
    now = time.time()
    monkeypatch.setattr(run_workers.time, "time", lambda: now + ago)
    with get_instance(project) as instance:
        assert (instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 0) is is_freed
