"""The commands that look after the data folder: gaucho fsck | migrate | gc | forget | rename | share."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gaucho_pipeline.commands.common import complete_concept, reports_errors
from gaucho_pipeline.errors import _
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.published import read_mark

if TYPE_CHECKING:
    from gaucho_pipeline.upkeep.forgetting import Forgetting

_SECONDS_OF_A_DAY = 86_400.0


@click.command()
@click.option("--repair", "is_repair", is_flag=True, help="Put what is wrong into DATA/.quarantine; the next run makes it again.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@reports_errors
def fsck(project: Project, is_repair: bool, as_json: bool) -> None:
    """Whether every artifact, image and cache is what was written. Exit status: 0 all is well, 1 something is wrong."""
    from gaucho_pipeline.stage.reporter import Reporter
    from gaucho_pipeline.upkeep.fsck import examine, mend, repair

    if is_repair:
        project.store.check_writable()
    found = mend(project.store, examine(project, Reporter(None)))
    damages, older = [each for each in found if not each.is_older], [each for each in found if each.is_older]
    if as_json:
        rows = [{"file": str(each.path), "what": each.text, "older": each.is_older} for each in found]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    for damage in () if as_json else found:
        click.echo(f"{damage.path}: {damage.text}")
    if is_repair and (places := repair(project.store, damages)):
        click.echo(
            _(
                "{count} put aside below {root}; to have them made again: gaucho run",
                count=len(places),
                root=project.store.root / ".quarantine",
            ),
            err=True,
        )
    if older:
        click.echo(_("{count} of an older version, whole, and made again when asked for: gaucho migrate", count=len(older)), err=True)
    if damages:
        click.echo(f"{len(damages)} wrong" + ("" if is_repair else "; to put it aside: gaucho fsck --repair"), err=True)
        sys.exit(1)
    click.echo(_("all is well"), err=True)


@click.command()
@click.pass_obj
@reports_errors
def migrate(project: Project) -> None:
    """Take over the data folder and Dagster's history of an older version; what cannot be read any more is put aside, whole."""
    from gaucho_pipeline.orchestration.runner import get_instance
    from gaucho_pipeline.upkeep.migrating import migrate as take_over

    project.store.check_writable()
    count = 0
    for line in take_over(project.store):
        count += 1
        click.echo(line)
    with get_instance(project, is_upgraded=True):
        click.echo(_("{count} artifacts taken over or put aside; Dagster's history is up to date", count=count), err=True)


@click.command()
@click.option("--keep", type=click.IntRange(1, 1000), help="Artifacts of each asset and concept that stay; retention.keep if not given.")
@click.option("--older-than", "days", type=click.IntRange(0), metavar="DAYS", help="Age from which others go; retention.days if not given.")
@click.option("--removed", "with_gone", is_flag=True, help="Also what was made of concepts that the file no longer has.")
@click.option("--store", "with_store", is_flag=True, help="Also from the object store: no other machine may need what goes there.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.pass_obj
@reports_errors
def gc(project: Project, keep: int | None, days: int | None, with_gone: bool, with_store: bool, dry_run: bool) -> None:
    """Remove what nothing needs any more: old artifacts, images of no crawl, unused caches, old runs of the history."""
    from gaucho_pipeline.upkeep import collecting
    from gaucho_pipeline.upkeep.references import gone_concepts

    given = {name: value for name, value in (("keep", keep), ("days", days)) if value is not None}
    retention = project.concepts.retention.model_copy(update=given)
    project.store.check_writable()
    size = collecting.clean(project, retention, click.echo, with_gone, dry_run)
    if (gone := gone_concepts(project)) and not with_gone:
        click.echo(
            _("of concepts that the file no longer has: {gone}; to remove that too: gaucho gc --removed", gone=", ".join(gone)), err=True
        )
    if with_store:
        manifests, objects = collecting.remove_from_store(project, retention.days, dry_run)
        click.echo(_("of the object store: {manifests} artifacts, {objects} files", manifests=manifests, objects=objects))
    runs = _purge_history(project, retention.history_days, dry_run)
    click.echo(
        _("{would} {size:.1f} MB; {runs} runs of the history", would="would free" if dry_run else "freed", size=size / 1e6, runs=runs)
    )


def _purge_history(project: Project, days: int, dry_run: bool) -> int:
    """Removes runs of Dagster's history that are older; returns how many."""
    from gaucho_pipeline.orchestration.history import purge  # here, because Dagster takes a second to import
    from gaucho_pipeline.orchestration.runner import get_instance

    with get_instance(project) as instance:
        return purge(instance, time.time() - days * _SECONDS_OF_A_DAY, dry_run)


@click.command()
@click.argument("image", required=False)
@click.option("--concept", shell_complete=complete_concept, help="Every image of a concept: where a community takes back its consent.")
@click.option("--reason", default="", help="Kept with the tombstone; say of nobody who she is.")
@click.option("--unread", "with_unread", is_flag=True, help="Also remove, whole, what is damaged or of another version and may hold it.")
@click.pass_obj
@reports_errors
def forget(project: Project, image: str | None, concept: str | None, reason: str, with_unread: bool) -> None:
    """Remove IMAGE (its SHA-256, its file's name, its address or its page) from everything, for good, and name what learned from it."""
    from gaucho_pipeline.upkeep.forgetting import forget as forget_image
    from gaucho_pipeline.upkeep.forgetting import forget_concept

    if (image is None) == (concept is None):
        raise click.UsageError("name an image, or --concept CONCEPT for all of its images")
    every = forget_concept(project, concept, reason, with_unread) if concept else [forget_image(project, image or "", reason, with_unread)]
    _print_forgotten(project, every)
    if concept:
        text = _(
            "nothing of it comes back; to have no run ask for it, remove {concept} from {file}", concept=concept, file=project.concepts_file
        )
        click.echo(text)
    elif concepts := every[0].concepts:
        click.echo(_("to make the sets again without it, and what was learned: gaucho run {concepts}", concepts=" ".join(concepts)))
    _print_shown(project, every)


def _print_forgotten(project: Project, every: Sequence[Forgetting]) -> None:
    """What was forgotten, and what learned from it."""
    for done in every:
        click.echo(
            _(
                "image {sha256} is forgotten: {count} things removed; kept in {forgotten_file}: commit it",
                sha256=done.sha256[:16],
                count=len(done.removed),
                forgotten_file=project.forgotten_file,
            )
        )
        for each in done.alike:
            text = _(
                "like it: {title} in the set of {concept}, which is made again; to have that leave everything, too: gaucho forget {sha256}",
                title=each.title or each.sha256[:12],
                concept=each.concept,
                sha256=each.sha256[:16],
            )
            click.echo(_("{text} (a curator has said to keep it)", text=text) if each.is_decided else text)
    for folder, made in {each.folder: each.manifest for done in every for each in done.learned_from}.items():
        text = _(
            "learned from it: {asset} of {concept}, made {made_at}: {folder}",
            asset=made.asset,
            concept=made.concept,
            made_at=made.made_at,
            folder=folder,
        )
        click.echo(text)


def _print_shown(project: Project, every: Sequence[Forgetting]) -> None:
    """Where what was forgotten is still shown, and what takes it out there."""
    from gaucho_pipeline.judging.panel import panels_of
    from gaucho_pipeline.publishing.pushing import pushed_to

    published = list(dict.fromkeys(folder for done in every for folder in done.published))
    for folder in published:
        click.echo(
            _("published, and still shown: {folder}; to take it out there now: {command}", folder=folder, command=_publish_again(folder))
        )
    slugs = list(dict.fromkeys(slug for done in every for slug in done.concepts))
    for slug in slugs:
        if panels_of(project.store.root, slug):
            text = _(
                "people were asked about {slug} by a page that may show it: delete its copies, and write it anew: gaucho judge {slug}",
                slug=slug,
            )
            click.echo(text)
    for slug in (*slugs, *project.concepts.collections_of(slugs)):
        for repository in pushed_to(project).get(slug, ()):
            text = _(
                "{slug} was put on a hub, and may have learned from it: {repository}; remove it there", slug=slug, repository=repository
            )
            click.echo(text)
    if not published:
        click.echo(_("pages that were published from another machine may show it: gaucho publish FOLDER takes it out there"), err=True)


def _publish_again(folder: Path) -> str:
    """The command that makes a published folder anew, of what may be shown."""
    mark = read_mark(folder)
    return shlex.join(["gaucho", "publish", *(["--no-weights"] if mark and not mark.with_weights else []), str(folder)])


@click.command()
@click.argument("old", shell_complete=complete_concept)
@click.argument("new")
@click.pass_obj
@reports_errors
def rename(project: Project, old: str, new: str) -> None:
    """Give concept OLD the slug NEW, in the concepts file too, and keep all that was made of it."""
    from gaucho_pipeline.upkeep.renaming import rename as rename_concept

    count = rename_concept(project, old, new)
    click.echo(
        _(
            "{old} is {new} now; {count} artifacts are kept. To have the site follow: gaucho run --select gallery_site",
            old=old,
            new=new,
            count=count,
        )
    )


@click.command()
@click.pass_obj
@reports_errors
def share(project: Project) -> None:
    """Put every artifact that counts, and what it was made from, into the object store that GAUCHO_STORE names."""
    from gaucho_pipeline.stage.reporter import Reporter
    from gaucho_pipeline.store.remote import required_remote
    from gaucho_pipeline.upkeep.references import all_artifacts, key_of, needed

    remote, wanted = required_remote(), needed(project)
    artifacts = [artifact for artifact in all_artifacts(project.store) if key_of(artifact) in wanted]
    progress = Reporter(None).progress("sharing", len(artifacts), "artifacts")
    shared = 0
    for artifact in artifacts:
        shared += remote.share(project.store, artifact, again=True)
        progress.advance()
    click.echo(_("{shared} shared now, {count} were there: {url}", shared=shared, count=len(artifacts) - shared, url=remote.url))


COMMANDS = (fsck, migrate, gc, forget, rename, share)
