"""The commands that draw with what was learned: gaucho generate | sequence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from gaucho_pipeline.assets.table import CHECKPOINT
from gaucho_pipeline.commands import upkeep as upkeep
from gaucho_pipeline.commands.common import complete_concept, reports_errors
from gaucho_pipeline.concepts.file import load_story
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.models.base_models import family_of
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.stories import STORIES
from gaucho_pipeline.prompts.templates import ConceptWords, fill_in_concepts


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
@reports_errors
def generate(project: Project, concept: str, prompt: str, **options: Any) -> None:
    """Generate pictures of PROMPT with what was learned of CONCEPT.

    {token} and {class_noun} stand for its words, and the name of a concept in braces, such as {araucaria}, for both words of that one.
    """
    wanted = GenerateOptions(**options)
    strengths = {concept: wanted.strength} | dict(_other_concept(text) for text in wanted.others)
    checkpoints = {slug: (project.checkpoint(slug), own) for slug, own in strengths.items()}
    words = {slug: checkpoint.manifest.training_spec().words for slug, (checkpoint, _) in checkpoints.items()}
    for slug in strengths:
        _warn_if_outdated(project, slug)
    gallery = project.on_its_base_model(concept).gallery
    gallery = gallery.model_copy(update={"size": wanted.size}) if wanted.size else gallery
    filled, written = _filled(prompt, concept, gallery, words)
    from gaucho_pipeline.gallery.single import generate_pictures, numbered

    samples = numbered(filled, "" if filled == written else written, wanted.seed, wanted.number)
    paths = _paths(concept, [sample.seed for sample in samples], wanted.out)
    asked = [*strengths, *_others_asked_for(project, strengths, filled)]
    imagined = any(project.concept(slug).historical for slug in asked)
    generate_pictures(checkpoints, samples, gallery, paths, imagined, _agreed(project, asked))
    for path in paths:
        click.echo(str(path))


@dataclass(frozen=True)
class GenerateOptions:
    """What `gaucho generate` is told beside concept and prompt."""

    seed: int
    number: int
    size: int | None
    strength: float
    others: tuple[str, ...]
    out: Path | None


def _filled(prompt: str, concept: str, gallery: GallerySpec, words: Mapping[str, ConceptWords]) -> tuple[str, str]:
    """What the model reads of a prompt, and what was written, both with the concepts' words. Raises ConfigError for a stray placeholder."""
    read, unknown = gallery.for_model(prompt)
    filled, written = (fill_in_concepts(text, concept, words) for text in (read, prompt))
    if {"{", "}"} & set(filled):
        raise ConfigError(
            _("prompt: {prompt!r} has a placeholder other than {{token}}, {{class_noun}} and the concepts that are named", prompt=prompt)
        )
    if not any(own.token in filled.split() for own in words.values()):
        click.echo(_("note: the prompt does not ask for the concept; {token} {class_noun} stand for its words"), err=True)
    if unknown:
        click.echo(_("note: the glossary does not hold {unknown}", unknown=", ".join(unknown)), err=True)
    return filled, written


def _paths(concept: str, seeds: Sequence[int], out: Path | None) -> list[Path]:
    """Where pictures are written: where nothing is yet. Raises ConfigError for a name that does not go with their number."""
    is_file = out is not None and len(seeds) == 1 and not out.is_dir() and bool(out.suffix)
    if out and not out.is_dir() and (out.suffix or out.name.startswith(".")) and (out.suffix.lower() != ".png" or len(seeds) > 1):
        raise ConfigError(
            _("--out: {out} must end in .png for one picture, which is what is written, and be a folder for several", out=out)
        )
    names = [f"{concept}-{seed}.png" for seed in seeds]
    paths = [_not_taken(path) for path in ([out] if is_file and out else [(out or Path()) / name for name in names])]
    paths[0].resolve().parent.mkdir(parents=True, exist_ok=True)
    return paths


@click.command()
@click.argument("concept", shell_complete=complete_concept)
@click.argument("story")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write; CONCEPT-STORY if not given.")
@click.pass_obj
@reports_errors
def sequence(project: Project, concept: str, story: str, out: Path | None) -> None:
    """Draw STORY, a YAML file or the name of a ready-made story, with what was learned of CONCEPT: frames, films and a filmstrip."""
    if project.concept(concept).words.is_style:
        raise ConfigError(_("{slug}: stories are of subjects, and it is a style", slug=concept))
    asked = project.concept(concept).sequence
    named = STORIES | {each.name: each for each in (asked.stories if asked else ())}
    if story not in named and not Path(story).exists():
        raise ConfigError(_("{story}: is no file, and no story; there are {named}", story=story, named=", ".join(named)))
    found = named.get(story) or load_story(Path(story))
    slugs = [concept, *found.others(concept)]
    checkpoints = {slug: project.checkpoint(slug) for slug in slugs}
    for slug in slugs:
        _warn_if_outdated(project, slug)
    keys = {name: getattr(asked, name) for name in asked.model_fields_set} if asked else {}
    spec = SequenceSpec.model_validate(keys | {"stories": (found,)})
    training = checkpoints[concept].manifest.training_spec()  # which may be on another base model than the file names now
    family = family_of(training.base_model, training.revision, LockFile(project.lock_file))
    spec = spec.for_family(family)
    name = project.concept(concept).name
    folder = out or _not_taken(Path(f"{concept}-{found.name}"))
    if folder.exists():
        raise ConfigError(_("{folder}: exists already; name a new folder", folder=folder))
    from gaucho_pipeline.sequence.single import StoryAbout, draw_story

    imagined = any(project.concept(slug).historical for slug in slugs)
    about = StoryAbout(name.pt if name else concept, imagined, _agreed(project, slugs))
    draw_story(checkpoints, spec, folder.resolve(), project.store.root, about)
    click.echo(str(folder))


def _others_asked_for(project: Project, slugs: Iterable[str], prompt: str) -> list[str]:
    """The concepts that were taught together with some, and that a prompt asks for by their tokens."""
    together = dict.fromkeys(other for slug in slugs for other in project.concepts.taught_with(slug))
    words = set(re.findall(r"\w+", prompt))
    return [other for other in together if project.concept(other).token in words and other not in set(slugs)]


def _agreed(project: Project, slugs: Iterable[str]) -> str:
    """What the living people among some concepts have agreed to. Raises ConfigError for a consent that has lapsed."""
    for slug in slugs:
        project.check_consent(slug)
    return "; ".join(agreed for slug in slugs if (agreed := project.concept(slug).agreed))


def _warn_if_outdated(project: Project, slug: str) -> None:
    state = project.state(CHECKPOINT.name, slug)
    if state.state != "fresh":
        why = "; ".join(state.reasons)
        click.echo(
            _("note: the checkpoint of {slug} is {state} ({why}); to renew it: gaucho run {slug}", slug=slug, state=state.state, why=why),
            err=True,
        )


def _not_taken(path: Path) -> Path:
    """A path where nothing exists: this one, or one with a number behind its name."""
    number, free = 2, path
    while free.exists():
        free, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return free


def _other_concept(text: str) -> tuple[str, float]:
    """A concept and its strength, as `--with` names them."""
    slug, _unused, strength = text.partition(":")
    try:
        found = float(strength or 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 2:
        raise ConfigError(_("--with: {text!r} must be CONCEPT or CONCEPT:STRENGTH, from 0 to 2", text=text))
    return slug, found


COMMANDS = (
    generate,
    sequence,
)
