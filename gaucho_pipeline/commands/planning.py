"""What a run would do, told on the command line before it does it: `gaucho run --plan`.

What it takes is in `costs.py`. With `--select raw_crawl` sources
are asked what they list; that plan is made by `crawl/plan.py`, in a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

from gaucho_pipeline.assets.rows import CrawlPlan, SourcePlan
from gaucho_pipeline.assets.table import ALL, CHECKPOINT, COLLECTION, CURATED_SET, GALLERY_SITE, SAMPLE_SEQUENCE, with_inputs
from gaucho_pipeline.commands.costs import cost_of, past_of
from gaucho_pipeline.commands.preflight import check_configuration
from gaucho_pipeline.commands.selecting import missing_others, requested
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.models import base_models
from gaucho_pipeline.processes.launch import ERROR_FILE
from gaucho_pipeline.project.project import Project


@dataclass(frozen=True)
class Step:
    """What would be made, and why; `seconds` and `memory_bytes` where something is known of them."""

    asset: str
    concept: str
    why: str
    seconds: float | None
    memory_bytes: int | None
    source: str
    """What the figures are from."""


def plan_runs(project: Project, concepts: tuple[str, ...], select: str) -> list[Step]:
    """What a run of concepts up to an asset would make; nothing of it is made, and nobody is asked."""
    slugs, steps = requested(project, concepts, select), list[Step]()
    past, wanted = past_of(project), _with_collections(project, slugs, select)
    if SAMPLE_SEQUENCE.name in with_inputs(select):
        wanted |= {other: with_inputs(asset) for other, asset in missing_others(project, slugs, select).items() if other not in slugs}
    for slug, names in wanted.items():
        for name, state in project.states(slug).items():
            if name in names and state.state != "fresh":
                why = "; ".join(state.reasons) or state.state
                why = f"{why} (left as it is, if that comes out the same)" if state.state == "waiting" else why
                steps.append(Step(name, slug, why, *cost_of(project, name, slug, past)))
    if select == GALLERY_SITE.name and (steps or project.site_state().state != "fresh"):
        why = "; ".join(project.site_state().reasons) or "a concept changes"
        steps.append(Step(select, ALL, why, *cost_of(project, select, ALL, past)))
    return steps


def _with_collections(project: Project, slugs: Sequence[str], select: str) -> dict[str, list[str]]:
    """The assets of each concept that a run brings up to date, and before them those of the collections in which some are taught."""
    made = with_inputs(select)
    collections = project.concepts.collections_of(slugs) if CHECKPOINT.name in made or select == COLLECTION.name else []
    members = [member for slug in collections for member in project.concepts.collections[slug].concepts]
    first = {member: with_inputs(CURATED_SET.name) for member in members if member not in slugs}
    return first | {slug: [COLLECTION.name] for slug in collections} | {slug: made for slug in slugs if slug not in collections}


def memory_plan(project: Project, slugs: Iterable[str], card_gb: float | None) -> list[str]:
    """How each base model that is taught fits a card, a line each, with the exact lines to add where it does not; nobody is asked.

    `card_gb`: its memory in gigabytes; None: that of the card that is here, and nothing where there is none.
    """
    size, trainings = card_gb or base_models.card_memory_gb(), list[TrainingSpec]()
    for slug in slugs:
        with contextlib.suppress(GauchoError):  # a run says why
            trainings.append(project.training_of(slug))
    if not size or not any(base_models.has_parts(spec.base_model, spec.revision) for spec in trainings):
        return []
    from gaucho_pipeline.models.footprint import how_it_fits, model_to_train

    lines = []
    for asked in dict.fromkeys(map(model_to_train, trainings)):
        with contextlib.suppress(GauchoError):  # here, too
            lines.append(how_it_fits(asked, size)[1])
    return [line for line in lines if line]


def print_plan(steps: Sequence[Step]) -> None:
    """A line for each step, under its concept, and what it takes in all."""
    concept = ""
    for step in steps:
        if step.concept != concept:
            click.secho("all concepts" if step.concept == ALL else step.concept, bold=True)
            concept = step.concept
        memory = f", {step.memory_bytes / 1e9:.1f} GB" if step.memory_bytes else ""
        cost = f"{_hours(step.seconds)}{memory}" if step.seconds is not None else "not known"
        click.echo(f"  {step.asset:<15} {cost:<18} {step.why} [{step.source}]")
    known, unknown = [step.seconds for step in steps if step.seconds is not None], sum(step.seconds is None for step in steps)
    if not steps:
        click.echo(_("everything is fresh: nothing would be made"))
        return
    most = max((step.memory_bytes or 0 for step in steps), default=0)
    at_once = f", at most {most / 1e9:.1f} GB at once" if most else ""
    if not known:
        click.echo(_("{count} to make; what they take is not known yet", count=len(steps)))
        return
    text = _("{count} to make: about {hours} one after the other{at_once}", count=len(steps), hours=_hours(sum(known)), at_once=at_once)
    nothing = _("; of {unknown} nothing is known yet, which comes on top", unknown=unknown) if unknown else ""
    click.echo(text + nothing)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def plan_crawls(project: Project, concepts: tuple[str, ...], refresh_lock: bool, rights: bool) -> None:
    """Asks the sources of concepts what they list, and prints what a crawl would fetch; fetches no image.

    `rights`: all of the list is read, and what it says of rights printed, with what each phrase is read as. Raises GauchoError if a plan
    could not be made, or a source could not be asked.
    """
    slugs = list(dict.fromkeys(concepts)) or project.slugs
    for slug in slugs:
        project.concept(slug)
    check_configuration(project, slugs, "raw_crawl", asks_anyway=True)
    project.store.check_writable()
    failures = []
    for slug in slugs:
        click.secho(slug, bold=True)
        plan = _plan(project, slug, *(["--refresh-lock"] if refresh_lock else []), *(["--rights"] if rights else []))
        failures += [f"{slug}: {source.failure}" for source in plan.sources if source.failure]
        for source in plan.sources:
            (_print_rights if rights else _print_source)(source)
        if rights:
            continue
        fetched, cached = sum(each.would_be_fetched for each in plan.sources), sum(each.cached for each in plan.sources)
        most = _("at most {count} images and {size:.0f} MB", count=plan.max_images, size=plan.max_bytes / 1e6)
        click.echo(
            _("  in all: {fetched} images would be fetched, {cached} are there already ({most})", fetched=fetched, cached=cached, most=most)
        )
    if failures:
        raise GauchoError("; ".join(failures))


def _plan(project: Project, slug: str, *options: str) -> CrawlPlan:
    folder = project.store.root / ".requests" / "plan" / slug
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("plan.json", ERROR_FILE):
        (folder / name).unlink(missing_ok=True)
    write_atomically(folder / "request.json", project.request("raw_crawl", slug).model_dump_json(indent=1))
    command = [
        sys.executable,
        "-P",
        "-m",
        "gaucho_pipeline.crawl.plan",
        str(folder / "request.json"),
        *options,
    ]
    if subprocess.run(command).returncode:
        error = folder / ERROR_FILE
        text = str(json.loads(error.read_text(encoding="utf-8"))["message"]) if error.exists() else "no plan was made"
        raise GauchoError(f"{slug}: {text}")
    return CrawlPlan.model_validate_json((folder / "plan.json").read_text(encoding="utf-8"))


def _print_source(plan: SourcePlan) -> None:
    would = _("{fetched} would be fetched, {cached} are there already", fetched=plan.would_be_fetched, cached=plan.cached)
    if plan.there_are is None:
        click.echo(_("  {source}: {count} records; {would}", source=plan.source, count=plan.listed, would=would))
    else:
        text = _(
            "  {source}: {count} of {total} records; {would}", source=plan.source, count=plan.listed, total=plan.there_are, would=would
        )
        click.echo(text)
    for label, counts in (("licenses", plan.licenses), ("refused", plan.refused)):
        if counts:
            click.echo(f"    {label:<9} {', '.join(f'{count} {what}' for what, count in counts.items())}")
    if plan.rights:
        refused = sum(not phrase.is_allowed for phrase in plan.rights)
        click.echo(
            _(
                "    {count} phrases on rights, {refused} of them allow nothing: --rights lists them",
                count=len(plan.rights),
                refused=refused,
            )
        )
    if plan.failure or plan.note:
        click.secho(f"    {plan.failure or plan.note}", fg="red" if plan.failure else "yellow")


def _print_rights(plan: SourcePlan) -> None:
    """The phrases of a source, each with how many items say so and what it is read as; and how to read one otherwise."""
    click.echo(f"  {plan.source}")
    for phrase in plan.rights:
        stated = f"'{phrase.stated}'" if phrase.stated else _("nothing is said")
        click.secho(f"    {phrase.count:>6}  {stated}: {phrase.read_as}", fg=None if phrase.is_allowed else "yellow")
    if not plan.rights:
        click.echo(_("    states no rights in words of its own"))
    elif not all(phrase.is_allowed for phrase in plan.rights):
        click.echo(_("    what allows nothing is not fetched; where the museum means a licence, write it under rights: values:"))
    if plan.failure:
        click.secho(f"    {plan.failure}", fg="red")
