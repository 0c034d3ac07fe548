"""Everything that Dagster is told of a project, put together: assets, checks, jobs, schedules, sensors, resources and the executor."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
from dagster import PipesSubprocessClient

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.orchestration import automation
from gaucho_pipeline.orchestration.alerts import build_alert_sensor
from gaucho_pipeline.orchestration.assets import assets_in, build_assets
from gaucho_pipeline.orchestration.checks import build_checks
from gaucho_pipeline.orchestration.cleaning import build_cleaning_job, build_cleaning_schedule
from gaucho_pipeline.orchestration.console import console
from gaucho_pipeline.orchestration.executor import choose_executor
from gaucho_pipeline.orchestration.partitions import Partitions, known_partitions
from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.orchestration.retrying import build_retry_sensor
from gaucho_pipeline.orchestration.run_workers import SECONDS_TO_SAVE
from gaucho_pipeline.project.project import Project


def build_defs(project: Project, open_project: Callable[[], Project] | None = None, known: Partitions | None = None) -> dg.Definitions:
    """Definitions for a concepts file and a data folder.

    `open_project` gives the project that a step works on; by default the file is read again by every step, so that an edit counts at once.
    `known`: the concepts, where the file is not to be asked. Raises ConfigError if the file has a mistake.
    """
    known = known or known_partitions(project)
    slugs, partitions = known.slugs, known.definition()
    crawl_job = dg.define_asset_job("crawl", selection=["raw_crawl"], description="Asks a concept's sources again.")
    apart = [asset.name for asset in ASSETS.values() if asset.is_made_apart]
    whole_chain = dg.AssetSelection.all() - dg.AssetSelection.assets(*apart)
    everything = dg.define_asset_job("everything", selection=whole_chain, description="The whole chain of a concept.")
    return dg.Definitions(
        assets=build_assets(known),
        asset_checks=build_checks(partitions, assets_in(known)),
        jobs=[everything, crawl_job, build_cleaning_job()],
        schedules=[automation.build_crawl_schedule(crawl_job.name, slugs), build_cleaning_schedule()],
        sensors=[
            automation.build_automation_sensor(),
            automation.build_concepts_sensor([*slugs, *known.collections]),
            automation.build_folder_sensor(slugs),
            automation.build_takedown_sensor(),
            build_retry_sensor(),
            build_alert_sensor(),
        ],
        resources={
            "project": ProjectResource(open_project or (lambda: Project(project.concepts_file, project.store.root))),
            "programs": PipesSubprocessClient(termination_timeout_seconds=SECONDS_TO_SAVE),
        },
        executor=choose_executor(),
        loggers={"console": console},
    )
