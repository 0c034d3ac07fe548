"""The command line: `gaucho`. Declares its commands, most of which are in `commands/`, one module for what belongs together.

A command reads what is wanted and prints what came of it; the work is done by the assets. Exit status: 0 done, 1 failed, 2 wrong usage
or configuration, 130 and 143 stopped by Ctrl-C and by SIGTERM.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from gaucho_pipeline.assets.table import GALLERY_SITE, RAW_CRAWL, RUN_ASSETS
from gaucho_pipeline.commands import drawing, judging, reviewing, sharing, status, upkeep
from gaucho_pipeline.commands.common import complete_concept, complete_subject, reports_errors
from gaucho_pipeline.commands.init import STARTS
from gaucho_pipeline.commands.planning import memory_plan, plan_crawls, plan_runs, print_plan
from gaucho_pipeline.commands.run import RunRequest, run_concepts
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.processes import json_log
from gaucho_pipeline.project.project import Project


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gaucho-pipeline", prog_name="gaucho")
@click.option(
    "--concepts", type=click.Path(path_type=Path), envvar="GAUCHO_CONCEPTS", default=Path("concepts.yaml"), help="The concepts file."
)
@click.option("--data", type=click.Path(path_type=Path), envvar="GAUCHO_DATA", default=Path("data"), help="The data folder.")
@click.pass_context
def main(context: click.Context, concepts: Path, data: Path) -> None:
    """From images of a region's culture and nature to a model that draws them."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    context.obj = Project(concepts, data)


@main.command()
@click.argument("concepts", nargs=-1, shell_complete=complete_subject)
@click.option("--select", type=click.Choice(RUN_ASSETS), default=GALLERY_SITE.name, help="Up to this asset; the site if not given.")
@click.option("--force", is_flag=True, help="Make the selected asset again although it is fresh.")
@click.option("--accept-losses", is_flag=True, help="With --select raw_crawl: a source may lose more than half of its images at once.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), help="Concepts at once; as many as the pool of devices in dagster.yaml allows, if not given."
)
@click.option("--plan", is_flag=True, help="Say what would be made, why and at what cost; with --select raw_crawl: what would be fetched.")
@click.option(
    "--memory", type=click.FloatRange(1, 1000), metavar="GB", help="With --plan: for a card of so many gigabytes, not the one here."
)
@click.option("--refresh-lock", is_flag=True, help="With --plan: ask for the ids of names again, and report those that have changed.")
@click.option("--rights", is_flag=True, help="With --plan: all phrases on rights of a collection, and what each is read as.")
@click.option("--yes", "is_meant", is_flag=True, help="Teach a large base model although there is no GPU.")
@click.option("--log-json", is_flag=True, help="Tell everything as JSON Lines, for programs that collect logs.")
@click.pass_obj
@reports_errors
def run(project: Project, concepts: tuple[str, ...], log_json: bool, plan: bool, memory: float | None, **options: Any) -> None:
    """Bring CONCEPTS (all of them if none is named), or the concepts of a collection, up to date, doing only what is stale."""
    refresh_lock, rights = options.pop("refresh_lock"), options.pop("rights")
    request = RunRequest(concepts, **options)
    if log_json:
        json_log.install()
    if memory and not plan:
        raise ConfigError(_("--memory: goes with --plan"))
    if request.accept_losses and request.select != RAW_CRAWL.name:
        raise ConfigError(_("--accept-losses: goes with --select raw_crawl"))
    if (refresh_lock or rights) and not (plan and request.select == RAW_CRAWL.name):
        raise ConfigError(_("--refresh-lock and --rights: go with --select raw_crawl --plan"))
    if plan and request.select == RAW_CRAWL.name:
        plan_crawls(project, concepts, refresh_lock, rights)
        return
    if plan:
        print_plan(plan_runs(project, concepts, request.select))
        for line in memory_plan(project, concepts or project.slugs, memory):
            click.echo(line)
        return
    if failures := run_concepts(project, request):
        raise GauchoError("; ".join(failures))


@main.command()
@click.argument("protocol", type=click.Choice(["dreambench"]))
@click.argument("concepts", nargs=-1, shell_complete=complete_concept)
@click.option("--limit", type=click.IntRange(1, 25), help="So many of the 25 prompts, for a taste.")
@click.pass_obj
@reports_errors
def benchmark(project: Project, protocol: str, concepts: tuple[str, ...], limit: int | None) -> None:
    """Draw and score CONCEPTS (all of them if none is named) as the DreamBooth paper did, and print its table with ours beneath."""
    from gaucho_pipeline.commands.benchmark import run_dreambench
    from gaucho_pipeline.stage.reporter import Reporter

    click.echo(run_dreambench(project, concepts, limit, Reporter(None)))


@main.command()
@click.pass_obj
@reports_errors
def doctor(project: Project) -> None:
    """Whether packages, device, concepts file, base models and data folder are as a run needs them, and what to do where not."""
    from gaucho_pipeline.commands.doctor import examine

    findings = examine(project)
    for finding in findings:
        word, colour = ("ok", "green") if finding.well else ("FAIL", "red") if finding.fatal else ("look", "yellow")
        mark = click.style(f"{word:<4}", fg=colour)
        click.echo(f"{mark} {finding.what}: {finding.text}")
    if any(finding.fatal for finding in findings):
        raise GauchoError(_("a run would fail; see above"))


@main.command()
@click.option("--port", type=click.IntRange(1024, 65535), default=3000, show_default=True, help="Where to listen, on this machine alone.")
@click.pass_obj
@reports_errors
def ui(project: Project, port: int) -> None:
    """Serve Dagster's web UI, its daemon, and the pages of what was made, to this machine and to no other site."""
    from gaucho_pipeline.ui.serving import serve

    serve(project, port)


@main.command()
def schema() -> None:
    """Print the JSON Schema of concepts.yaml, from which editors complete its keys and underline mistakes."""
    from gaucho_pipeline.concepts.schema import schema_text

    click.echo(schema_text(), nl=False)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("."))
@click.option("--on", "model", type=click.Choice(tuple(STARTS)), default="embedded", show_default=True, help="What to teach.")
@click.option(
    "--from", "address", metavar="ADDRESS", default="", help="A page whose images to gather: a collection, a category, a manifest."
)
@reports_errors
def init(folder: Path, model: str, address: str) -> None:
    """Write a commented concepts.yaml for one concept with photographs of your own into FOLDER, and a place for them.

    With --from, the concept gathers the images of a page as you see it in the browser, in place of photographs of your own.
    """
    from gaucho_pipeline.commands.init import write_start

    for line in write_start(folder, model, address):
        click.echo(line)


@main.command()
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), show_default=True, help="Where to put it."
)
@reports_errors
def demo(folder: Path) -> None:
    """Two concepts from images to before-and-after pictures, on the model that ships: no GPU, hub or key."""
    from gaucho_pipeline.commands.demo import run_demo

    run_demo(folder)


for command in (*status.COMMANDS, *drawing.COMMANDS, *sharing.COMMANDS, *judging.COMMANDS, *reviewing.COMMANDS, *upkeep.COMMANDS):
    main.add_command(command)


if __name__ == "__main__":
    main()
