"""`gaucho review`: a curator's decisions and painted masks, from the file that the review page saved."""

from __future__ import annotations

from pathlib import Path

import click

from gaucho_pipeline.commands.common import complete_concept, reports_errors
from gaucho_pipeline.errors import _
from gaucho_pipeline.project.project import Project


@click.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
@reports_errors
def review(project: Project, concept: str, file: Path) -> None:
    """Check what was saved on the review page of CONCEPT, FILE, and put its decisions and masks in place."""
    from gaucho_pipeline.upkeep.reviewed import put_in_place  # here, because it decodes pictures

    done = put_in_place(project, concept, file)
    click.echo(_("{path}: {count} decisions", path=done.overrides, count=done.decisions))
    if done.painted:
        click.echo(_("{path}: {count} masks", path=done.masks, count=done.painted))
    for image in done.unknown:
        click.echo(_("left out: a mask of {image}, which is no image of {concept}", image=image, concept=concept), err=True)
    if done.keys:
        click.echo(_("write in {file}, under concepts.{concept}.curation:", file=project.concepts_file, concept=concept))
        for line in done.keys:
            click.echo(f"    {line}")
    click.echo(_("then run: gaucho run {concept}", concept=concept))


COMMANDS = (review,)
