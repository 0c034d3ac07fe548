"""The page that goes out to people who judge a concept: a panel of what exists of it now, and its key, which stays in the data folder.

Asked again of the same pictures and questions, it is the same panel: what was answered on an earlier copy counts with the rest.
"""

from __future__ import annotations

import random
import secrets
from pathlib import Path
from typing import NamedTuple

from gaucho_pipeline.assets.metrics import EvaluationMetrics
from gaucho_pipeline.assets.rows import TrainImage, read_rows
from gaucho_pipeline.assets.table import CHECKPOINT, CURATED_SET, EVALUATION, JUDGEMENT, SAMPLE_GALLERY
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.clock import now
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.judging.composing import Composition, compose, new_id
from gaucho_pipeline.judging.page import Subject, render_page
from gaucho_pipeline.judging.panel import Panel, panels_of, write_panel
from gaucho_pipeline.judging.pictures import Candidate, PanelSources, candidates, encoded, real_images, side_of
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.rights.licenses import RESERVED
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import Forgotten


class PanelPage(NamedTuple):
    """A page that was written."""

    panel: Panel
    questions: int
    reserved: int
    """Images on it that are all rights reserved by their owner."""
    is_stale: bool
    """Whether the pictures on it are not what would be drawn now."""
    answers: int
    """Files that came back for it before."""


class _Drawn(NamedTuple):
    """A panel that was drawn from pictures, and how each of these is read."""

    panel: Panel
    read: dict[str, Candidate]


def write_panel_page(project: Project, slug: str, file: Path) -> PanelPage:
    """Writes the page, and keeps its key.

    Raises GauchoError if there is no gallery to judge, or an image in it was forgotten.
    """
    gallery = project.artifact(SAMPLE_GALLERY.name, slug)
    curated = project.trained_on(project.upstream(gallery, CHECKPOINT.name))
    for artifact in (gallery, curated):
        project.store.check(artifact, with_weights=False)
    sources = _sources(project, slug, gallery, curated)
    credited = [*real_images(sources), *_credited_look_alikes(project, slug)]
    forgotten = Forgotten(project.forgotten_file).sha256
    if any(row.sha256 in forgotten for row in credited):
        raise GauchoError(_("{slug}: an image that was forgotten is among its images; make it again: gaucho run {slug}", slug=slug))
    drawn, answers = _standing(project, slug, gallery, sources) or (_draw(project, slug, gallery, sources, secrets.randbits(63)), 0)
    asked = [drawn.read[picture.id] for picture in drawn.panel.pictures]
    files = encoded([candidate.read() for candidate in asked], side_of(sources))
    pictures = {candidate.picture.id: content for candidate, content in zip(asked, files, strict=True)}
    concept = project.concept(slug)
    subject = Subject(slug, concept.name or Bilingual(pt=slug), concept.historical)
    write_atomically(file, render_page(subject, drawn.panel, pictures, credited))
    write_panel(project.store.root, slug, drawn.panel)
    return PanelPage(
        panel=drawn.panel,
        questions=len(drawn.panel.pairs) + len(drawn.panel.singles),
        reserved=sum(row.license == RESERVED for row in credited),
        is_stale=project.states(slug, SAMPLE_GALLERY.name)[SAMPLE_GALLERY.name].state != "fresh",
        answers=answers,
    )


def _sources(project: Project, slug: str, gallery: Artifact, curated: Artifact) -> PanelSources:
    evaluation = project.store.current(EVALUATION.name, slug)
    is_of_it = evaluation and evaluation.manifest.provenance.inputs[SAMPLE_GALLERY.name] == gallery.manifest.data_version
    metrics = evaluation.manifest.metrics if evaluation and is_of_it else None
    unfollowed = metrics.unfollowed if isinstance(metrics, EvaluationMetrics) else ()
    look_alikes = project.concept(slug).evaluation.look_alikes
    paths = []
    for other in look_alikes.concepts if look_alikes else ():  # nobody is shown those of a folder, of whose rights nothing is said
        folder = project.artifact(CURATED_SET.name, other).folder
        paths += [folder / row.file for row in read_rows(folder / "images.jsonl", TrainImage)]
    return PanelSources(gallery.folder, curated.folder, unfollowed, paths, project.concept(slug).words.is_style)


def _credited_look_alikes(project: Project, slug: str) -> list[TrainImage]:
    look_alikes = project.concept(slug).evaluation.look_alikes
    others = look_alikes.concepts if look_alikes else ()
    return [row for other in others for row in read_rows(project.artifact(CURATED_SET.name, other).folder / "images.jsonl", TrainImage)]


def _standing(project: Project, slug: str, gallery: Artifact, sources: PanelSources) -> tuple[_Drawn, int] | None:
    """The newest panel of the same pictures and questions, and how many answers it has; None where something is another now."""
    for standing in reversed(panels_of(project.store.root, slug)):
        panel = standing.panel
        drawn = _draw(project, slug, gallery, sources, panel.seed)
        if drawn.panel.model_copy(update={"made_at": panel.made_at}) == panel:
            return drawn._replace(panel=panel), len(standing.answers())
    return None


def _draw(project: Project, slug: str, gallery: Artifact, sources: PanelSources, seed: int) -> _Drawn:
    recipe, concept = project.recipe(JUDGEMENT.name, slug), project.concept(slug)
    chance = random.Random(seed)  # from a number that nobody can guess
    panel_id = new_id(chance)
    pools = candidates(sources, chance)
    read = {candidate.picture.id: candidate for pool in pools.values() for candidate in pool}
    spec = concept.judgement
    drawn: Composition = compose({kind: [c.picture for c in pool] for kind, pool in pools.items()}, spec.pairs, spec.singles, chance)
    panel = Panel(
        id=panel_id,
        seed=seed,
        made_at=now(),
        gallery=gallery.manifest.data_version,
        spec_version=recipe.spec_version,
        spec=recipe.spec,
        attributes=concept.attributes,
        pictures=drawn.pictures,
        pairs=drawn.pairs,
        singles=drawn.singles,
    )
    return _Drawn(panel, read)
