"""The commands that draw with what was learned: gaucho generate | sequence."""

from __future__ import annotations

from pathlib import Path

import click

from gaucho_pipeline.assets.table import CHECKPOINT
from gaucho_pipeline.commands import upkeep as upkeep
from gaucho_pipeline.commands.common import complete_concept, told
from gaucho_pipeline.concepts.file import load_story
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.models.base_models import family_of
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.stories import STORIES
from gaucho_pipeline.prompts.templates import fill_in_concepts
from gaucho_pipeline.store.artifact import Artifact


@click.command()
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


@click.command()
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


COMMANDS = (
    generate,
    sequence,
)
