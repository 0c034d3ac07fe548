"""What Dagster loads: `dagster dev`, `dagster asset materialize -m gaucho_pipeline.definitions`. Decides nothing."""

import dagster as dg

from gaucho_pipeline.orchestration.console import quiet_if_asked
from gaucho_pipeline.orchestration.partitions import asked_for_in_history, load_partitions
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.project.project import Project


@dg.definitions
def defs() -> dg.Definitions:
    """The project that GAUCHO_CONCEPTS and GAUCHO_DATA name; with the concepts that it had, where its file has a mistake now."""
    quiet_if_asked()
    project = Project.from_environment()
    return build_defs(project, known=load_partitions(project).with_removed(asked_for_in_history()))
