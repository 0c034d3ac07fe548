"""Every name of Dagster's that is not public, each with the reason why nothing public will do. A new version of Dagster is read here first.

Here belong imports from `dagster._…` and nothing else. What loads much is imported by the function that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import dagster as dg
from dagster._core.errors import (
    DagsterExecutionInterruptedError,  # what a signal raises in a step: who is stopped has to say so
    DagsterPipesExecutionError,  # what a failed program raises: a retry policy has to know it
)
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus  # which backfills are under way: no public name asks
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus  # what a launcher of runs is asked and answers
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES  # of runs under way; a list of our own would miss a new one
from dagster._core.workspace.context import WorkspaceProcessContext  # the web server's workspace, which has to be reloaded
from dagster._serdes import ConfigurableClassData  # how an instance without capture of output is described
from dagster_shared.cli import WorkspaceOpts

__all__ = [
    "BACKFILLS_UNDER_WAY", "DAEMON_PROGRAM", "IN_PROGRESS_RUN_STATUSES", "CheckRunHealthResult", "DagsterExecutionInterruptedError",
    "DagsterPipesExecutionError", "LaunchRunContext", "WorkerStatus", "WorkspaceProcessContext", "replace_default_logger",
    "shared_code_server", "without_capture", "workspace_context",
]  # fmt: skip

DAEMON_PROGRAM = "from dagster._daemon.cli import main; main()"
"""`dagster-daemon`, for a program of our own that does something before it."""
BACKFILLS_UNDER_WAY = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING])
"""Of backfills, those that the daemon looks at, as it chooses them itself."""
_NO_CAPTURE = ConfigurableClassData("dagster._core.storage.noop_compute_log_manager", "NoOpComputeLogManager", "{}\n")


def without_capture(instance: dg.DagsterInstance) -> dg.DagsterInstance:
    """The same instance, which does not capture what programs print. There is no option for one run."""
    return dg.DagsterInstance.from_ref(instance.get_ref()._replace(compute_logs_data=_NO_CAPTURE))


def replace_default_logger(logger: dg.LoggerDefinition, config: Mapping[str, object]) -> None:
    """Has runs that were given no configuration of loggers print by this one: Dagster's own prints every event, and has no other setting
    than one that takes the same from a run's log."""
    from dagster._core.execution import context_creation_job

    context_creation_job.default_system_loggers = lambda instance: [(logger, config)]  # type: ignore[attr-defined]


def shared_code_server(instance: dg.DagsterInstance, module: str) -> AbstractContextManager[Sequence[str]]:
    """A code server for web server and daemon alike; yields the arguments that name it. `dagster dev` alone can do that."""
    from dagster._cli.dev import _optionally_create_temp_workspace

    opts = WorkspaceOpts(module_name=(module,))
    return _optionally_create_temp_workspace(
        use_legacy_code_server_behavior=False, workspace_opts=opts, instance=instance, code_server_log_level="warning"
    )


def workspace_context(instance: dg.DagsterInstance, workspace: str, version: str) -> WorkspaceProcessContext:
    """The web server's workspace, from a file. `dagster-webserver` builds it so, and hands it to nobody."""
    from dagster._cli.workspace.cli_target import workspace_opts_to_load_target

    target = workspace_opts_to_load_target(WorkspaceOpts(workspace=(workspace,)))
    return WorkspaceProcessContext(instance, version=version, workspace_load_target=target)
