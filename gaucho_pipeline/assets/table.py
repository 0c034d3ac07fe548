"""The assets: every fact about each of them, in one table. A new asset is one entry here, and its stage.

What an artifact is, is in `store/artifact.py`; what each is made from now, and whether it is up to date, in `project/project.py`; how
Dagster shows them, in `orchestration/`. Light to import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from gaucho_pipeline.assets import checks as asset_checks
from gaucho_pipeline.assets.checks import Check
from gaucho_pipeline.assets.metrics import (
    CheckpointMetrics,
    CollectionEvaluationMetrics,
    CollectionMetrics,
    CuratedSetMetrics,
    EvaluationMetrics,
    GallerySiteMetrics,
    JudgementMetrics,
    Metrics,
    RawCrawlMetrics,
    SampleGalleryMetrics,
    SampleSequenceMetrics,
)
from gaucho_pipeline.errors import _

ALL = "all"
"""Stands for the concept where an artifact is of all of them."""


class Figure(NamedTuple):
    """A picture of an artifact that Dagster shows inline."""

    name: str
    file: str


@dataclass(frozen=True)
class Asset:
    """What is known of an asset before any artifact of it is made."""

    name: str
    program: str
    """The module that makes it: `python -m PROGRAM REQUEST.json`."""
    code_version: str
    """Raised when the program makes something else of the same input, or a default becomes another: it makes every artifact stale."""
    description: str
    next_step: str
    """What to look at, and what comes after it."""
    kinds: frozenset[str]
    """What Dagster shows as its technologies."""
    metrics: type[Metrics]
    summary: Callable[[Any], str]
    """Its metrics in a few words, for the command line."""
    part: str = ""
    """The part of a concept or of a collection that specifies it; none for what is made of all concepts."""
    part_description: str = ""
    inputs: tuple[str, ...] = ()
    """The assets that it is made from."""
    reads_weights: bool = False
    """Whether the weights of its inputs are read, and looked at first: they are large."""
    on_base_model: bool = False
    """Whether it is made with the concept's base model."""
    pool: str | None = None
    """Artifacts of a pool are made one at a time."""
    checks: tuple[Check, ...] = ()
    figure: Figure | None = None
    headline: tuple[str, ...] = ()
    """The metrics that Dagster shows each in a row of its own, and plots; the others are in one table. Empty: all of them."""
    page: str | None = None
    """The page inside it that people open."""
    memory_remedy: str = ""
    """What to change where memory runs out."""
    is_named_by_content: bool = False
    """Whether its fingerprint is the hash of what it holds, because its input is beyond our reach: the web."""
    is_of_collections: bool = False
    """Whether there is one for each collection, and not for each concept."""
    also_reads: tuple[tuple[str, str], ...] = ()
    """Assets that are read beside the inputs, each with what of these was made from it: that very artifact is read, however old."""
    is_made_apart: bool = False
    """Whether a command of its own makes it, and neither `gaucho run` nor automation does: people are asked for it."""
    retries: int = 0
    """How often it is tried again when it failed, because the web may answer better a little later."""

    @property
    def is_partitioned(self) -> bool:
        """Whether there is one for each concept, or for each collection."""
        return bool(self.part)

    @property
    def spec_name(self) -> str:
        """The name of the asset that is its specification."""
        return f"{self.part}_spec"


RAW_CRAWL = Asset(
    name="raw_crawl",
    memory_remedy=_("lower crawl.max_image_bytes"),
    program="gaucho_pipeline.crawl",
    code_version="5",
    description="Images of the concept from its sources, as they came, each with its licence and author.",
    next_step="What a source refused or lost is counted below; next: curated_set.",
    kinds=frozenset({"scrapy"}),
    metrics=RawCrawlMetrics,
    summary=lambda m: f"{m.kept} of {m.found} images kept",
    part="crawl",
    is_named_by_content=True,
    part_description="What to gather for the concept.",
    checks=(Check("all_sources_answered", "Every source answered, and was understood.", asset_checks.all_sources_answered, False),),
    retries=1,
)
CURATED_SET = Asset(
    name="curated_set",
    memory_remedy=_("lower curation.max_side or curation.max_images, or leave out curation.relevance and the captioner"),
    program="gaucho_pipeline.curation",
    code_version="6",
    description="The images worth training on, upright and without metadata, and a reason for every other one.",
    next_step="Look at the review page, and decide otherwise in an overrides file; next: checkpoint.",
    kinds=frozenset({"pillow", "pandas"}),
    metrics=CuratedSetMetrics,
    summary=lambda m: f"{m.kept} of {m.read} images kept",
    part="curation",
    part_description="What an image must be to be kept.",
    inputs=("raw_crawl",),
    checks=(Check("enough_images", "There are enough images to learn from.", asset_checks.enough_images),),
    page="review.html",
)
COLLECTION = Asset(
    name="collection",
    memory_remedy=_("lower the collection's training.resolution or training.validation_noises, or leave out train_text_encoder"),
    program="gaucho_pipeline.training",
    code_version="1",
    description="What the base model learned of several concepts together: one adapter that knows the token of each.",
    next_step="The checkpoint of each of its concepts is made of it; next: their galleries and evaluations.",
    kinds=frozenset({"pytorch", "huggingface"}),
    metrics=CollectionMetrics,
    summary=lambda m: m.in_words(),
    part="collection",
    part_description="Which concepts are taught together, and how.",
    is_of_collections=True,
    on_base_model=True,
    pool="gpu",
    checks=(Check("sound_weights", "The weights are finite and load back.", asset_checks.sound_weights),),
    figure=Figure("loss_curve", "losses.png"),
    headline=("steps", "train_images", "peak_memory_bytes"),
)
CHECKPOINT = Asset(
    name="checkpoint",
    memory_remedy=_("lower training.resolution or training.validation_noises, or leave out train_text_encoder"),
    program="gaucho_pipeline.training",
    code_version="5",
    description="What the base model learned of the concept, with the loss on images it has not seen.",
    next_step="If the loss did not fall: more epochs, another learning_rate, or images that show it alike; next: sample_gallery.",
    kinds=frozenset({"pytorch", "huggingface"}),
    metrics=CheckpointMetrics,
    summary=lambda m: f"validation loss {m.validation_loss.base:.4f} → {m.validation_loss.tuned:.4f}, loss_fell: {m.loss_fell or '?'}",
    part="training",
    part_description="How the concept is taught.",
    inputs=("curated_set",),
    on_base_model=True,
    pool="gpu",
    checks=(
        Check("sound_weights", "The weights are finite and load back.", asset_checks.sound_weights),
        Check("loss_fell", "The loss fell beyond its interval, and the class noun stayed what it was.", asset_checks.loss_fell, False),
    ),
    figure=Figure("loss_curve", "losses.png"),
    headline=(
        "validation_loss_base",
        "validation_loss_tuned",
        "validation_loss_interval_low",
        "validation_loss_interval_high",
        "class_noun_drift",
        "best_step",
        "steps",
        "train_images",
        "images_per_second",
        "peak_memory_bytes",
    ),
)
SAMPLE_GALLERY = Asset(
    name="sample_gallery",
    memory_remedy=_("lower gallery.size or gallery.batch_size, or take a smaller base_model"),
    program="gaucho_pipeline.gallery",
    code_version="5",
    description="The same prompts and seeds with the base model and the tuned one.",
    next_step="Look at the contact sheet; next: evaluation.",
    kinds=frozenset({"pytorch", "huggingface"}),
    metrics=SampleGalleryMetrics,
    summary=lambda m: f"{m.pictures} pictures, {m.generated} of them drawn now",
    part="gallery",
    part_description="What is generated of the concept.",
    inputs=("checkpoint",),
    reads_weights=True,
    on_base_model=True,
    pool="gpu",
    checks=(Check("no_black_pictures", "Pictures show something, nearly all of them at once.", asset_checks.no_black_pictures),),
    figure=Figure("contact_sheet", "contact_sheet.jpg"),
)
EVALUATION = Asset(
    name="evaluation",
    memory_remedy=_("leave out an encoder (evaluation.scorers), or lower gallery.seeds"),
    program="gaucho_pipeline.evaluation",
    code_version="2",
    description="How good the pictures are, in figures with intervals, and the verdict that follows from them.",
    next_step="If the verdict is no, its rule says why; next: gallery_site, then gaucho approve.",
    kinds=frozenset({"pytorch", "huggingface"}),
    metrics=EvaluationMetrics,
    summary=lambda m: f"verdict: {m.verdict}",
    part="evaluation",
    part_description="How the concept is scored.",
    inputs=("sample_gallery", "checkpoint"),
    also_reads=(("curated_set", "checkpoint"),),
    on_base_model=True,
    pool="gpu",
    checks=(
        Check("verdict", "The concept can be drawn now.", asset_checks.verdict_is_yes, False),
        Check("nothing_memorised", "No picture is a copy of a training image.", asset_checks.nothing_memorised, False),
        Check("within_thresholds", "Every figure is within its threshold.", asset_checks.within_thresholds),
    ),
)
COLLECTION_EVALUATION = Asset(
    name="collection_evaluation",
    memory_remedy=_("lower the galleries' seeds"),
    program="gaucho_pipeline.evaluation",
    code_version="1",
    description="Whether pictures of one concept of a collection are taken for another: the confusion table, and what follows from it.",
    next_step="Where one bleeds into another: fewer epochs, more images of it, or a class noun that tells the two apart.",
    kinds=frozenset({"pytorch", "huggingface"}),
    metrics=CollectionEvaluationMetrics,
    summary=lambda m: f"verdict: {m.verdict}",
    part="collection_evaluation",
    part_description="How pictures of several concepts are told apart.",
    is_of_collections=True,
    also_reads=(("sample_gallery", "evaluation"), ("checkpoint", "evaluation"), ("curated_set", "checkpoint")),
    on_base_model=True,
    pool="gpu",
    checks=(Check("kept_apart", "Every concept can be drawn, and none is taken for another.", asset_checks.kept_apart, False),),
)
SAMPLE_SEQUENCE = Asset(
    name="sample_sequence",
    memory_remedy=_("lower sequence.size, the frames of a story, or for storyboard sequence.batch_size"),
    program="gaucho_pipeline.sequence",
    code_version="1",
    description="Stories that unfold in time, as animations, films and filmstrips, for concepts that ask for them.",
    next_step="Look at the filmstrip; next: gallery_site, where the stories play.",
    kinds=frozenset({"pytorch", "huggingface"}),
    metrics=SampleSequenceMetrics,
    summary=lambda m: f"{m.frames} frames of {len(m.stories)} stories, {m.generated} pictures drawn now",
    part="sequence",
    part_description="What of the concept is to unfold in time.",
    inputs=("checkpoint",),
    reads_weights=True,
    on_base_model=True,
    pool="gpu",
    checks=(
        Check("no_blank_frames", "Every frame shows something.", asset_checks.no_blank_frames),
        Check("holds_together", "From frame to frame little changes, by half of what chance does.", asset_checks.holds_together, False),
        Check("subject_kept", "Every frame shows the concept more than the base model's does.", asset_checks.subject_kept, False),
    ),
    figure=Figure("filmstrip", "filmstrip.jpg"),
)
JUDGEMENT = Asset(
    name="judgement",
    memory_remedy=_("lower judgement.pairs"),
    program="gaucho_pipeline.judging",
    code_version="1",
    description="What people who know the concept say of its pictures, where they were asked.",
    next_step="It stands on the concept's page beside the verdict; to ask again: gaucho judge.",
    kinds=frozenset({"pandas"}),
    metrics=JudgementMetrics,
    summary=lambda m: f"{m.word}, by {m.raters} people who know it",
    part="judgement",
    part_description="What people are asked.",
    inputs=("sample_gallery",),
    is_made_apart=True,
)
GALLERY_SITE = Asset(
    name="gallery_site",
    memory_remedy=_("show fewer concepts"),
    program="gaucho_pipeline.pages",
    code_version="7",
    description="The pages for curators and the public: a front page, and one for every concept that was evaluated.",
    next_step="To show them elsewhere: gaucho approve, then gaucho publish.",
    kinds=frozenset({"html"}),
    metrics=GallerySiteMetrics,
    summary=lambda m: f"{m.concepts} concepts",
    inputs=("evaluation", "sample_sequence", "judgement", "collection_evaluation"),
    page="index.html",
)

_ALL = (
    RAW_CRAWL,
    CURATED_SET,
    COLLECTION,
    CHECKPOINT,
    SAMPLE_GALLERY,
    EVALUATION,
    COLLECTION_EVALUATION,
    SAMPLE_SEQUENCE,
    JUDGEMENT,
    GALLERY_SITE,
)

ASSETS: dict[str, Asset] = {asset.name: asset for asset in _ALL}
"""All assets by name, each after what it is made from."""

CONCEPT_ASSETS: tuple[Asset, ...] = tuple(asset for asset in ASSETS.values() if asset.is_partitioned and not asset.is_of_collections)
"""Those of which there is one for each concept."""

LAST_OF_CONCEPTS: tuple[str, ...] = tuple(
    asset.name
    for asset in CONCEPT_ASSETS
    if not asset.is_made_apart and not any(asset.name in other.inputs for other in CONCEPT_ASSETS if not other.is_made_apart)
)
"""Those of a concept from which no other of it is made, as far as `gaucho run` makes them."""

RUN_ASSETS: tuple[str, ...] = tuple(asset.name for asset in ASSETS.values() if not asset.is_made_apart)
"""Those that `gaucho run` makes, and Dagster's automation."""

PARTS: tuple[str, ...] = tuple(asset.part for asset in CONCEPT_ASSETS)
"""The parts of a concept in `concepts.yaml`, in the order of the chain."""


def with_inputs(asset: str) -> list[str]:
    """An asset and all that it is made from, in the order of the chain; with the site, which is the last, all that a run makes."""
    if asset == GALLERY_SITE.name:
        return list(RUN_ASSETS)
    needed = {asset}
    for name in reversed(ASSETS):
        if name in needed:
            needed |= set(ASSETS[name].inputs)
    return [name for name in ASSETS if name in needed]
