"""The command line: gaucho init | doctor | status | run | ui | show | generate | sequence | pack | unpack | verify | approve | publish |
compare | benchmark | export | demo; fsck | gc | forget | rename | share are in `upkeep/cli.py`.

Reads what is asked for and prints what came of it; the work is done by the assets. Exit status: 0 done, 1 failed, 2 wrong usage
or configuration, 130 and 143 stopped by Ctrl-C and by SIGTERM.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from gaucho_pipeline.assets.table import ALL, ASSETS, CHECKPOINT, EVALUATION, GALLERY_SITE, RAW_CRAWL, SAMPLE_GALLERY
from gaucho_pipeline.commands import upkeep as upkeep
from gaucho_pipeline.commands.common import complete_concept, told
from gaucho_pipeline.commands.init import STARTS
from gaucho_pipeline.commands.planning import plan_crawls, plan_runs, print_plan
from gaucho_pipeline.commands.run import run_concepts
from gaucho_pipeline.concepts.file import load_story
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.models.base_models import family_of
from gaucho_pipeline.processes import json_log
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.states import State
from gaucho_pipeline.prompts.stories import STORIES
from gaucho_pipeline.prompts.templates import fill_in_concepts
from gaucho_pipeline.store.artifact import Artifact


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gaucho-pipeline", prog_name="gaucho")
@click.option(
    "--concepts", type=click.Path(path_type=Path), envvar="GAUCHO_CONCEPTS", default=Path("concepts.yaml"), help="The concepts file."
)
@click.option("--data", type=click.Path(path_type=Path), envvar="GAUCHO_DATA", default=Path("data"), help="The data folder.")
@click.pass_context
def main(context: click.Context, concepts: Path, data: Path) -> None:
    """From images of a region's culture and nature to a model that draws them."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    context.obj = Project(concepts, data)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@told
def status(project: Project, as_json: bool) -> None:
    """What is fresh, waiting, stale or missing, and why."""
    states = {slug: project.states(slug) for slug in project.slugs}
    site = project.site_state(states)
    if as_json:
        value: dict[str, Any] = {"concepts": {slug: {a: _plain(s) for a, s in row.items()} for slug, row in states.items()}}
        click.echo(json.dumps(value | {GALLERY_SITE.name: _plain(site)}, ensure_ascii=False, indent=1))
        return
    for slug, row in states.items():
        name = project.concept(slug).name
        click.secho(f"{slug}{f'  ({name.pt})' if name else ''}", bold=True)
        for asset, state in row.items():
            _print_state(asset, state)
    _print_state(GALLERY_SITE.name, site)


def _plain(state: State) -> dict[str, Any]:
    return {"state": state.state, "reasons": list(state.reasons)}


def _print_state(asset: str, state: State) -> None:
    colour = {"fresh": "green", "waiting": "cyan", "stale": "yellow", "missing": "red"}[state.state]
    click.echo(f"  {asset:<15} {click.style(f'{state.state:<8}', fg=colour)} {'; '.join(state.reasons)}".rstrip())


@main.command()
@click.argument("concepts", nargs=-1, shell_complete=complete_concept)
@click.option("--select", type=click.Choice(tuple(ASSETS)), default=GALLERY_SITE.name, help="Up to this asset; the site if not given.")
@click.option("--force", is_flag=True, help="Make the selected asset anew although it is fresh.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), help="Concepts at once; as many as the pool of devices in dagster.yaml allows, if not given."
)
@click.option("--plan", is_flag=True, help="Say what would be made, why and at what cost; with --select raw_crawl: what would be fetched.")
@click.option("--refresh-lock", is_flag=True, help="With --plan: ask for the ids of names anew, and report those that have changed.")
@click.option("--yes", "is_meant", is_flag=True, help="Teach a large base model although there is no GPU.")
@click.option("--log-json", is_flag=True, help="Tell everything as JSON Lines, for programs that collect logs.")
@click.pass_obj
@told
def run(
    project: Project,
    concepts: tuple[str, ...],
    select: str,
    force: bool,
    jobs: int | None,
    plan: bool,
    refresh_lock: bool,
    is_meant: bool,
    log_json: bool,
) -> None:
    """Bring CONCEPTS (all of them if none is named) up to date, doing only what is stale."""
    if log_json:
        json_log.install()
    if refresh_lock and not (plan and select == RAW_CRAWL.name):
        raise ConfigError("--refresh-lock: goes with --select raw_crawl --plan")
    if plan and select == RAW_CRAWL.name:
        plan_crawls(project, concepts, refresh_lock)
        return
    if plan:
        print_plan(plan_runs(project, concepts, select))
        return
    failures = run_concepts(project, concepts, select, force, jobs, is_meant)
    if failures:
        raise GauchoError("; ".join(failures))


@main.command()
@click.argument("asset", type=click.Choice(tuple(ASSETS)))
@click.argument("concept", default=ALL, shell_complete=complete_concept)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@told
def show(project: Project, asset: str, concept: str, as_json: bool) -> None:
    """What an artifact is made from, and its metrics."""
    if ASSETS[asset].is_partitioned:
        project.concept(concept)
    else:
        concept = ALL
    artifact = project.store.current(asset, concept)
    if artifact is None:
        command = f"gaucho run {concept} --select {asset}" if ASSETS[asset].is_partitioned else "gaucho run"
        raise GauchoError(f"{asset} of {concept} was never made; run: {command}")
    manifest = artifact.manifest.model_dump(mode="json")
    if as_json:
        click.echo(json.dumps({"folder": str(artifact.folder), "manifest": manifest}, ensure_ascii=False, indent=1))
        return
    click.echo(f"folder   {artifact.folder}\nmade     {manifest['made_at']} in {manifest['seconds']} s")
    for name, value in manifest["metrics"].items():
        click.echo(f"{name:<22} {json.dumps(value, ensure_ascii=False)}")


@main.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("prompt")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="Of the first picture; the next has the next."
)
@click.option("--number", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many pictures.")
@click.option("--size", type=click.IntRange(32, 2048), help="Side in pixels; that of the gallery if not given.")
@click.option("--strength", type=click.FloatRange(0, 2), default=1.0, show_default=True, help="How much of what was learned.")
@click.option("--with", "others", multiple=True, metavar="CONCEPT[:STRENGTH]", help="A further concept in the same picture.")
@click.option("--out", type=click.Path(path_type=Path), help="The PNG to write, or a folder for several; CONCEPT-SEED.png if not given.")
@click.pass_obj
@told
def generate(
    project: Project,
    concept: str,
    prompt: str,
    seed: int,
    number: int,
    size: int | None,
    strength: float,
    others: tuple[str, ...],
    out: Path | None,
) -> None:
    """Generate pictures of PROMPT with what was learned of CONCEPT.

    {token} and {class_noun} stand for its words, and the name of a concept in braces, such as {araucaria}, for both words of that one.
    """
    strengths = {concept: strength} | dict(_other_concept(text) for text in others)
    checkpoints = {slug: (project.checkpoint(slug), own) for slug, own in strengths.items()}
    specs, leading = {slug: project.concept(slug) for slug in strengths}, project.on_its_base_model(concept)
    words = {slug: _words_of(checkpoint) for slug, (checkpoint, _) in checkpoints.items()}
    for slug in strengths:
        _tell_if_outdated(project, slug)
    gallery = leading.gallery.model_copy(update={"size": size}) if size else leading.gallery
    read, unknown = gallery.for_model(prompt)
    filled, written = (fill_in_concepts(text, concept, words) for text in (read, prompt))
    if {"{", "}"} & set(filled):
        raise ConfigError(f"prompt: {prompt!r} has a placeholder other than {{token}}, {{class_noun}} and the concepts that are named")
    if not any(token in filled.split() for token, _ in words.values()):
        click.echo("note: the prompt does not ask for the concept; {token} {class_noun} stand for its words", err=True)
    if unknown:
        click.echo(f"note: the glossary does not hold {', '.join(unknown)}", err=True)
    from gaucho_pipeline.gallery.single import generate_pictures, numbered

    samples = numbered(filled, "" if filled == written else written, seed, number)
    names = [f"{concept}-{sample.seed}.png" for sample in samples]
    is_file = out is not None and number == 1 and not out.is_dir() and bool(out.suffix)
    if out and not out.is_dir() and (out.suffix or out.name.startswith(".")) and (out.suffix.lower() != ".png" or number > 1):
        raise ConfigError(f"--out: {out} must end in .png for one picture, which is what is written, and be a folder for several")
    paths = [_not_taken(path) for path in ([out] if is_file and out else [(out or Path()) / name for name in names])]
    paths[0].resolve().parent.mkdir(parents=True, exist_ok=True)
    generate_pictures(checkpoints, samples, gallery, paths, any(spec.historical for spec in specs.values()))
    for path in paths:
        click.echo(str(path))


@main.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("story")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write; CONCEPT-STORY if not given.")
@click.pass_obj
@told
def sequence(project: Project, concept: str, story: str, out: Path | None) -> None:
    """Draw STORY, a YAML file or the name of a ready-made story, with what was learned of CONCEPT: frames, films and a filmstrip."""
    asked = project.concept(concept).sequence
    named = STORIES | {each.name: each for each in (asked.stories if asked else ())}
    if story not in named and not Path(story).exists():
        raise ConfigError(f"{story}: is no file, and no story; there are {', '.join(named)}")
    found = named.get(story) or load_story(Path(story))
    slugs = [concept, *found.others(concept)]
    checkpoints = {slug: project.checkpoint(slug) for slug in slugs}
    for slug in slugs:
        _tell_if_outdated(project, slug)
    keys = {name: getattr(asked, name) for name in asked.model_fields_set} if asked else {}
    spec = SequenceSpec.model_validate(keys | {"stories": (found,)})
    training = checkpoints[concept].manifest.provenance.spec  # which may be on another base model than the file names now
    family = family_of(training["base_model"], training["revision"], LockFile(project.lock_file))
    spec = spec.for_family(family)
    name = project.concept(concept).name
    folder = out or _not_taken(Path(f"{concept}-{found.name}"))
    if folder.exists():
        raise ConfigError(f"{folder}: stands already; name a new folder")
    from gaucho_pipeline.sequence.single import draw_story

    imagined = any(project.concept(slug).historical for slug in slugs)
    draw_story(checkpoints, spec, folder.resolve(), project.store.root, name.pt if name else concept, imagined)
    click.echo(str(folder))


def _words_of(checkpoint: Artifact) -> tuple[str, str]:
    """The token and the class noun that a checkpoint has learned, whatever the file says now."""
    spec = checkpoint.manifest.provenance.spec
    return spec["token"], spec["class_noun"]


def _tell_if_outdated(project: Project, slug: str) -> None:
    state = project.state(CHECKPOINT.name, slug)
    if state.state != "fresh":
        why = "; ".join(state.reasons)
        click.echo(f"note: the checkpoint of {slug} is {state.state} ({why}); to renew it: gaucho run {slug}", err=True)


def _not_taken(path: Path) -> Path:
    """A path where nothing stands: this one, or one with a number behind its name."""
    number, free = 2, path
    while free.exists():
        free, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return free


def _other_concept(text: str) -> tuple[str, float]:
    """A concept and its strength, as `--with` names them."""
    slug, _, strength = text.partition(":")
    try:
        found = float(strength or 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 2:
        raise ConfigError(f"--with: {text!r} must be CONCEPT or CONCEPT:STRENGTH, from 0 to 2")
    return slug, found


@main.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
@told
def export(project: Project, concept: str, folder: Path) -> None:
    """Write a whole pipeline of the base model and what was learned of CONCEPT into FOLDER, for diffusers' from_pretrained."""
    from gaucho_pipeline.publishing.exporting import export_pipeline

    export_pipeline(project.checkpoint(concept), folder.resolve())
    click.echo(str(folder))


@main.command()
@click.argument("concept", shell_complete=complete_concept)
@click.option(
    "--select", "asset", type=click.Choice((CHECKPOINT.name, SAMPLE_GALLERY.name, EVALUATION.name)), default=CHECKPOINT.name,
    show_default=True, help="What is to be made elsewhere.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to write; CONCEPT-ASSET.tar if not given.")
@click.option("--with-model", is_flag=True, help="With the base model, where that is a folder on this disk.")
@click.pass_obj
@told
def pack(project: Project, concept: str, asset: str, out: Path | None, with_model: bool) -> None:
    """Write one file with all that a stage of CONCEPT needs, to be done on a machine with a GPU; how is in it."""
    from gaucho_pipeline.publishing.packing import pack as write_pack
    from gaucho_pipeline.publishing.packing import told_size

    file = out or Path(f"{concept}-{asset}.tar")
    write_pack(project, concept, asset, file, with_model)
    click.echo(f"{told_size(file)}\nThere: tar --extract --file {file.name} --one-top-level=work, then see work/README.md")


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
@told
def unpack(project: Project, file: Path) -> None:
    """Take in what a pack has come to elsewhere, FILE (done.tar), as if it had been made here."""
    from gaucho_pipeline.publishing.packing import unpack as take_in

    artifact = take_in(project, file)
    made = artifact.manifest
    click.echo(f"{made.asset} of {made.concept}: {artifact.asset.summary(made.metrics)}; {artifact.folder}")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@told
def verify(project: Project, file: Path, as_json: bool) -> None:
    """What FILE says of itself, whether it holds, and whose images its model learned from.

    Exit status: 0 it holds, 1 it does not or nothing here confirms it, 2 it is no picture.
    """
    from gaucho_pipeline.provenance import verify as verifying

    finding = verifying.verify_file(file, project.store)
    if as_json:
        value = {**vars(finding), "signature": finding.signature and finding.signature._asdict(), "holds": finding.holds}
        click.echo(json.dumps(value, indent=1))  # what a file claims may hold what no terminal can show
    else:
        for line in verifying.told(finding):
            click.echo(line)
        click.echo("It holds." if finding.holds else "It does not hold, or nothing here can confirm it.")
    if not finding.holds:
        sys.exit(1)


@main.command()
@click.argument("concept", shell_complete=complete_concept)
@click.option("--by", help="Who approves.")
@click.option("--withdraw", "is_withdrawn", is_flag=True, help="Take the approval back.")
@click.pass_obj
@told
def approve(project: Project, concept: str, by: str | None, is_withdrawn: bool) -> None:
    """Approve for publication what stands of CONCEPT now; whatever changes afterwards is not approved."""
    from gaucho_pipeline.project import approvals

    if is_withdrawn:
        approvals.withdraw(project, concept)
        click.echo(f"{concept} is no longer approved")
        return
    if not by or not by.strip():
        raise ConfigError("--by: write the name of who approves; it is kept with the approval")
    approval = approvals.approve(project, concept, by)
    click.echo(f"{concept} is approved by {approval.by}, {approval.date}, as it stands; kept in {approvals.approvals_file(project)}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("concepts", nargs=-1, shell_complete=complete_concept)
@click.option("--weights/--no-weights", default=True, show_default=True, help="Whether the weights can be downloaded.")
@click.pass_obj
@told
def publish(project: Project, folder: Path, concepts: tuple[str, ...], weights: bool) -> None:
    """Write the pages of approved CONCEPTS (all of them if none is named) into FOLDER, for any static host."""
    from gaucho_pipeline.publishing import publish as publishing

    done = publishing.publish(project, concepts, folder.resolve(), weights)
    for slug in done:
        if count := publishing.reserved_images(project, slug):
            text = f"note: {slug}: all rights in {count} of its training images are reserved; they are shown in small, and marked so"
            click.echo(text, err=True)
    click.echo(f"{folder}: {', '.join(done)}")


@main.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("one", default="")
@click.argument("other", default="")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write; CONCEPT-compared if not given.")
@click.pass_obj
@told
def compare(project: Project, concept: str, one: str, other: str, out: Path | None) -> None:
    """Put what two checkpoints of CONCEPT draw side by side; without ONE and OTHER, list its checkpoints.

    To stay with one of them whatever changes, name its fingerprint in training.pinned.
    """
    from gaucho_pipeline.pages.comparing import told_versions, write_comparison

    names = project.concept(concept).for_pages()["name"]
    if not one:
        for line in told_versions(project.store, concept):
            click.echo(line)
        return
    if not other:
        raise ConfigError("compare: name two checkpoints, or none to see which there are")
    folder = out or Path(f"{concept}-compared")
    write_comparison(project.store, concept, names, one, other, folder, project.concept(concept).historical)
    click.echo(str(folder / "index.html"))


@main.command()
@click.argument("protocol", type=click.Choice(["dreambench"]))
@click.argument("concepts", nargs=-1, shell_complete=complete_concept)
@click.option("--limit", type=click.IntRange(1, 25), help="So many of the 25 prompts, for a taste.")
@click.pass_obj
@told
def benchmark(project: Project, protocol: str, concepts: tuple[str, ...], limit: int | None) -> None:
    """Draw and score CONCEPTS (all of them if none is named) as the DreamBooth paper did, and print its table with ours beneath."""
    from gaucho_pipeline.commands.benchmark import run_dreambench
    from gaucho_pipeline.stage.reporter import Reporter

    click.echo(run_dreambench(project, concepts, limit, Reporter(None)))


@main.command()
@click.pass_obj
@told
def doctor(project: Project) -> None:
    """Whether packages, device, concepts file, base models and data folder are as a run needs them, and what to do where not."""
    from gaucho_pipeline.commands.doctor import examine

    findings = examine(project)
    for finding in findings:
        word, colour = ("ok", "green") if finding.well else ("FAIL", "red") if finding.fatal else ("look", "yellow")
        mark = click.style(f"{word:<4}", fg=colour)
        click.echo(f"{mark} {finding.what}: {finding.text}")
    if any(finding.fatal for finding in findings):
        raise GauchoError("a run would fail; see above")


@main.command()
@click.option("--port", type=click.IntRange(1024, 65535), default=3000, show_default=True, help="Where to listen, on this machine alone.")
@click.pass_obj
@told
def ui(project: Project, port: int) -> None:
    """Serve Dagster's web UI, its daemon, and the pages of what was made, to this machine and to no other site."""
    from gaucho_pipeline.ui.serving import serve

    serve(project, port)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("."))
@click.option("--on", "model", type=click.Choice(tuple(STARTS)), default="embedded", show_default=True, help="What to teach.")
@told
def init(folder: Path, model: str) -> None:
    """Write a commented concepts.yaml for one concept with photographs of your own into FOLDER, and a place for them."""
    from gaucho_pipeline.commands.init import write_start

    for line in write_start(folder, model):
        click.echo(line)


@main.command()
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), show_default=True, help="Where to put it."
)
@told
def demo(folder: Path) -> None:
    """Two concepts from images to before-and-after pictures, on the model that ships: no GPU, hub or key."""
    from gaucho_pipeline.commands.demo import run_demo

    run_demo(folder)


for command in upkeep.COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main()
