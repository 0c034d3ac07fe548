"""Brings concepts up to date from the command line: asks what is stale, runs that, and says what was done and why.

What is stale is decided in `pipeline.py`; how an asset is run is in `orchestration/running.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from gaucho_pipeline.pipeline import ALL, INPUT_OF, SITE, Project

if TYPE_CHECKING:
    from gaucho_pipeline.orchestration.running import Runner


def run_concepts(project: Project, concepts: tuple[str, ...], select: str, force: bool) -> list[str]:
    """Brings concepts up to date, says what was done and why, and returns what failed."""
    slugs = list(dict.fromkeys(concepts)) or project.slugs
    for slug in slugs:
        project.concept(slug)
    project.store.check_writable()
    from gaucho_pipeline.definitions import build_defs  # here, because Dagster takes a second to import
    from gaucho_pipeline.orchestration.running import Runner, history

    failures = []
    with history(project) as instance:
        runner = Runner(build_defs(project), instance)
        wanted = _with_inputs("sample_gallery" if select == SITE else select)
        for slug in slugs:
            click.secho(slug, bold=True)
            for asset in wanted:
                if not _bring(project, runner, asset, slug, force and asset == select):
                    failures.append(f"{asset} of {slug} failed")
                    break
        if select == SITE and project.galleries():
            click.secho("all concepts", bold=True)
            if not _bring(project, runner, SITE, ALL, force):
                failures.append(f"{SITE} failed")
    return failures


def _with_inputs(asset: str) -> list[str]:
    chain, name = [], asset
    while name:
        chain.append(name)
        name = INPUT_OF[name] or ""
    return chain[::-1]


def _bring(project: Project, runner: Runner, asset: str, slug: str, force: bool) -> bool:
    """Brings one asset up to date if it is not; says what was done and why; returns whether it is up to date now."""
    state = Project(project.concepts_file, project.store.root).state(asset, slug)
    if state.state == "fresh" and not force:
        click.echo(f"  {asset:<15} fresh    nothing to do")
        return True
    why = "; ".join(state.reasons) or "forced"
    click.echo(f"  {asset:<15} running  {why}")
    started = time.monotonic()
    outcome = runner.run(asset, slug, force)
    seconds = time.monotonic() - started
    if outcome.error:
        click.secho(f"  {asset:<15} failed   {outcome.error}", fg="red", err=True)
        return False
    click.echo(f"  {asset:<15} {'reused' if outcome.reused else 'made':<8} {_summary(project, asset, slug)}{seconds:.1f} s")
    return True


def _summary(project: Project, asset: str, slug: str) -> str:
    artifact = project.store.current(asset, slug)
    figures = artifact.manifest.figures if artifact else {}
    if asset == "raw_crawl":
        return f"{figures['kept']} of {figures['found']} images kept, "
    if asset == "curated_set":
        return f"{figures['kept']} of {figures['read']} images kept, "
    if asset == "checkpoint":
        return f"held-out loss {figures['held_out_loss']['base']:.4f} → {figures['held_out_loss']['tuned']:.4f}, "
    if asset == "sample_gallery":
        return f"{figures['pictures']} pictures, likeness {figures['likeness']['base']:.3f} → {figures['likeness']['tuned']:.3f}, "
    return ""
