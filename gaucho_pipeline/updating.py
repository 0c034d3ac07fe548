"""Brings concepts up to date from the command line: asks what is stale, runs that, and says what was done and why.

What is stale is decided in `pipeline.py`; how an asset is run is in `orchestration/running.py`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from gaucho_pipeline import base_models
from gaucho_pipeline.concepts_file import error_at
from gaucho_pipeline.crawl.build import build_sources
from gaucho_pipeline.crawl.contact import user_agent
from gaucho_pipeline.crawl.declared import Folder
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.pipeline import ALL, INPUT_OF, SITE, Project
from gaucho_pipeline.soundness import judge

if TYPE_CHECKING:
    from gaucho_pipeline.orchestration.running import Runner


def run_concepts(project: Project, concepts: tuple[str, ...], select: str, force: bool) -> list[str]:
    """Brings concepts up to date, says what was done and why, and returns what failed."""
    slugs = list(dict.fromkeys(concepts)) or project.slugs
    for slug in slugs:
        project.concept(slug)
    check_configuration(project, slugs, select)
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


def check_configuration(project: Project, slugs: list[str], select: str, asked_anyway: bool = False) -> None:
    """Holds what the file says against the world, before any work starts.

    Raises ConfigError for a folder or a base model that is not there, or a contact that is missing.
    """
    for slug in slugs:
        concept = project.concept(slug)
        for number, source in enumerate(concept.crawl.sources):
            if source.folder:
                with _placed(project, "concepts", slug, "crawl", "sources", number, "folder", "path"):
                    Folder(source.folder).start(None)
        if asked_anyway or project.state("raw_crawl", slug).state != "fresh":
            user_agent(build_sources(concept.crawl))
        if select not in ("raw_crawl", "curated_set"):
            with _placed(project, "concepts", slug, "training", "base_model"):
                base_models.identity(concept.training.base_model, concept.training.revision)


@contextlib.contextmanager
def _placed(project: Project, *location: str | int) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise error_at(project.concepts_file, location, str(error)) from None


def _with_inputs(asset: str) -> list[str]:
    chain, name = [], asset
    while name:
        chain.append(name)
        name = INPUT_OF[name] or ""
    return chain[::-1]


def _bring(project: Project, runner: Runner, asset: str, slug: str, force: bool) -> bool:
    """Brings one asset up to date if it is not; says what was done and why; returns whether it is up to date now."""
    state = Project(project.concepts_file, project.store.root).state(asset, slug)
    current = project.store.current(asset, slug)
    if state.state == "fresh" and not force and current and not (judgement := judge(current)).is_fit:
        click.secho(f"  {asset:<15} failed   {judgement.text}", fg="red", err=True)
        return False
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
