"""Runs assets from the command line, in this process, with the history that the web UI shows."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
from sqlalchemy.exc import DBAPIError

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.locks import lock_of
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.models import base_models
from gaucho_pipeline.orchestration.dagster_internals import without_capture
from gaucho_pipeline.orchestration.executor import is_on_ray
from gaucho_pipeline.orchestration.history import is_outdated
from gaucho_pipeline.orchestration.run_workers import end_dead_runs, this_process, worker_of
from gaucho_pipeline.orchestration.stopping import take_for_cancelled
from gaucho_pipeline.orchestration.tags import CONCEPT_TAG, FORCE_TAG, PROCESS_TAG, REASON_TAG, concept_of
from gaucho_pipeline.project.project import Project

DATABASE_VARIABLE = "GAUCHO_DATABASE"
"""The address of a PostgreSQL server that holds the history of several machines."""
_HERE = Path(__file__).parent
_SECONDS_BETWEEN_LOOKS, _SECONDS_BETWEEN_SWEEPS = 1.0, 15.0


@dataclass(frozen=True)
class Outcome:
    """What became of one asset: an empty `error` means that it is up to date now."""

    cached: bool
    error: str = ""


def dagster_home(project: Project) -> Path:
    """Where Dagster's instance is: DAGSTER_HOME, else this folder if it has a dagster.yaml, else a place inside the data folder.

    Raises ConfigError for a DAGSTER_HOME that is no folder.
    """
    if named := os.environ.get("DAGSTER_HOME"):
        if not Path(named).is_dir() or not Path(named).is_absolute():
            raise ConfigError(_("DAGSTER_HOME: {named} must be the whole path of a folder that exists", named=named))
        write_home_config(Path(named))  # without one Dagster sets no limits, and reports to its makers
        return Path(named)
    if Path("dagster.yaml").exists():
        return Path.cwd()
    home = project.store.root / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    write_home_config(home)
    return home


@contextlib.contextmanager
def get_instance(project: Project, captures_output: bool = True, is_upgraded: bool = False) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance, which the command line and the web UI share; see `dagster_home`.

    `captures_output`: whether what programs print goes to files, and from there to the terminal. What they tell is in the log either way,
    and the processes that mirror the files would be killed by a terminal's Ctrl-C before they have shown the last words. `is_upgraded`:
    whether tables of an older version of Dagster are brought up to date. Raises ConfigError for such tables else.
    """
    home = dagster_home(project)
    with contextlib.ExitStack() as stack:
        with lock_of(home):  # two that make the history's tables at once leave it broken, or with two beginnings
            instance = stack.enter_context(dg.DagsterInstance.from_config(str(home)))
            if not captures_output:
                instance = stack.enter_context(without_capture(instance))
            if is_outdated(instance):
                if not is_upgraded:
                    raise ConfigError(_("{home}: an older version of Dagster has made the history: gaucho migrate", home=home))
                instance.upgrade()
            _open_pools(instance)
        end_dead_runs(instance)
        yield instance


def _open_pools(instance: dg.DagsterInstance) -> None:
    """Has every pool exist before anybody needs it.

    Dagster has it made by whoever claims a place first, and on PostgreSQL that fails where two do so at once.
    """
    known = instance.event_log_storage.get_concurrency_keys()
    for pool in {asset.pool for asset in ASSETS.values() if asset.pool} - known:
        with contextlib.suppress(DBAPIError):  # another process was first
            instance.event_log_storage.initialize_concurrency_limit_to_default(pool)


def write_home_config(home: Path, is_alone: bool = False) -> None:
    """Puts a dagster.yaml into a folder that has none; its pool of devices holds the GPUs, or the cores where there is no GPU.

    It is that for several machines, or for a Ray cluster, where the environment names a database for them; not if it `is_alone`.
    """
    name = "dagster.yaml"
    if os.environ.get(DATABASE_VARIABLE) and not is_alone:
        name = "dagster.ray.yaml" if is_on_ray() else "dagster.postgres.yaml"
    path, limit = home / "dagster.yaml", len(base_models.gpu_names()) or os.cpu_count() or 1
    if not path.exists():
        text = (_HERE / name).read_text(encoding="utf-8").replace("default_limit: 1 #", f"default_limit: {limit} #")
        write_atomically(path, text)


def pool_limit(instance: dg.DagsterInstance, pool: str | None) -> int:
    """How many steps of a pool may run at once."""
    limit = instance.event_log_storage.get_concurrency_info(pool or "").limit
    return limit or instance.get_concurrency_config().pool_config.default_pool_limit or 1


class Runner:
    """Runs single assets of some definitions; a changed list of concepts needs new ones."""

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        received: Callable[[], int] = lambda: 0,
        tell: Callable[[str], None] = lambda text: None,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`received`: the number of a signal that asks to stop, once one has come; Dagster keeps that to itself.

        `tell`: is told what a run waits for. `tags`: further ones of its runs.
        """
        self._job = definitions.resolve_implicit_global_asset_job_def()
        self._instance, self._received, self._tell, self._tags = instance, received, tell, dict(tags)

    def run(self, asset: str, slug: str, force: bool, reason: str = "") -> Outcome:
        """Runs an asset, its specification first, and its checks. Raises KeyboardInterrupt if it was asked to stop meanwhile."""
        warnings.filterwarnings("ignore", message=".*is currently in preview.*")  # Dagster's own use of its previews
        is_partitioned = ASSETS[asset].is_partitioned
        keys = [*([dg.AssetKey(ASSETS[asset].spec_name)] if is_partitioned else []), dg.AssetKey(asset)]
        tags = {PROCESS_TAG: this_process(), CONCEPT_TAG: slug, REASON_TAG: reason[:250], FORCE_TAG: "true" if force else "", **self._tags}
        with self._place_in_pool(asset) as run_id:
            result = self._job.execute_in_process(
                asset_selection=keys,
                partition_key=slug if is_partitioned else None,
                instance=self._instance,
                run_id=run_id,
                tags={name: value for name, value in tags.items() if value},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )
        if self._received():
            take_for_cancelled(self._instance, run_id)
            raise KeyboardInterrupt
        if result.success:
            return Outcome(cached=_was_cached(result, asset))
        return Outcome(cached=False, error=_first_failure(result))

    @contextlib.contextmanager
    def _place_in_pool(self, asset: str) -> Iterator[str]:
        """The id of a run that has its place in the asset's pool: waiting is done here, because Dagster's own cannot be interrupted."""
        pool, run_id, storage = ASSETS[asset].pool, str(uuid.uuid4()), self._instance.event_log_storage
        if pool is None:
            yield run_id
            return
        try:
            reported, swept = "", time.monotonic()
            while not storage.claim_concurrency_slot(pool, run_id, asset).is_claimed:
                if (text := self._waits_for(pool)) != reported:
                    self._tell(text)
                    reported = text
                if time.monotonic() - swept > _SECONDS_BETWEEN_SWEEPS:
                    end_dead_runs(self._instance)
                    swept = time.monotonic()
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            yield run_id
        finally:
            storage.free_concurrency_slots_for_run(run_id)

    def _waits_for(self, pool: str) -> str:
        holders = [
            _describe_holder(self._instance, slot.run_id, slot.step_key)
            for slot in self._instance.event_log_storage.get_concurrency_info(pool).claimed_slots
        ]
        before = "; ".join(holders) or _("others are before it")
        text = _("for a place in the pool {pool!r}: {before}", pool=pool, before=before)
        return f"{text}. " + _("Ctrl-C ends the waiting; to end that one, Ctrl-C there, or Terminate in the web UI")


def _describe_holder(instance: dg.DagsterInstance, run_id: str, step: str) -> str:
    """What holds a place, for whom, since when, and who does it."""
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return f"{step} (run {run_id[:8]})"
    run, since = record.dagster_run, record.create_timestamp.astimezone().strftime("%Y-%m-%d %H:%M")
    concept, worker = concept_of(run.tags), worker_of(instance, run)
    process = f", process {worker.pid}" if worker else ""
    return f"{step} of {concept} is at work (run {run_id[:8]}, since {since}{process})"


def _was_cached(result: Any, asset: str) -> bool:
    for event in result.get_asset_materialization_events():
        if event.asset_key == dg.AssetKey(asset):
            return bool(event.step_materialization_data.materialization.metadata["cached"].value)
    return False


def _first_failure(result: Any) -> str:
    """What went wrong, in one line: a failed check's own words, or the failure's."""
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.blocking:
            return f"{evaluation.check_name}: {evaluation.description}"
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return str(data.user_failure_data.description)
            if data.error:
                cause = data.error
                while cause.cause:
                    cause = cause.cause
                return " ".join(str(cause.message).split())
    return _("the run failed; its log is in the web UI")
