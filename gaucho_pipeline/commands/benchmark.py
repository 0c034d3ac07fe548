"""`gaucho benchmark`: draws and scores concepts by a published protocol. What it computes is in `evaluation/dreambench.py`."""

from __future__ import annotations

from collections.abc import Sequence

from gaucho_pipeline.assets.rows import TrainImage, read_rows
from gaucho_pipeline.concepts.concept import Concept
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.evaluation.dreambench import Row, score_subject, table
from gaucho_pipeline.gallery.generation import draw_samples, open_base
from gaucho_pipeline.gallery.samples import Model, samples_of
from gaucho_pipeline.images.decoding import decode
from gaucho_pipeline.images.picture_cache import PictureCache
from gaucho_pipeline.models.encoders import Encoder, load_encoders
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.plans import dreambench
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.store.artifact import Artifact

_PICTURES_EACH = 4


def run_dreambench(project: Project, slugs: Sequence[str], limit: int | None, reporter: Reporter) -> str:
    """The table over concepts whose checkpoints exist; `limit`: prompts of each, for a taste.

    Pictures are kept in the data folder, so that a killed run goes on. Raises GauchoError if a checkpoint is missing, or no encoder can be
    had.
    """
    rows, encoders = list[Row](), dict[str, Encoder]()
    for slug in slugs or [slug for slug in project.slugs if not project.concept(slug).words.is_style]:
        concept = project.on_its_base_model(slug)
        if concept.words.is_style:
            raise ConfigError(_("{slug}: the benchmark's prompts are of things and of the living; it has none for a style", slug=slug))
        checkpoint = project.checkpoint(slug)
        if not encoders:
            encoders = _encoders(concept, reporter)
        rows.append(_draw_and_score(project, slug, concept, checkpoint, encoders, limit, reporter))
    return table(rows, encoders)


def _encoders(concept: Concept, reporter: Reporter) -> dict[str, Encoder]:
    specs = concept.evaluation.encoders()
    found, reasons = load_encoders({kind: specs[kind] for kind in ("dino", "clip")}, reporter)
    for reason in reasons.values():
        reporter.info(_("not measured: {reason}", reason=reason))
    if not found:
        raise GauchoError(_("no encoder can be had: name one in evaluation.clip or evaluation.dino"))
    return found


def _draw_and_score(
    project: Project,
    slug: str,
    concept: Concept,
    checkpoint: Artifact,
    encoders: dict[str, Encoder],
    limit: int | None,
    reporter: Reporter,
) -> Row:
    prompts, seeds = dreambench(concept.subject)[:limit], tuple(range(1, _PICTURES_EACH + 1))
    spec = concept.gallery.model_copy(update={"prompts": prompts, "seeds": seeds, "class_pictures": False, "language": "en"})
    samples = samples_of(spec, concept.words)
    root, progress = project.store.root, reporter.progress(f"{slug}: generating", len(samples), "pictures")
    drawer = open_base(checkpoint.manifest, spec, root / ".pictures" / "waiting")
    caches: dict[Model, PictureCache] = {"tuned": PictureCache(root / ".pictures")}
    pictures = draw_samples(drawer, checkpoint.manifest, checkpoint.folder, caches, samples, progress)[0]["tuned"]
    curated = project.trained_on(checkpoint)
    images = [decode((curated.folder / row.file).read_bytes()) for row in read_rows(curated.folder / "images.jsonl", TrainImage)]
    return score_subject(slug, encoders, pictures, [sample.without_token for sample in samples], images)
