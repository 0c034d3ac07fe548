"""`gaucho compare`: what two checkpoints of a concept draw of the same prompts and seeds, side by side on one page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from gaucho_pipeline.assets.metrics import EvaluationMetrics
from gaucho_pipeline.assets.rows import Picture, read_rows
from gaucho_pipeline.assets.table import CHECKPOINT, EVALUATION, SAMPLE_GALLERY
from gaucho_pipeline.concepts.concept import AboutConcept
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.language.bilingual import LANGUAGES
from gaucho_pipeline.pages.content import Pair
from gaucho_pipeline.pages.rendering import render
from gaucho_pipeline.pages.words import PAGE, words
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.store import Store


def told_versions(store: Store, slug: str) -> Iterator[str]:
    """A line for each checkpoint of a concept: its fingerprint, when it was made, its loss, and its verdict where it was evaluated."""
    verdicts = {evaluation.manifest.provenance.inputs[CHECKPOINT.name]: evaluation for evaluation in store.all(EVALUATION.name, slug)}
    for artifact in store.all(CHECKPOINT.name, slug):
        evaluation = verdicts.get(artifact.manifest.data_version)
        metrics = evaluation.manifest.metrics if evaluation else None
        word = metrics.verdict if isinstance(metrics, EvaluationMetrics) else "not evaluated"
        yield f"{artifact.manifest.fingerprint}  {artifact.manifest.made_at}  {artifact.asset.summary(artifact.manifest.metrics)}, {word}"


def write_comparison(store: Store, slug: str, about: AboutConcept, one: str, other: str, folder: Path) -> None:
    """Writes the page: pictures of the first checkpoint at the left, of the second at the right.

    `one` and `other`: fingerprints, or how they begin. Raises ConfigError if one names no checkpoint, or several, or the folder is not
    empty; GauchoError if it has no gallery, or they have no prompt and seed in common.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(_("{folder}: is not empty; name a new folder", folder=folder))
    checkpoints = [_named(store, slug, name) for name in (one, other)]
    galleries = [_gallery_of(store, slug, checkpoint) for checkpoint in checkpoints]
    rows = [{(row.prompt, row.seed): row for row in _tuned(gallery)} for gallery in galleries]
    common = [key for key in rows[0] if key in rows[1]]
    if not common:
        raise GauchoError(_("the galleries of the two checkpoints of {slug} have no prompt and seed in common", slug=slug))
    names = [checkpoint.manifest.fingerprint[:8] for checkpoint in checkpoints]
    folder.mkdir(parents=True, exist_ok=True)
    for side, gallery in zip(("one", "other"), galleries, strict=True):
        shutil.copytree(gallery.folder / "pictures", folder / side, ignore=shutil.ignore_patterns("*-base.png"))
    for language in LANGUAGES:
        texts = words(language)
        pairs = [_pair(rows[0][key], rows[1][key], names, texts) for key in common]
        name = about.name.read(language) if about.name else slug
        page = render("compare.html", language, "", name=name, names=names, pairs=pairs, historical=about.historical)
        write_atomically(folder / PAGE[language], page)


def _named(store: Store, slug: str, name: str) -> Artifact:
    found = [artifact for artifact in store.all(CHECKPOINT.name, slug) if artifact.manifest.fingerprint.startswith(name)]
    if not found:
        raise ConfigError(_("there is no checkpoint {name} of {slug}; see: gaucho compare {slug}", name=name, slug=slug))
    if len(found) > 1:
        raise ConfigError(_("{name} begins the names of several checkpoints of {slug}; see: gaucho compare {slug}", name=name, slug=slug))
    return found[0]


def _gallery_of(store: Store, slug: str, checkpoint: Artifact) -> Artifact:
    """The newest gallery that was drawn with a checkpoint."""
    version = checkpoint.manifest.data_version
    drawn_with = [each for each in store.all(SAMPLE_GALLERY.name, slug) if each.manifest.provenance.inputs[CHECKPOINT.name] == version]
    if not drawn_with:
        raise GauchoError(
            _("the checkpoint {fingerprint} of {slug} has no gallery", fingerprint=checkpoint.manifest.fingerprint[:8], slug=slug)
        )
    return drawn_with[-1]


def _tuned(gallery: Artifact) -> list[Picture]:
    return [row for row in read_rows(gallery.folder / "pictures.jsonl", Picture) if row.model == "tuned"]


def _pair(left: Picture, right: Picture, names: list[str], texts: Mapping[str, str]) -> Pair:
    title = left.written or left.prompt
    alts = [f"{texts['one'].format(name=name)}: {title}, {texts['seed']} {left.seed}" for name in names]
    return Pair(
        title=title,
        seed=left.seed,
        before=f"one/{Path(left.file).name}",
        after=f"other/{Path(right.file).name}",
        alt_before=alts[0],
        alt_after=alts[1],
        slide=texts["slide"].format(title=title),
    )
