"""Launches the web UI's runs on this machine as Dagster's own launcher does, and knows when the process of one is gone.

`run_launcher` in dagster.yaml names it. Dagster's cannot tell: a run whose server died stays *Started*, holds its place in the pool, and
cannot be terminated.
"""

from __future__ import annotations

from dagster import DagsterRun, DefaultRunLauncher

from gaucho_pipeline.orchestration.dagster_internals import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from gaucho_pipeline.orchestration.run_workers import end_run, free_forgotten_slots, free_slots, is_gone, this_host, while_locked
from gaucho_pipeline.orchestration.tags import HOST_TAG


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, whose runs say which machine they are on."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        self._instance.add_run_tags(context.dagster_run.run_id, {HOST_TAG: this_host()})
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Asked by Dagster's run monitoring; a run whose process is gone is ended here, with all that it held."""
        if not is_gone(self._instance, run):
            free_forgotten_slots(self._instance)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        end_run(self._instance, run)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone")

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run and not run.is_finished and is_gone(self._instance, run):
            while_locked(lambda: self._instance.report_run_canceled(run, "its process was gone already"))
            free_slots(self._instance, run_id)
            return True
        return bool(while_locked(lambda: super(LocalRunLauncher, self).terminate(run_id)))  # type: ignore[no-untyped-call]
