"""What the site shows of each concept: artifacts that were made from one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gaucho_pipeline.assets.table import (
    EVALUATION,
    SAMPLE_SEQUENCE,
)
from gaucho_pipeline.store.artifact import Artifact


@dataclass(frozen=True)
class Shown:
    """What pages show of a concept: artifacts that were made from one another."""

    evaluation: Artifact
    gallery: Artifact
    checkpoint: Artifact
    sequence: Artifact | None = None
    """Where the concept asks for one, and it was drawn with that checkpoint."""


def _site_inputs(shown: Mapping[str, Shown]) -> dict[str, Artifact]:
    stories = {f"{SAMPLE_SEQUENCE.name}/{slug}": each.sequence for slug, each in shown.items() if each.sequence}
    return {f"{EVALUATION.name}/{slug}": each.evaluation for slug, each in shown.items()} | stories
