"""Runs assets from the command line, in this process, with the history that the web UI shows."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._serdes import ConfigurableClassData

from gaucho_pipeline import base_models, embedded
from gaucho_pipeline.artifacts import write_atomically
from gaucho_pipeline.assets import ASSETS
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.orchestration.assets import FORCE_TAG
from gaucho_pipeline.pipeline import Project

_HOME_CONFIG = Path(embedded.__file__).parent / "dagster.yaml"


PROCESS_TAG = "gaucho/process"
SECONDS_TO_SAVE = 300.0
"""What a program that is asked to stop is given to save in: a whole denoiser takes minutes."""
_NO_CAPTURE = ("dagster._core.storage.noop_compute_log_manager", "NoOpComputeLogManager", "{}\n")


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
            raise ConfigError(f"DAGSTER_HOME: {named} must be the whole path of a folder that exists")
        return Path(named)
    if Path("dagster.yaml").exists():
        return Path.cwd()
    home = project.store.root / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    write_home_config(home)
    return home


@contextlib.contextmanager
def get_instance(project: Project, captures_output: bool = True) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance, which the command line and the web UI share; see `dagster_home`.

    `captures_output`: whether what programs print goes to files, and from there to the terminal. What they tell is in the log either way,
    and the processes that mirror the files would be killed by a terminal's Ctrl-C before they have shown the last words.
    """
    with contextlib.ExitStack() as stack:
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(dagster_home(project))))
        if not captures_output:
            ref = instance.get_ref()._replace(compute_logs_data=ConfigurableClassData(*_NO_CAPTURE))
            instance = stack.enter_context(dg.DagsterInstance.from_ref(ref))
        _end_the_dead(instance)
        yield instance


def write_home_config(home: Path) -> None:
    """Puts a dagster.yaml into a folder that has none; its pool of devices holds the GPUs, or the cores where there is no GPU."""
    path, limit = home / "dagster.yaml", len(base_models.gpu_names()) or os.cpu_count() or 1
    if not path.exists():
        text = _HOME_CONFIG.read_text(encoding="utf-8").replace("default_limit: 1 #", f"default_limit: {limit} #")
        write_atomically(path, text)


def pool_limit(instance: dg.DagsterInstance, pool: str | None) -> int:
    """How many steps of a pool may run at once."""
    limit = instance.event_log_storage.get_concurrency_info(pool or "").limit
    return limit or instance.get_concurrency_config().pool_config.default_pool_limit or 1


def _this_process() -> str:
    return f"{socket.gethostname()} {os.getpid()}"


def _end_the_dead(instance: dg.DagsterInstance) -> None:
    """Ends runs of the command line that were killed on this machine: they would hold their place in the GPU's pool for ever.

    So would runs that ended, or were terminated in the web UI, without giving it back; what is asked to stop has five minutes to save.
    """
    for run_id in instance.event_log_storage.get_concurrency_run_ids():
        record = instance.get_run_record_by_id(run_id)
        ended = record.end_time if record and record.dagster_run.is_finished else None
        if record is None or (ended is not None and time.time() - ended > SECONDS_TO_SAVE):
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        host, _, pid = run.tags.get(PROCESS_TAG, "").partition(" ")
        if host == socket.gethostname() and not _is_running(int(pid)):
            instance.report_run_failed(run, "its process is gone")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Runner:
    """Runs single assets of some definitions; a changed list of concepts needs new ones."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, received: Callable[[], int] = lambda: 0) -> None:
        """`received`: the number of a signal that asks to stop, once one has come; Dagster keeps that to itself."""
        self._job = definitions.resolve_implicit_global_asset_job_def()
        self._instance, self._received = instance, received

    def run(self, asset: str, slug: str, force: bool) -> Outcome:
        """Runs an asset, its specification first, and its checks. Raises KeyboardInterrupt if it was asked to stop meanwhile."""
        warnings.filterwarnings("ignore", message=".*is currently in preview.*")  # Dagster's own use of its previews
        is_partitioned = ASSETS[asset].is_partitioned
        keys = [*([dg.AssetKey(ASSETS[asset].spec_name)] if is_partitioned else []), dg.AssetKey(asset)]
        result = self._job.execute_in_process(
            asset_selection=keys,
            partition_key=slug if is_partitioned else None,
            instance=self._instance,
            tags={PROCESS_TAG: _this_process()} | ({FORCE_TAG: "true"} if force else {}),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        if self._received():
            raise KeyboardInterrupt
        if result.success:
            return Outcome(cached=_was_cached(result, asset))
        return Outcome(cached=False, error=_first_failure(result))


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
    return "the run failed; its log is in the web UI"
