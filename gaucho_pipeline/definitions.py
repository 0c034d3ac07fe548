"""What Dagster loads: `dagster dev`, `dagster asset materialize -m gaucho_pipeline.definitions`. Assembles, decides nothing."""

from collections.abc import Callable

import dagster as dg
from dagster import PipesSubprocessClient

from gaucho_pipeline.orchestration import automation
from gaucho_pipeline.orchestration.assets import build_assets
from gaucho_pipeline.orchestration.checks import build_checks
from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.orchestration.runner import SECONDS_TO_SAVE
from gaucho_pipeline.pipeline import Project


def build_defs(project: Project, open_project: Callable[[], Project] | None = None) -> dg.Definitions:
    """Definitions for a concepts file and a data folder.

    `open_project` gives the project that a step works on; by default the file is read anew by every step, so that an edit counts at once.
    Raises ConfigError if the file has a mistake.
    """
    partitions = dg.StaticPartitionsDefinition(project.slugs)
    crawl_job = dg.define_asset_job("crawl", selection=["raw_crawl"], description="Asks a concept's sources again.")
    everything = dg.define_asset_job("everything", selection=dg.AssetSelection.all(), description="The whole chain of a concept.")
    return dg.Definitions(
        assets=build_assets(partitions),
        asset_checks=build_checks(partitions),
        jobs=[everything, crawl_job],
        schedules=[automation.build_crawl_schedule(crawl_job.name, project.slugs)],
        sensors=[
            automation.build_automation_sensor(),
            automation.build_concepts_sensor(project.slugs),
            automation.build_folder_sensor(project.slugs),
        ],
        resources={
            "project": ProjectResource(open_project or (lambda: Project(project.concepts_file, project.store.root))),
            "programs": PipesSubprocessClient(termination_timeout_seconds=SECONDS_TO_SAVE),
        },
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The project that GAUCHO_CONCEPTS and GAUCHO_DATA name."""
    return build_defs(Project.from_environment())
