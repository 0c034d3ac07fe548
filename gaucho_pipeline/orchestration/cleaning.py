"""What nothing needs any more, removed by a schedule: `gaucho gc`, as `retention` in concepts.yaml says."""

import time

import dagster as dg

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.orchestration.history import purge
from gaucho_pipeline.orchestration.resources import ProjectResource
from gaucho_pipeline.orchestration.tags import BY_ITSELF, REASON_TAG
from gaucho_pipeline.upkeep.collecting import clean

_DAY = 86_400.0


def build_cleaning_job() -> dg.JobDefinition:
    @dg.op(description="Removes artifacts, images and caches that nothing needs, and old runs, as `retention` in concepts.yaml says.")
    def clean_up(context: dg.OpExecutionContext, project: dg.ResourceParam[ProjectResource]) -> None:
        try:
            opened = project.open()
            retention = opened.concepts.retention
            size = clean(opened, retention, context.log.info)
        except GauchoError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        runs = purge(context.instance, time.time() - retention.history_days * _DAY)
        context.log.info(_("freed {size:.1f} MB; {runs} runs of the history", size=size / 1e6, runs=runs))

    @dg.job(name="clean", description="Removes what nothing needs any more.")
    def clean_job() -> None:
        clean_up()

    return clean_job


def build_cleaning_schedule() -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="clean_every_week",
        job_name="clean",
        cron_schedule="0 5 * * 0",
        execution_timezone="America/Sao_Paulo",
        tags=BY_ITSELF | {REASON_TAG: "the weekly cleaning"},
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Removes what nothing needs any more, as `retention` in concepts.yaml says.",
    )
