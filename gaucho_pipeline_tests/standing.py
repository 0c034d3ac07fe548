"""Artifacts that stand without having been made: real manifests in a real data folder, of what each asset would be made from now.

For what is decided from manifests alone (what is fresh, what must run), where running the stages would show nothing more.
"""

from __future__ import annotations

import numpy as np
from safetensors.numpy import save_file

from gaucho_pipeline.artifacts import Artifact, Manifest
from gaucho_pipeline.assets import ALL, CHECKPOINT, CONCEPT_ASSETS, CURATED_SET, GALLERY_SITE, RAW_CRAWL, SAMPLE_GALLERY
from gaucho_pipeline.metrics import (
    BaseTuned,
    CheckpointMetrics,
    CuratedSetMetrics,
    GallerySiteMetrics,
    Losses,
    Metrics,
    OverrideCounts,
    PromptLosses,
    RawCrawlMetrics,
    SampleGalleryMetrics,
    ValidationLoss,
)
from gaucho_pipeline.pipeline import Project

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
        validation_loss=ValidationLoss(base=0.5, tuned=0.4, interval=(-0.12, -0.08)), learned="yes", drift=0.1,
        reported_apart=False, losses=Losses(train=PROMPT_LOSSES, validation=PROMPT_LOSSES), steps=4, best_step=2, train_images=7,
        validation_images=2, images_per_second=1, peak_memory_bytes=1, trainable_parameters=1, reload_difference=0, device="cpu",
    ),
    SAMPLE_GALLERY.name: SampleGalleryMetrics(
        pictures=2, pictures_per_second=1, black=0, clip_i=PAIR, clip_t=PAIR, clip_i_ceiling=0.9, encoder="embedded scorer"
    ),
    GALLERY_SITE.name: GallerySiteMetrics(concepts=1),
}  # fmt: skip


def stand(project: Project, asset: str, slug: str, data_version: str = "1", **metrics: object) -> Artifact:
    """Has an artifact stand, made from what it would be made from now."""
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
        if asset == CHECKPOINT.name:
            save_file({"weight": np.ones(1, np.float32)}, staging / "weights.safetensors")
        return project.store.publish(staging, manifest)


def stand_all(project: Project) -> None:
    """Has everything stand."""
    for slug in project.slugs:
        for asset in CONCEPT_ASSETS:
            stand(project, asset.name, slug)
    stand(project, GALLERY_SITE.name, ALL)
