"""The commands that hand on what was made: gaucho export | pack | unpack | verify | approve | publish | compare."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gaucho_pipeline.assets.table import CHECKPOINT, COLLECTION, EVALUATION, SAMPLE_GALLERY
from gaucho_pipeline.commands import upkeep as upkeep
from gaucho_pipeline.commands.common import complete_concept, confirm, reports_errors
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.published import published_folders


@click.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
@reports_errors
def export(project: Project, concept: str, folder: Path) -> None:
    """Write a whole pipeline of the base model and what was learned of CONCEPT into FOLDER, for diffusers' from_pretrained."""
    from gaucho_pipeline.publishing.exporting import export_pipeline

    trained = project.artifact(COLLECTION.name if concept in project.concepts.collections else CHECKPOINT.name, concept)
    export_pipeline(trained, folder.resolve(), project.corrected_credits(trained), project.subject(concept).agreed)
    click.echo(str(folder))


@click.command()
@click.argument("concept", shell_complete=complete_concept)
@click.option(
    "--select", "asset", type=click.Choice((CHECKPOINT.name, SAMPLE_GALLERY.name, EVALUATION.name)), default=CHECKPOINT.name,
    show_default=True, help="What is to be made elsewhere.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to write; CONCEPT-ASSET.tar if not given.")
@click.option("--with-model", is_flag=True, help="With the base model, where that is a folder on this disk.")
@click.pass_obj
@reports_errors
def pack(project: Project, concept: str, asset: str, out: Path | None, with_model: bool) -> None:
    """Write one file with all that a stage of CONCEPT needs, to be done on a machine with a GPU; how is in it."""
    from gaucho_pipeline.publishing.packing import pack as write_pack
    from gaucho_pipeline.publishing.packing import told_size

    asset = COLLECTION.name if concept in project.concepts.collections else asset
    file = out or Path(f"{concept}-{asset}.tar")
    write_pack(project, concept, asset, file, with_model)
    click.echo(
        _(
            "{told_size}\nThere: tar --extract --file {name} --one-top-level=work, then see work/README.md",
            told_size=told_size(file),
            name=file.name,
        )
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
@reports_errors
def unpack(project: Project, file: Path) -> None:
    """Take in what a pack has come to elsewhere, FILE (done.tar), as if it had been made here."""
    from gaucho_pipeline.publishing.packing import unpack as take_in

    artifact = take_in(project, file)
    made = artifact.manifest
    click.echo(
        _(
            "{asset} of {concept}: {summary}; {folder}",
            asset=made.asset,
            concept=made.concept,
            summary=artifact.asset.summary(made.metrics),
            folder=artifact.folder,
        )
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--registry", "registries", multiple=True, type=click.Path(path_type=Path),
    help="A published folder, or its registry.json, to look a picture up in that says nothing; those published from here if not given.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@reports_errors
def verify(project: Project, file: Path, registries: tuple[Path, ...], as_json: bool) -> None:
    """What FILE says of itself, whether it holds, and whose images its model learned from.

    Exit status: 0 it holds, 1 it does not or nothing here confirms it, 2 it is no picture.
    """
    from gaucho_pipeline.assets.rows import to_json
    from gaucho_pipeline.provenance import verify as verifying
    from gaucho_pipeline.publishing.registry import REGISTRY, find_published, found_lines
    from gaucho_pipeline.store.forgotten import Forgotten

    finding = verifying.verify_file(file, project.store)
    places = registries or tuple(folder for folder in published_folders(project) if (folder / REGISTRY).is_file())
    found = find_published(file, places) if finding.claims is None else None
    if as_json:
        images = [to_json(row) for row in finding.training_images]
        signature = finding.signature and finding.signature._asdict()
        value = {**vars(finding), "training_images": images, "signature": signature, "holds": finding.holds}
        value["published"] = found and {
            "file": found.entry.file,
            "concept": found.entry.concept,
            "bits": found.bits,
            "is_sure": found.is_sure,
        }
        click.echo(json.dumps(value, indent=1))  # what a file claims may hold what no terminal can show
    else:
        for line in verifying.report_lines(finding):
            click.echo(line)
        for line in found_lines(found) if found else ():
            click.echo(line)
        forgotten = Forgotten(project.forgotten_file).sha256
        if any(row.sha256 in forgotten for row in finding.training_images):
            click.echo(_("An image that it learned from was forgotten since: it is not to be shown any more."))
        click.echo(_closing(finding.holds, found is not None and found.is_sure))
    if not finding.holds:
        sys.exit(1)


def _closing(holds: bool, is_published: bool) -> str:
    if holds:
        return _("It holds.")
    return (
        _("A registry knows it; the file itself says nothing.") if is_published else _("It does not hold, or nothing here can confirm it.")
    )


@click.command()
@click.argument("concept", shell_complete=complete_concept)
@click.option("--by", help="Who approves.")
@click.option("--withdraw", "is_withdrawn", is_flag=True, help="Take the approval back.")
@click.pass_obj
@reports_errors
def approve(project: Project, concept: str, by: str | None, is_withdrawn: bool) -> None:
    """Approve for publication what exists of CONCEPT now; whatever changes afterwards is not approved."""
    from gaucho_pipeline.project import approvals

    if is_withdrawn:
        approvals.withdraw(project, concept)
        click.echo(_("{concept} is no longer approved", concept=concept))
        return
    if not by or not by.strip():
        raise ConfigError(_("--by: write the name of who approves; it is kept with the approval"))
    approval = approvals.approve(project, concept, by)
    click.echo(
        _(
            "{concept} is approved by {by}, {date}, as it stands; kept in {approvals_file}",
            concept=concept,
            by=approval.by,
            date=approval.date,
            approvals_file=approvals.approvals_file(project),
        )
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("concepts", nargs=-1, shell_complete=complete_concept)
@click.option("--weights/--no-weights", default=True, show_default=True, help="Whether the weights can be downloaded.")
@click.pass_obj
@reports_errors
def publish(project: Project, folder: Path, concepts: tuple[str, ...], weights: bool) -> None:
    """Write the pages of approved CONCEPTS (all of them if none is named) into FOLDER, for any static host."""
    from gaucho_pipeline.publishing import publish as publishing

    if folder.name == str(folder) and folder.name in (*project.slugs, *project.concepts.collections) and not folder.exists():
        raise ConfigError(_("{slug} is no folder; name one to write into first: gaucho publish public {slug}", slug=folder.name))
    done = publishing.publish(project, concepts, folder.resolve(), weights)
    for slug in done.concepts:
        if count := publishing.reserved_images(project, slug):
            text = _(
                "note: {slug}: all rights in {count} of its training images are reserved; they are shown in small, and marked so",
                slug=slug,
                count=count,
            )
            click.echo(text, err=True)
    for slug, others in done.without_weights.items():
        text = _("note: {slug}: its weights stay here until {others} may go out, which they draw, too", slug=slug, others=", ".join(others))
        click.echo(text, err=True)
    if done.withdrawn:
        gone = ", ".join(done.withdrawn)
        click.echo(_("taken out, because an image was forgotten that they show or learned from: {concepts}", concepts=gone), err=True)
    click.echo(f"{folder}: {', '.join(done.concepts) or _('no concept is shown')}")
    for refusal in done.refused.values():
        click.echo(refusal, err=True)
    if done.refused.keys() & set(concepts):
        sys.exit(1)


@click.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--private", "is_private", is_flag=True, help="Where the repository is made now: for nobody else to see.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask before the first time.")
@click.pass_obj
@reports_errors
def push(project: Project, concept: str, repository: str, is_private: bool, is_sure: bool) -> None:
    """Put what was learned of CONCEPT, or of a collection, on a model hub, with card, pictures and credits; approved concepts only."""
    from gaucho_pipeline.publishing.pushing import push as put_there

    def may_begin() -> bool:
        question = _("put {concept} into {repository}, for others to see?", concept=concept, repository=repository)
        return is_sure or confirm(question)

    address = put_there(project, concept, repository, is_private, may_begin)
    click.echo(address or _("nothing was put there"))


@click.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("one", default="")
@click.argument("other", default="")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write; CONCEPT-compared if not given.")
@click.pass_obj
@reports_errors
def compare(project: Project, concept: str, one: str, other: str, out: Path | None) -> None:
    """Put what two checkpoints of CONCEPT draw side by side; without ONE and OTHER, list its checkpoints.

    To stay with one of them whatever changes, name its fingerprint in training.pinned.
    """
    from gaucho_pipeline.pages.comparing import told_versions, write_comparison

    if not one:
        for line in told_versions(project.store, concept):
            click.echo(line)
        return
    if not other:
        raise ConfigError(_("compare: name two checkpoints, or none to see which there are"))
    folder = out or Path(f"{concept}-compared")
    write_comparison(project.store, concept, project.concept(concept).about(), one, other, folder)
    click.echo(str(folder / "index.html"))


COMMANDS = (
    export,
    pack,
    unpack,
    verify,
    approve,
    publish,
    push,
    compare,
)
