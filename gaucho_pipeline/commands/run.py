"""`gaucho run`: asks what is not up to date, has it made, and says what was done and why.

What is up to date is decided in `project/project.py`; how an asset is made from the command line is in `orchestration/runner.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from gaucho_pipeline.assets.metrics import EvaluationMetrics
from gaucho_pipeline.assets.table import (
    ALL,
    ASSETS,
    CHECKPOINT,
    COLLECTION,
    COLLECTION_EVALUATION,
    CURATED_SET,
    EVALUATION,
    GALLERY_SITE,
    LAST_OF_CONCEPTS,
    SAMPLE_SEQUENCE,
    Asset,
    with_inputs,
)
from gaucho_pipeline.assets.verdict_text import verdict_text
from gaucho_pipeline.commands.preflight import check_configuration
from gaucho_pipeline.commands.selecting import missing_others, requested
from gaucho_pipeline.commands.side_by_side import environment_of, run_side_by_side
from gaucho_pipeline.errors import _
from gaucho_pipeline.gallery.samples import untranslated
from gaucho_pipeline.models.base_models import gpu_names
from gaucho_pipeline.processes.interrupts import Interrupted, noticed
from gaucho_pipeline.processes.launch import PARENT_VARIABLE, die_with_parent
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.states import State
from gaucho_pipeline.stage.server import stage_server
from gaucho_pipeline.store.soundness import blocked_by

ENOUGH_FOR_A_SERVER = 2
"""Stages on a base model from which on one process that imports their libraries is worth its five seconds."""
MAX_NAMED = 12
"""Concepts that are named one by one."""

if TYPE_CHECKING:
    from gaucho_pipeline.orchestration.runner import Runner


@dataclass(frozen=True)
class RunRequest:
    """What a run is to bring up to date."""

    concepts: tuple[str, ...]
    """Slugs; none for all."""
    select: str
    """The asset that they are brought up to."""
    force: bool = False
    """Whether that asset is made again although it is fresh."""
    jobs: int | None = 1
    """Concepts at once; None for as many as the pool of devices allows, at most one for each GPU, or for each core without one."""
    accept_losses: bool = False
    """Whether a source may lose more than half of its images at once: the crawl is made again then."""
    is_meant: bool = False
    """Whether a large model may be taught on a CPU."""

    @property
    def phases(self) -> tuple[str, ...]:
        """The assets that concepts are brought up to, in turn: all that there are, where the site is wanted."""
        if self.select == COLLECTION_EVALUATION.name:
            return (EVALUATION.name,)
        return LAST_OF_CONCEPTS if self.select == GALLERY_SITE.name else (self.select,)

    def forces(self, asset: str) -> bool:
        return (self.force or self.accept_losses) and asset == self.select

    def options(self, asset: str) -> list[str]:
        """The same for one asset, as options of the command line."""
        chosen = {"--accept-losses": self.accept_losses, "--force": self.force and not self.accept_losses}
        return [name for name, is_set in chosen.items() if is_set and self.forces(asset)]


@dataclass(frozen=True)
class _Run:
    """A run under way."""

    project: Project
    request: RunRequest
    slugs: list[str]
    received: Callable[[], int]
    """The number of the signal that came, or 0."""

    @property
    def is_child(self) -> bool:
        """Whether another `gaucho run` has started this one, for one concept, and says itself what came of all."""
        return PARENT_VARIABLE in os.environ

    def is_left(self, slug: str, last: str, states: Mapping[str, State]) -> bool:
        """Whether there is something to do for a concept, up to an asset."""
        return self.project.has_asset(last, slug) and (self.request.forces(last) or not _is_done(self.project, slug, last, states))

    def collections_left(self) -> list[str]:
        """The collections of its concepts whose evaluation can be made, and is not up to date."""
        asset, project = COLLECTION_EVALUATION.name, self.project
        if self.request.select not in (GALLERY_SITE.name, asset) or self.is_child:
            return []
        found = project.concepts.collections_of(self.slugs)
        whole = [slug for slug in found if all(project.store.current(EVALUATION.name, each) for each in project.concepts.concepts_of(slug))]
        return [slug for slug in whole if self.request.forces(asset) or project.state(asset, slug).state not in ("fresh", "waiting")]


def run_concepts(project: Project, request: RunRequest) -> list[str]:
    """Brings concepts up to date, says what was done and why, and returns what failed.

    Raises Interrupted once it was stopped: no further concept starts then.
    """
    if PARENT_VARIABLE in os.environ:
        die_with_parent()
    with noticed() as received:
        try:
            return _run(_Run(project, request, requested(project, request.concepts, request.select), received))
        except KeyboardInterrupt:
            number = received() or signal.SIGINT
            name = "SIGTERM" if number == signal.SIGTERM else "Ctrl-C"
            text = f"stopped by {name}; what is done is kept, and a training goes on from where it was saved: run the same again"
            raise Interrupted(number, text) from None


def _run(run: _Run) -> list[str]:
    project, request, slugs = run.project, run.request, run.slugs
    states = {slug: project.states(slug) for slug in slugs}
    collections = _collections_due(run)
    left = {last: [slug for slug in slugs if run.is_left(slug, last, states[slug])] for last in request.phases}
    due = [slug for slug in slugs if slug in collections or any(slug in each for each in left.values())]
    if done := [slug for slug in slugs if slug not in due]:
        names = ", ".join(done[:MAX_NAMED]) + (f" and {len(done) - MAX_NAMED} more" if len(done) > MAX_NAMED else "")
        click.echo(_("{names}: fresh, nothing to do", names=names))
    members = [member for slug in collections for member in project.concepts.collections[slug].concepts]
    others = [other for other in (*missing_others(project, due, request.select), *members, *collections) if other not in due]
    others = list(dict.fromkeys(others))
    check_configuration(project, [*due, *others], request.select, is_meant=request.is_meant or run.is_child)
    if EVALUATION.name in request.phases and not run.is_child:
        _warn_of_untranslated(project, [slug for slug in due if slug in project.slugs])
    forces_site = request.forces(GALLERY_SITE.name)
    is_left = bool(due or run.collections_left())
    makes_site = request.select == GALLERY_SITE.name and (forces_site or project.site_state(states).state not in ("fresh", "waiting"))
    if is_left or makes_site:
        project.store.check_writable()
    heavy = sum(ASSETS[name].on_base_model and state.state != "fresh" for slug in due for name, state in states[slug].items())
    failures = _make(run, left, collections, heavy + len(collections)) if is_left or makes_site else []
    if not run.is_child:
        if EVALUATION.name in request.phases:
            now = states | {slug: project.states(slug) for slug in due}
            _print_verdicts(project, [slug for slug in due or slugs[:MAX_NAMED] if _is_evaluated(now[slug])])
        _print_places(project, slugs, request.select)
    return failures


def _is_evaluated(states: Mapping[str, State]) -> bool:
    return EVALUATION.name in states and states[EVALUATION.name].state == "fresh"


def _collections_due(run: _Run) -> list[str]:
    """The collections that must be taught before the concepts of a run can go on, and those that it is about."""
    project, request = run.project, run.request
    needs = [
        slug for slug in run.slugs if slug in project.concepts.collections or CHECKPOINT.name in {each.name for each in _chain(run, slug)}
    ]
    found = project.concepts.collections_of(needs)
    forced = found if request.forces(COLLECTION.name) else []
    return [slug for slug in found if slug in forced or not _is_done(project, slug, COLLECTION.name, project.states(slug, COLLECTION.name))]


def _chain(run: _Run, slug: str) -> list[Asset]:
    """What a run brings up to date of a concept."""
    project = run.project
    return [each for last in run.request.phases if project.has_asset(last, slug) for each in project.assets_of(slug, last)]


def _teach_collections(run: _Run, runner: Runner, collections: Sequence[str]) -> dict[str, str]:
    """Brings the sets of each collection's concepts up to date, and then the collection; returns what failed, by collection."""
    project, failures = run.project, dict[str, str]()
    for slug in collections:
        broken = list[str]()
        for member in project.concepts.collections[slug].concepts:
            click.secho(member, bold=True)
            if not all(_ensure(project, runner, each.name, member, False) for each in project.assets_of(member, CURATED_SET.name)):
                broken.append(member)
        click.secho(slug, bold=True)
        if broken:
            failures[slug] = _("collection {slug}: of {broken} there is no set to learn from", slug=slug, broken=", ".join(broken))
        elif not _ensure(project, runner, COLLECTION.name, slug, run.request.forces(COLLECTION.name)):
            failures[slug] = f"{COLLECTION.name} of {slug} failed"
    return failures


def _warn_of_untranslated(project: Project, slugs: Sequence[str]) -> None:
    for slug in slugs:
        if unknown := untranslated(project.on_its_base_model(slug).gallery):
            click.secho(
                _("note: {slug}: the glossary does not hold {unknown}; they are read as they are", slug=slug, unknown=", ".join(unknown)),
                fg="yellow",
            )


def _is_done(project: Project, slug: str, last: str, states: Mapping[str, State]) -> bool:
    """Whether a concept is up to date as far as requested, and usable: what is above has passed its checks then."""
    made, others = project.store.current(last, slug), project.other_inputs(slug, last)
    is_fresh = all(states[asset.name].state == "fresh" for asset in project.assets_of(slug, last))
    return made is not None and is_fresh and not blocked_by(made) and all(project.store.current(o.asset, o.concept) for o in others)


def _make(run: _Run, left: Mapping[str, list[str]], collections: Sequence[str], heavy: int) -> list[str]:
    """Makes what is not up to date of the concepts, then the site; returns what failed.

    `left`: by the asset that they are brought up to. `collections`: what is to be taught first. Sequences come when everything else is
    there, because one may show several concepts.
    `heavy`: how many stages will import torch.
    """
    from gaucho_pipeline.orchestration.repository import build_defs  # here, because Dagster takes a second to import
    from gaucho_pipeline.orchestration.runner import Runner, get_instance, pool_limit
    from gaucho_pipeline.orchestration.tags import ACCEPT_LOSSES_TAG

    project, request, failures = run.project, run.request, list[str]()
    with contextlib.ExitStack() as stack:
        instance = stack.enter_context(get_instance(project, captures_output=False))
        definitions = build_defs(project, lambda: project)
        tags = {ACCEPT_LOSSES_TAG: "true"} if request.accept_losses else {}
        runner = Runner(definitions, instance, run.received, _print_waiting, tags)
        devices = min(pool_limit(instance, EVALUATION.pool), len(gpu_names()) or os.cpu_count() or 1)
        jobs, before = request.jobs or devices, set[str]()
        stack.enter_context(stage_server(environment_of(jobs), is_wanted=heavy >= ENOUGH_FOR_A_SERVER and not gpu_names()))
        failed = _teach_collections(run, runner, collections)
        failures += failed.values()
        without = {member for slug in failed for member in project.concepts.concepts_of(slug)}
        for last, slugs in left.items():
            if last == COLLECTION.name:
                continue  # they are taught
            if before:
                slugs = _left_now(run, last)
            elif collections:
                slugs = [slug for slug in run.slugs if slug not in without and run.is_left(slug, last, project.states(slug))]
            failures += _ensure_others(project, runner, last, slugs)
            failures += _bring(run, runner, last, slugs, jobs, before)
            before |= set(with_inputs(last))
        for slug in run.collections_left():
            click.secho(slug, bold=True)
            if not _ensure(project, runner, COLLECTION_EVALUATION.name, slug, request.forces(COLLECTION_EVALUATION.name)):
                failures.append(f"{COLLECTION_EVALUATION.name} of {slug} failed")
        if request.select == GALLERY_SITE.name and (project.shown() or project.removed_from_site()):
            click.secho(_("all concepts"), bold=True)
            if not _ensure(project, runner, request.select, ALL, request.force):
                failures.append(f"{request.select} failed")
    return failures


def _print_waiting(text: str) -> None:
    click.echo(_("  {asset:<15} waiting  {text}", asset="", text=text))


def make_apart(project: Project, asset: str, slugs: Sequence[str]) -> list[str]:
    """Brings an asset of concepts up to date that no run makes; returns what failed. Raises Interrupted once it was stopped."""
    from gaucho_pipeline.orchestration.repository import build_defs
    from gaucho_pipeline.orchestration.runner import Runner, get_instance

    with noticed() as received, get_instance(project, captures_output=False) as instance:
        runner = Runner(build_defs(project, lambda: project), instance, received)
        try:
            return [f"{asset} of {slug} failed" for slug in slugs if not _ensure(project, runner, asset, slug, False)]
        except KeyboardInterrupt:
            raise Interrupted(received() or signal.SIGINT, "stopped; what people sent back is kept: run the same again") from None


def _left_now(run: _Run, last: str) -> list[str]:
    """What is left to do after other things were done: not of a concept whose own chain has failed, which was reported."""
    found = []
    for slug in (each for each in run.slugs if run.project.has_asset(last, each)):
        states = run.project.states(slug)
        inputs = [name for name in ASSETS[last].inputs if name in states]
        if all(states[name].state == "fresh" for name in inputs) and not _is_done(run.project, slug, last, states):
            found.append(slug)
    return found


def _bring(run: _Run, runner: Runner, last: str, slugs: Sequence[str], jobs: int, before: Collection[str]) -> list[str]:
    """Brings concepts up to an asset, `jobs` at once; returns what failed. `before`: the assets that they were brought up to just now."""
    project, force, failures = run.project, run.request.forces(last), list[str]()
    if min(len(slugs), jobs) > 1:
        return run_side_by_side(project, slugs, last, run.request.options(last), min(len(slugs), jobs), gpu_names())
    for slug in slugs:
        click.secho(slug, bold=True)
        for asset in (each for each in project.assets_of(slug, last) if each.name not in before):
            if not _ensure(project, runner, asset.name, slug, force and asset.name == last):
                failures.append(f"{asset.name} of {slug} failed")
                break
    return failures


def _ensure_others(project: Project, runner: Runner, last: str, slugs: Sequence[str]) -> list[str]:
    """Has that made of other concepts which these need, where it was never made; returns what failed.

    An evaluation may hold pictures against the sets of other concepts, and a story may show several.
    """
    failures = list[str]()
    for other, asset in missing_others(project, slugs, last).items():
        click.secho(other, bold=True)
        if not all(_ensure(project, runner, each.name, other, False) for each in project.assets_of(other, asset)):
            failures.append(f"{asset} of {other} failed")
    return failures


def _print_verdicts(project: Project, slugs: Sequence[str]) -> None:
    """Ends a run with the word that counts for each concept."""
    for slug in slugs:
        if evaluation := project.store.current(EVALUATION.name, slug):
            metrics = evaluation.manifest.metrics
            assert isinstance(metrics, EvaluationMetrics)
            colour = {"yes": "green", "no": "red", "unclear": "yellow"}[metrics.verdict]
            text = f"{slug}: verdict {click.style(metrics.verdict, fg=colour, bold=True)}. {verdict_text(metrics, 'en')}"
            copies = f" {metrics.memorised} of {metrics.pictures} pictures look copied from a training image." if metrics.memorised else ""
            missing = f" Not measured: {', '.join(metrics.missing)} (gaucho show evaluation {slug})." if metrics.missing else ""
            click.echo(text + copies + missing)


def _print_places(project: Project, slugs: Sequence[str], select: str) -> None:
    """Names what there is to look at, at addresses that stay the same from run to run."""
    lines = []
    if select == GALLERY_SITE.name and project.store.current(select, ALL):
        lines.append(("site", project.store.stable(select, ALL) / "index.html"))
    made = set(with_inputs(select))
    for slug in (each for each in slugs if each in project.concepts.collections and project.store.current(COLLECTION.name, each)):
        lines.append((f"{slug}, collection", project.store.stable(COLLECTION.name, slug) / f"{slug}.safetensors"))
    for slug in slugs[:MAX_NAMED]:
        if CURATED_SET.name in made and project.store.current(CURATED_SET.name, slug):
            lines.append((f"{slug}, review", project.store.stable(CURATED_SET.name, slug) / "review.html"))
        if CHECKPOINT.name in made and project.store.current(CHECKPOINT.name, slug):
            place = project.store.stable(CHECKPOINT.name, slug)
            single = place / f"{slug}.safetensors"  # there is none of DreamBooth, whose weights are a folder
            lines.append((f"{slug}, checkpoint", single if single.exists() else place))
        if (
            SAMPLE_SEQUENCE.name in made
            and project.has_asset(SAMPLE_SEQUENCE.name, slug)
            and project.store.current(SAMPLE_SEQUENCE.name, slug)
        ):
            lines.append((f"{slug}, sequence", project.store.stable(SAMPLE_SEQUENCE.name, slug) / "filmstrip.jpg"))
    if lines:
        click.secho(_("to look at"), bold=True)
    for what, path in lines:
        click.echo(f"  {what:<28} {path}")
    if len(slugs) > MAX_NAMED:
        click.echo(_("  and {count} more concepts, in the same places of {root}", count=len(slugs) - MAX_NAMED, root=project.store.root))


def _ensure(project: Project, runner: Runner, asset: str, slug: str, force: bool) -> bool:
    """Sees to it that one asset is up to date; says what was done and why; returns whether it is up to date and usable now."""
    state, current = project.state(asset, slug), project.store.current(asset, slug)
    if state.state in ("fresh", "waiting") and current and not force:
        if reason := blocked_by(current):
            click.secho(_("  {asset:<15} failed   {reason}", asset=asset, reason=reason), fg="red", err=True)
            return False
        click.echo(_("  {asset:<15} fresh    nothing to do", asset=asset))
        return True
    click.echo(_("  {asset:<15} running  {why}", asset=asset, why="; ".join(state.reasons) or "forced"))
    started = time.monotonic()
    outcome = runner.run(asset, slug, force, "; ".join(state.reasons) or "forced")
    seconds = time.monotonic() - started
    if outcome.error:
        click.secho(_("  {asset:<15} failed   {error}", asset=asset, error=outcome.error), fg="red", err=True)
        return False
    made = project.store.current(asset, slug)
    summary = made.asset.summary(made.manifest.metrics) if made else ""
    click.echo(f"  {asset:<15} {'cached' if outcome.cached else 'made':<8} {summary}, {seconds:.1f} s")
    return True
