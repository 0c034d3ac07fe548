"""`gaucho judge`: the page on which people who know a concept judge its pictures, and what they sent back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gaucho_pipeline.assets.metrics import JudgementMetrics
from gaucho_pipeline.assets.table import JUDGEMENT
from gaucho_pipeline.assets.verdicts import JUDGEMENT_REASONS
from gaucho_pipeline.commands.common import complete_concept, reports_errors
from gaucho_pipeline.commands.run import make_apart
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.judging.answers import take_in
from gaucho_pipeline.project.project import Project


@click.command()
@click.argument("names", nargs=-1, required=True, shell_complete=complete_concept)
@click.option("--read", "is_reading", is_flag=True, help="The names are files that people sent back.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The page to write; CONCEPT-judge.html if not given.")
@click.pass_obj
@reports_errors
def judge(project: Project, names: tuple[str, ...], is_reading: bool, out: Path | None) -> None:
    """Write one page on which people who know a concept judge its pictures; with --read, take in the files that they sent back."""
    if is_reading:
        if out:
            raise ConfigError(_("--out: goes without --read"))
        _read([Path(name) for name in names], project)
        return
    if len(names) > 1:
        raise ConfigError(_("judge: one concept at a time; with --read, files"))
    if Path(names[0]).suffix == ".json":
        raise ConfigError(_("judge: {name} looks like an answers file; take it in with: gaucho judge --read {name}", name=names[0]))
    _write(project, names[0], out or Path(f"{names[0]}-judge.html"))


def _write(project: Project, slug: str, file: Path) -> None:
    from gaucho_pipeline.publishing.panel_page import write_panel_page  # here, because it decodes pictures

    if file.parent and not file.parent.is_dir():
        raise ConfigError(_("{folder}: there is no such folder", folder=file.parent))
    page = write_panel_page(project, slug, file.resolve())
    click.echo(_("{file}: {questions} questions, {size:.1f} MB", file=file, questions=page.questions, size=file.stat().st_size / 1e6))
    click.echo(_("Give it to people who know it, on a stick, by mail or on a web page; then run: gaucho judge --read THEIR FILES"))
    if page.answers:
        click.echo(_("It is the panel that was given out before; {count} files came back for it", count=page.answers))
    if page.is_stale:
        click.secho(_("note: the pictures are not what would be drawn now; see: gaucho status"), fg="yellow", err=True)
    if page.reserved:
        click.echo(
            _("note: all rights in {count} of its images are reserved; give it only to people, not to the public", count=page.reserved),
            err=True,
        )


def _read(files: Sequence[Path], project: Project) -> None:
    """Takes in what people sent back, and has it counted. What is no answers file is named, and the others count."""
    slugs, failures = dict[str, int](), list[str]()
    for file in files:
        try:
            slug = take_in(project.store.root, file)
        except GauchoError as error:
            failures.append(str(error))
            continue
        slugs[slug] = slugs.get(slug, 0) + 1
    for text in failures:
        click.secho(_("not taken in: {text}", text=text), fg="red", err=True)
    if failures:
        failures = [_("{bad} of {count} files were left out; see above", bad=len(failures), count=len(files))]
    known = [slug for slug in slugs if slug in project.slugs]
    failures += [_("{slug}: is not in the concepts file any more", slug=slug) for slug in slugs if slug not in known]
    if known:
        failures += make_apart(project, JUDGEMENT.name, known)
    for slug in known:
        _print_judgement(project, slug)
    if failures:
        raise GauchoError("; ".join(failures))


def _print_judgement(project: Project, slug: str) -> None:
    judgement = project.store.current(JUDGEMENT.name, slug)
    if judgement is None:
        return
    metrics = judgement.manifest.metrics
    assert isinstance(metrics, JudgementMetrics)
    colour = {"yes": "green", "no": "red", "unclear": "yellow"}[metrics.word]
    reason = JUDGEMENT_REASONS[metrics.reason].read("en")
    text = _("{word}, by {count} people who know it. {reason}", word=metrics.word, count=metrics.raters, reason=reason)
    click.echo(f"{slug}: {text.replace(metrics.word, click.style(metrics.word, fg=colour, bold=True), 1)}")
    for why, count in metrics.left_out.items():
        click.echo(_("  {count} left out: {why}", count=count, why=why.replace("_", " ")))
    click.echo(_("To show it on the site: gaucho run"))


COMMANDS = (judge,)
