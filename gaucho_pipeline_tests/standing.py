"""Artifacts that stand without having been made: real manifests in a real data folder, of what each asset would be made from now.

For what is decided from manifests alone (what is fresh, what must run), where running the stages would show nothing more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from safetensors.numpy import save_file

from gaucho_pipeline.assets.metrics import (
    BaseTuned,
    CheckpointMetrics,
    CollectionEvaluationMetrics,
    CollectionMetrics,
    CuratedSetMetrics,
    EvaluationMetrics,
    GallerySiteMetrics,
    JudgementMetrics,
    KindJudgement,
    Losses,
    Metrics,
    OverrideCounts,
    PromptLosses,
    Proportion,
    RawCrawlMetrics,
    SampleGalleryMetrics,
    SampleSequenceMetrics,
    Score,
    StoryMetrics,
    ValidationLoss,
)
from gaucho_pipeline.assets.rows import Loss, write_rows
from gaucho_pipeline.assets.table import (
    ALL,
    CHECKPOINT,
    COLLECTION,
    COLLECTION_EVALUATION,
    CURATED_SET,
    EVALUATION,
    GALLERY_SITE,
    JUDGEMENT,
    RAW_CRAWL,
    SAMPLE_GALLERY,
    SAMPLE_SEQUENCE,
)
from gaucho_pipeline.files.tables import write_table
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.scorers import SCORERS
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import MANIFEST, Manifest, read_manifest
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.samples import credited, picture_row

PAIR = BaseTuned(base=0.5, tuned=0.4)
PROMPT_LOSSES = PromptLosses(token=PAIR, other_token=PAIR, class_noun=PAIR)
METRICS: dict[str, Metrics] = {
    RAW_CRAWL.name: RawCrawlMetrics(
        found=9, kept=9, refused={}, failed={}, licenses={"CC0-1.0": 9}, flags={}, sources={}, failed_sources={}, gone=0, changed_licenses=0
    ),
    CURATED_SET.name: CuratedSetMetrics(
        read=9, kept=9, excluded={}, licenses={"CC0-1.0": 9}, captions={"prompt": 9}, overrides=OverrideCounts(applied=0, without_image=())
    ),
    CHECKPOINT.name: CheckpointMetrics(
        validation_loss=ValidationLoss(base=0.5, tuned=0.4, interval=(-0.12, -0.08)), loss_fell="yes", prior_drift=0.1,
        reported_apart=True, losses=Losses(train=PROMPT_LOSSES, validation=PROMPT_LOSSES), steps=4, best_step=2, train_images=7,
        validation_images=2, images_per_second=1, peak_memory_bytes=1, trainable_parameters=1, reload_difference=0, device="cpu",
    ),
    COLLECTION.name: CollectionMetrics(concepts={}, steps=4, train_images=7, peak_memory_bytes=1, reload_difference=0, device="cpu"),
    COLLECTION_EVALUATION.name: CollectionEvaluationMetrics(verdict="yes", reason="kept_apart", rows={}, backbone="an encoder"),
    SAMPLE_GALLERY.name: SampleGalleryMetrics(pictures=2, pictures_per_second=1, black=0),
    EVALUATION.name: EvaluationMetrics(
        verdict="yes", reason="learned", loss_fell="yes", memorised=0, memorisation_line=0.9, memorisation_backbone="an encoder",
        **dict.fromkeys(set(SCORERS) - {"clip_i"}),
        clip_i=Score(base=0.2, tuned=0.5, interval=(0.2, 0.4), ceiling=0.6, backbone="an encoder"),
        pictures=1, validation_images=2,
    ),
    SAMPLE_SEQUENCE.name: SampleSequenceMetrics(
        method="storyboard", frames=2, frames_per_second=1, generated=2, subject_backbone="an encoder", prompt_backbone="an encoder",
        stories=(
            StoryMetrics(
                name="day_to_night", frames=2, seconds=0.25, step_mean=0.02, step_worst=0.04, control_step_mean=0.1,
                control_step_worst=0.2, subject_mean=0.5, subject_lowest=0.4, subject_lowest_frame=1, base_subject_mean=0.2,
                frames_above_base=2, beats_followed=2, control_beats_followed=2, beats=2,
            ),
        ),
    ),
    JUDGEMENT.name: JudgementMetrics(
        word="yes", reason="recognised", raters=5, relations={"knows_it": 5}, left_out={}, agreement_on_pairs=0.5, agreement_on_singles=0.5,
        remarks=0, panel="00000000000000aa",
        kinds={"tuned": KindJudgement(pictures=9, shows_it=Proportion(value=0.9, interval=(0.7, 1.0)), attributes={"tronco nu": None})},
    ),
    GALLERY_SITE.name: GallerySiteMetrics(concepts=1),
}  # fmt: skip


def stand(
    project: Project, asset: str, slug: str, data_version: str = "1", furnish: Callable[[Path], None] | None = None, **metrics: object
) -> Artifact:
    """Has an artifact stand, made from what it would be made from now. `furnish`: what else its folder is to hold."""
    provenance = project.provenance(asset, slug)
    request = project.request(asset, slug)
    manifest = Manifest(
        asset=asset,
        concept=slug,
        fingerprint=request.fingerprint or f"crawl-{data_version}-{provenance.spec_version}",
        data_version=data_version,
        provenance=provenance,
        made_at="2026-11-25T12:00:00+00:00",
        seconds=1,
        metrics=METRICS[asset].model_copy(update=metrics),
    )
    with project.store.staging(asset, slug, manifest.fingerprint) as staging:
        _furnish(staging, asset)
        if furnish:
            furnish(staging)
        return project.store.publish(staging, manifest)


def add_file(artifact: Artifact, name: str, content: bytes) -> None:
    """Has an artifact that stands hold a further file, which its manifest lists."""
    write_atomically(artifact.folder / name, content)
    made = read_manifest(artifact.folder)
    files = made.files | {name: hashlib.sha256(content).hexdigest()}
    write_atomically(artifact.folder / MANIFEST, made.model_copy(update={"files": files}).to_json())


def _furnish(folder: Path, asset: str) -> None:
    """What pages and checks read of an artifact."""
    if asset == RAW_CRAWL.name:
        write_table(folder / "images.jsonl", [])
    if asset == CHECKPOINT.name:
        save_file({"weight": np.ones(1, np.float32)}, folder / "weights.safetensors")
        write_rows(folder / "losses.jsonl", [Loss(step=0, validation=0.5), Loss(step=4, validation=0.4, train=0.4)])
    if asset == SAMPLE_GALLERY.name:
        (folder / "pictures").mkdir()
        rows = []
        for model in ("base", "tuned"):
            (folder / "pictures" / f"000-{model}.png").write_bytes(png_bytes(Image.new("RGB", (8, 8), "green")))
            rows.append(picture_row(model))
        write_rows(folder / "pictures.jsonl", rows)
    if asset == EVALUATION.name:
        (folder / "training").mkdir()
        write_table(folder / "copies.jsonl", [])
        write_rows(folder / "training.jsonl", [credited(1, file="training/000.jpg")])
    if asset == SAMPLE_SEQUENCE.name:
        story = folder / "stories" / "day_to_night"
        (story / "frames").mkdir(parents=True)
        for name in ("frames/000.png", "frames/001.png", "filmstrip.png", "base.png", "control.png", "story.webp"):
            (story / name).write_bytes(png_bytes(Image.new("RGB", (8, 8), "green")))
        beats = [{"prompt": "by day", "caption": {"pt": "De dia", "en": "By day"}, "first": 0, "transition": "blend"}]
        beats += [{"prompt": "at night", "caption": None, "first": 1, "transition": "blend"}]
        row = {"name": "day_to_night", "title": {"pt": "Do dia à noite", "en": "From day to night"}, "beats": beats}
        write_table(folder / "stories.jsonl", [row | {"frames": 2, "frames_per_second": 8.0, "files": ["story.webp"]}])


def one_concept(folder: Path) -> Project:
    """A project of one concept, of which nothing was made yet."""
    concept = folder_concept(draw_folder(folder / "a", "araucaria", 4), "mtl", "tree")
    return Project(write_concepts(folder / "concepts.yaml", {"araucaria": concept}), folder / "data")


def two_concepts(folder: Path) -> Project:
    """A project of two concepts, of which everything stands."""
    concepts = {
        "araucaria": folder_concept(draw_folder(folder / "a", "araucaria", 2), "mtl", "tree"),
        "chimarrao": folder_concept(draw_folder(folder / "c", "chimarrao", 2), "dnc", "cup"),
    }
    project = Project(write_concepts(folder / "concepts.yaml", concepts), folder / "data")
    stand_all(project)
    return project


def edit(project: Project, slug: str, part: str, **changes: Any) -> None:
    """Changes keys of a part of a concept in the project's file."""
    value = yaml.safe_load(project.concepts_file.read_text(encoding="utf-8"))
    value["concepts"][slug].setdefault(part, {}).update(changes)
    project.concepts_file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")


def stand_all(project: Project) -> None:
    """Has everything stand."""
    for slug in project.slugs:
        for asset in project.assets_of(slug):
            stand(project, asset.name, slug)
    stand(project, GALLERY_SITE.name, ALL)
