"""The commands that say what is there: gaucho status | show."""

from __future__ import annotations

import json

import click

from gaucho_pipeline.assets.table import ALL, ASSETS, GALLERY_SITE
from gaucho_pipeline.commands import upkeep as upkeep
from gaucho_pipeline.commands.common import complete_subject, reports_errors
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.states import State
from gaucho_pipeline.spec import JsonObject


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@reports_errors
def status(project: Project, as_json: bool) -> None:
    """What is fresh, waiting, stale or missing, and why."""
    states = {slug: project.states(slug) for slug in project.slugs}
    collections = {slug: project.states(slug) for slug in project.concepts.collections}
    site = project.site_state(states)
    if as_json:
        found = {"concepts": states} | ({"collections": collections} if collections else {})
        value = {kind: {slug: {a: _plain(s) for a, s in row.items()} for slug, row in own.items()} for kind, own in found.items()}
        click.echo(json.dumps(value | {GALLERY_SITE.name: _plain(site)}, ensure_ascii=False, indent=1))
        return
    for slug, row in (states | collections).items():
        name = project.subject(slug).name
        click.secho(f"{slug}{f'  ({name.pt})' if name else ''}", bold=True)
        for asset, state in row.items():
            _print_state(asset, state)
    _print_state(GALLERY_SITE.name, site)


def _plain(state: State) -> JsonObject:
    return JsonObject(state=state.state, reasons=list(state.reasons))


def _print_state(asset: str, state: State) -> None:
    colour = {"fresh": "green", "waiting": "cyan", "stale": "yellow", "missing": "red"}[state.state]
    click.echo(f"  {asset:<21} {click.style(f'{state.state:<8}', fg=colour)} {'; '.join(state.reasons)}".rstrip())


@click.command()
@click.argument("asset", type=click.Choice(tuple(ASSETS)))
@click.argument("concept", default=ALL, shell_complete=complete_subject)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@reports_errors
def show(project: Project, asset: str, concept: str, as_json: bool) -> None:
    """What an artifact is made from, and its metrics."""
    if ASSETS[asset].is_partitioned and concept == ALL:
        slugs = ", ".join(project.concepts.collections if ASSETS[asset].is_of_collections else project.slugs)
        raise ConfigError(_("{asset}: name a concept, too: gaucho show {asset} CONCEPT; there are {slugs}", asset=asset, slugs=slugs))
    artifact = project.artifact(asset, concept if ASSETS[asset].is_partitioned else ALL)
    manifest = artifact.manifest.model_dump(mode="json")
    if as_json:
        click.echo(json.dumps({"folder": str(artifact.folder), "manifest": manifest}, ensure_ascii=False, indent=1))
        return
    click.echo(
        _(
            "folder   {folder}\nmade     {made_at} in {seconds} s",
            folder=artifact.folder,
            made_at=manifest["made_at"],
            seconds=manifest["seconds"],
        )
    )
    for name, value in manifest["metrics"].items():
        click.echo(f"{name:<22} {json.dumps(value, ensure_ascii=False)}")


COMMANDS = (
    status,
    show,
)
