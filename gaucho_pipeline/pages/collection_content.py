"""What a collection's page says, in one language: the verdict, the confusion table, its one file and its credits. No markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.assets.metrics import CollectionEvaluationMetrics, ConfusionRow
from gaucho_pipeline.assets.verdict_text import collection_text
from gaucho_pipeline.assets.verdicts import COLLECTION_RULE, Word
from gaucho_pipeline.concepts.collection import AboutCollection
from gaucho_pipeline.concepts.concept import AboutConcept
from gaucho_pipeline.language.bilingual import LANGUAGES, Language
from gaucho_pipeline.pages.content import called_in
from gaucho_pipeline.pages.words import number, words
from gaucho_pipeline.store.manifest import read_manifest


@dataclass(frozen=True)
class CollectionFolders:
    """A collection's artifacts, made from one another, and what the concepts file says of it."""

    slug: str
    about: AboutCollection
    evaluation: Path
    collection: Path
    members: Mapping[str, tuple[str, Mapping[Language, str]]]
    """By token: the slug of each of its concepts, and what it is called in each language."""
    corrected: Sequence[Path] = ()
    """The sets that credit the images as they are credited now, where those are others than it was trained on."""


@dataclass(frozen=True)
class TableCell:
    """How many pictures of a row are taken for the concept of a column."""

    text: str
    kind: str
    """`own`: its own concept; `bleeds`: another one, beyond chance; else empty."""


@dataclass(frozen=True)
class TableRow:
    """A line of the confusion table: a concept, what its pictures are taken for, and what its real images are."""

    name: str
    slug: str
    verdict: Word
    pictures: int
    cells: Sequence[TableCell]
    real: str
    """How many of its real images the encoder takes for it."""
    own: str
    """The share of pictures that are taken for it, with its interval."""
    order: str
    """Mean average precision, before and after."""


@dataclass(frozen=True)
class CollectionContent:
    """All that a collection's page shows."""

    slug: str
    name: str
    verdict: Word
    reason: str
    rule: str
    columns: Sequence[str]
    rows: Sequence[TableRow]
    backbone: str
    missing: str
    weights: str | None
    """The one file that draws all of them; None where it is not given away."""


def collection_folders(
    slug: str, about: AboutCollection, concepts: Mapping[str, AboutConcept], inputs: Mapping[str, Path]
) -> CollectionFolders:
    """A collection's artifacts among others, by `asset/slug`. `concepts`: what is said of each of its concepts."""
    members = {
        concepts[each].token: (each, {language: called_in(concepts[each], each, language) for language in LANGUAGES})
        for each in about.concepts
    }
    corrected = [inputs[name] for each in about.concepts if (name := f"curated_set/{each}") in inputs]
    return CollectionFolders(slug, about, inputs[f"collection_evaluation/{slug}"], inputs[f"collection/{slug}"], members, corrected)


def collection_content(folders: CollectionFolders, language: Language, with_weights: bool = True) -> CollectionContent:
    """What the page of a collection shows."""
    metrics = read_manifest(folders.evaluation).metrics
    assert isinstance(metrics, CollectionEvaluationMetrics)
    names = {token: called[language] for token, (_slug, called) in folders.members.items()}
    file = f"{folders.slug}.safetensors"
    return CollectionContent(
        slug=folders.slug,
        name=folders.about.name.read(language) if folders.about.name else folders.slug,
        verdict=metrics.verdict,
        reason=collection_text(metrics.model_copy(update={"named": tuple(_named(each, names) for each in metrics.named)}), language),
        rule=COLLECTION_RULE.read(language),
        columns=[names[token] for token in metrics.rows],
        rows=[_row(token, row, metrics, folders, language) for token, row in metrics.rows.items()],
        backbone=metrics.backbone,
        missing=metrics.missing,
        weights=file if with_weights and (folders.collection / file).is_file() else None,
    )


def _named(tokens: str, names: Mapping[str, str]) -> str:
    """One token, or one that is taken for another, as people call them."""
    return " → ".join(names.get(token, token) for token in tokens.split(" → "))


def _row(token: str, row: ConfusionRow, metrics: CollectionEvaluationMetrics, folders: CollectionFolders, language: Language) -> TableRow:
    slug, called = folders.members[token]
    kinds = {other: "own" if other == token else "bleeds" if other in row.bleeds_into else "" for other in metrics.rows}
    low, high = (number(100 * each, language, 0) for each in row.own.interval)
    share = words(language)["collection_share"].format(value=number(100 * row.own.value, language, 0), low=low, high=high)
    return TableRow(
        name=called[language],
        slug=slug,
        verdict=row.verdict,
        pictures=row.pictures,
        cells=[TableCell(str(row.taken_for[other]), kinds[other]) for other in metrics.rows],
        real=f"{row.real_taken_for[token]} / {row.images}",
        own=share,
        order=f"{number(row.retrieval.base, language, 2)} → {number(row.retrieval.tuned, language, 2)}" if row.retrieval else "–",
    )
