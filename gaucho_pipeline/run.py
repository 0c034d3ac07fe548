"""`gaucho run`: asks what is not up to date, has it made, and says what was done and why.

What is up to date is decided in `pipeline.py`; how an asset is made from the command line is in `orchestration/runner.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from gaucho_pipeline.asset_checks import blocked_by
from gaucho_pipeline.assets import ALL, ASSETS, GALLERY_SITE, SAMPLE_GALLERY
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline.preflight import check_configuration

if TYPE_CHECKING:
    from gaucho_pipeline.orchestration.runner import Runner


def run_concepts(project: Project, concepts: tuple[str, ...], select: str, force: bool) -> list[str]:
    """Brings concepts up to date, says what was done and why, and returns what failed."""
    slugs = list(dict.fromkeys(concepts)) or project.slugs
    for slug in slugs:
        project.concept(slug)
    check_configuration(project, slugs, select)
    project.store.check_writable()
    from gaucho_pipeline.definitions import build_defs  # here, because Dagster takes a second to import
    from gaucho_pipeline.orchestration.runner import Runner, get_instance

    failures = []
    with get_instance(project) as instance:
        runner = Runner(build_defs(project, lambda: project), instance)
        wanted = _with_inputs(SAMPLE_GALLERY.name if select == GALLERY_SITE.name else select)
        for slug in slugs:
            click.secho(slug, bold=True)
            for asset in wanted:
                if not _ensure(project, runner, asset, slug, force and asset == select):
                    failures.append(f"{asset} of {slug} failed")
                    break
        if select == GALLERY_SITE.name and project.galleries():
            click.secho("all concepts", bold=True)
            if not _ensure(project, runner, select, ALL, force):
                failures.append(f"{select} failed")
    return failures


def _with_inputs(asset: str) -> list[str]:
    """An asset and all that it is made from, in the order of the chain."""
    above = ASSETS[asset].input
    return [*(_with_inputs(above) if above else []), asset]


def _ensure(project: Project, runner: Runner, asset: str, slug: str, force: bool) -> bool:
    """Sees to it that one asset is up to date; says what was done and why; returns whether it is up to date and usable now."""
    state, current = project.state(asset, slug), project.store.current(asset, slug)
    if state.state in ("fresh", "waiting") and current and not force:
        if reason := blocked_by(current):
            click.secho(f"  {asset:<15} failed   {reason}", fg="red", err=True)
            return False
        click.echo(f"  {asset:<15} fresh    nothing to do")
        return True
    click.echo(f"  {asset:<15} running  {'; '.join(state.reasons) or 'forced'}")
    started = time.monotonic()
    outcome = runner.run(asset, slug, force)
    seconds = time.monotonic() - started
    if outcome.error:
        click.secho(f"  {asset:<15} failed   {outcome.error}", fg="red", err=True)
        return False
    made = project.store.current(asset, slug)
    summary = made.asset.summary(made.manifest.metrics) if made else ""
    click.echo(f"  {asset:<15} {'cached' if outcome.cached else 'made':<8} {summary}, {seconds:.1f} s")
    return True
