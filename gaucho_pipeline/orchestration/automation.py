"""What starts runs by itself: the condition on the assets, a schedule for crawling, and sensors for edits, files and removed concepts.

All of it is off until it is switched on in the web UI, but for what takes a removed concept off the site.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import AutomationCondition

from gaucho_pipeline.assets.table import ALL, ASSETS, CONCEPT_ASSETS, GALLERY_SITE, Asset
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.orchestration.checks import UP_TO_DATE
from gaucho_pipeline.orchestration.dagster_internals import IN_PROGRESS_RUN_STATUSES
from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.orchestration.tags import BY_ITSELF, CONCEPT_TAG, REASON_TAG, RUNS_A_TICK
from gaucho_pipeline.project.project import Project

_PAUSE_SECONDS, _MAX_PAUSES = 60.0, 60
"""A takedown that failed is tried again after a minute, two, three, and so on, at most after an hour."""
_CHANGED: AutomationCondition[Any] = (
    AutomationCondition.any_deps_match(AutomationCondition.data_version_changed()) | AutomationCondition.code_version_changed()
)
_IDLE = ~AutomationCondition.any_deps_in_progress() & ~AutomationCondition.in_progress()
_NEVER_TRIED = AutomationCondition.missing() & ~AutomationCondition.execution_failed() & ~AutomationCondition.in_progress()

_BEGUN = AutomationCondition.in_progress().newly_true().since(AutomationCondition.newly_updated() | AutomationCondition.execution_failed())
_STOPPED = (_BEGUN & ~AutomationCondition.in_progress()).newly_true()
"""It was begun, and was neither made nor did it fail: somebody has stopped it, or the end of `gaucho ui` has."""

WHEN_SOMETHING_CHANGED = (
    ((_NEVER_TRIED | _CHANGED).since_last_handled() | _STOPPED.since_last_handled()) & ~AutomationCondition.any_deps_missing() & _IDLE
).with_label("something changed")
"""Runs an asset when data that it is made from has changed, not when it was made again the same, nor for ever after a failure.

What was stopped is taken up again. It is remembered apart, so that a new version of this condition forgets nothing that waits.
"""

WHEN_AN_EVALUATION_CHANGED = ((_CHANGED.since_last_handled() | _STOPPED.since_last_handled()) & _IDLE).with_label("an evaluation changed")
"""Runs the site, which shows the concepts that were evaluated and waits for none."""


def build_automation_sensor() -> dg.AutomationConditionSensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        "keep_up_to_date",
        target=dg.AssetSelection.all(),
        run_tags=BY_ITSELF | {REASON_TAG: "it was never made, or was stopped, or what it is made from or by has changed"},
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Runs what is out of date, as its condition says. Switch it on to have the chain run by itself.",
    )


def build_crawl_schedule(job_name: str, partitions: list[str]) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="crawl_every_night",
        cron_schedule="0 3 * * *",
        execution_timezone="America/Sao_Paulo",
        job_name=job_name,
        description="Asks every concept's sources again; what is new goes down the chain.",
    )
    def crawl_every_night(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        for slug in partitions:
            tags = BY_ITSELF | {CONCEPT_TAG: slug, REASON_TAG: "the nightly crawl"}
            yield dg.RunRequest(run_key=f"{context.scheduled_execution_time.isoformat()} {slug}", partition_key=slug, tags=tags)

    return crawl_every_night


_RULES = f"what changed since it first looked, at most {RUNS_A_TICK} concepts at a time, after whatever a person asks for."


def _reads_files(project: Project, slug: str) -> bool:
    """Whether a concept has sources on this disk."""
    return any(source.spec.paths for source in project.concept(slug).crawl.sources)


def build_concepts_sensor(partitions: list[str]) -> dg.SensorDefinition:
    """Sees an edited concepts file."""
    return _spec_sensor(
        "edited_concepts", partitions, lambda project, slug, asset: asset.name != "raw_crawl" or not _reads_files(project, slug),
        f"Re-evaluates the specifications that an edit of concepts.yaml changed, and only those: {_RULES}",
    )  # fmt: skip


def build_folder_sensor(partitions: list[str]) -> dg.SensorDefinition:
    """Sees new files in the folders and tables that are sources."""
    return _spec_sensor(
        "new_files", partitions, lambda project, slug, asset: asset.name == "raw_crawl" and _reads_files(project, slug),
        "Re-evaluates the crawl specification of a concept when the files of its folder, or the specification itself, have changed: "
        f"{_RULES}",
    )  # fmt: skip


def _spec_sensor(name: str, partitions: list[str], watches: Callable[[Project, str, Asset], bool], description: str) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        target=dg.AssetSelection.groups("specifications") | dg.AssetSelection.all_asset_checks(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext, project: dg.ResourceParam[ProjectResource]) -> dg.SensorResult | dg.SkipReason:
        try:
            opened = project.open()
            slugs = [slug for slug in (*opened.slugs, *opened.concepts.collections) if slug in partitions]
            watched = [(slug, asset) for slug in slugs for asset in _made_of(opened, slug) if watches(opened, slug, asset)]
            versions = {f"{slug}/{asset.name}": _version(opened, slug, asset) for slug, asset in watched}
        except GauchoError as error:
            return dg.SkipReason(str(error))
        seen = _seen(opened.store.root, name, context.cursor)
        if seen is None:
            note = f"{len(slugs)} concepts are remembered as they are now; what changes from here on is re-evaluated"
            return dg.SensorResult(cursor=_keep(opened.store.root, name, versions), skip_reason=dg.SkipReason(note))
        by_concept: dict[str, list[Asset]] = {}
        for slug, asset in watched:
            if seen.get(key := f"{slug}/{asset.name}") != versions[key]:
                by_concept.setdefault(slug, []).append(asset)
        now, later = list(by_concept)[:RUNS_A_TICK], set(list(by_concept)[RUNS_A_TICK:])
        requests = [_re_evaluation(slug, by_concept[slug], _is_known(slug, seen)) for slug in now]
        new = sorted({*opened.slugs, *opened.concepts.collections} - set(partitions))
        note = f"new concepts, not yet among the partitions: {', '.join(new)}" if new else "nothing changed"
        kept = {key: seen.get(key, "") if key.partition("/")[0] in later else version for key, version in versions.items()}
        cursor = _keep(opened.store.root, name, {key: version for key, version in kept.items() if version})
        return dg.SensorResult(run_requests=requests, cursor=cursor, skip_reason=None if requests else dg.SkipReason(note))

    return sensor


def _made_of(project: Project, slug: str) -> Sequence[Asset]:
    """The assets that are made of a concept, or of a collection."""
    return [asset for asset in ASSETS.values() if asset.is_of_collections] if slug in project.concepts.collections else CONCEPT_ASSETS


def _seen(root: Path, name: str, cursor: str | None) -> dict[str, str] | None:
    """The versions that a cursor stands for; None where it stands for none, or its file is gone: nothing is known then of what changed."""
    try:
        value = json.loads((root / ".seen" / f"{name}-{cursor}.json").read_text(encoding="utf-8")) if cursor else None
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _is_known(slug: str, seen: dict[str, str]) -> bool:
    return any(key.partition("/")[0] == slug for key in seen)


def _keep(root: Path, name: str, versions: dict[str, str]) -> str:
    """Keeps versions in a file, and gives the cursor that stands for them: Dagster keeps a cursor with every tick, for days."""
    cursor, folder = digest(versions), root / ".seen"
    path = folder / f"{name}-{cursor}.json"
    if path.exists():
        path.touch()
    else:
        folder.mkdir(parents=True, exist_ok=True)
        older = sorted(folder.glob(f"{name}-*.json"), key=lambda each: each.stat().st_mtime)
        write_atomically(path, json.dumps(versions))
        for each in older[:-1]:  # a tick that is killed now goes on from the last
            each.unlink(missing_ok=True)
    return cursor


def _version(project: Project, slug: str, asset: Asset) -> str:
    """What is compared from tick to tick; what is wrong with one concept is that concept's alone, and its specification's run says it."""
    try:
        return project.observed_version(asset.name, slug)
    except GauchoError as error:
        return str(error)


def _re_evaluation(slug: str, assets: list[Asset], is_known: bool) -> dg.RunRequest:
    """A run of the specifications of some assets of a concept, and of the checks that say what is no longer up to date because of them.

    It has no run key: an edit that is taken back counts too. `is_known`: whether the concept was seen before.
    """
    names = list(ASSETS)
    below = [ASSETS[name] for name in names[names.index(assets[0].name) :] if name != GALLERY_SITE.name]
    below = [each for each in below if each.is_of_collections == assets[0].is_of_collections]
    return dg.RunRequest(
        partition_key=slug,
        asset_selection=[dg.AssetKey(asset.spec_name) for asset in assets],
        asset_check_keys=[dg.AssetCheckKey(dg.AssetKey(each.name), UP_TO_DATE) for each in below],
        tags=BY_ITSELF
        | {CONCEPT_TAG: slug, REASON_TAG: f"{'changed' if is_known else 'new or changed'}: {', '.join(each.part for each in assets)}"},
    )


def build_takedown_sensor() -> dg.SensorDefinition:
    """Takes a concept off the site that is no longer in the file; Dagster's conditions do not see that a partition is gone."""

    @dg.sensor(
        name="removed_concepts",
        target=[GALLERY_SITE.name],
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes the site again without a concept that was removed from concepts.yaml, or renamed there. On from the beginning.",
    )
    def removed_concepts(
        context: dg.SensorEvaluationContext, project: dg.ResourceParam[ProjectResource]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            removed = project.open().removed_from_site()
        except GauchoError as error:
            return dg.SkipReason(str(error))
        if not removed:
            return dg.SensorResult(cursor="", skip_reason=dg.SkipReason("the site shows no concept that was removed"))
        reason = f"removed: {', '.join(removed)}"
        asked, at = json.loads(context.cursor) if context.cursor else (0, 0.0)
        under_way = dg.RunsFilter(tags={REASON_TAG: reason}, statuses=IN_PROGRESS_RUN_STATUSES)
        if context.instance.get_runs(under_way, limit=1) or time.time() < at + min(asked, _MAX_PAUSES) * _PAUSE_SECONDS:
            return dg.SkipReason(f"{reason}; the site is being made, or is tried again a little later")
        request = dg.RunRequest(tags={CONCEPT_TAG: ALL, REASON_TAG: reason})
        return dg.SensorResult(run_requests=[request], cursor=json.dumps([asked + 1, time.time()]))

    return removed_concepts
