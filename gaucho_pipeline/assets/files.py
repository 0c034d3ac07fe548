"""Which files an asset has: what comes from elsewhere holds these and no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from gaucho_pipeline.assets.table import (
    CHECKPOINT,
    COLLECTION,
    COLLECTION_EVALUATION,
    EVALUATION,
    RAW_CRAWL,
    SAMPLE_GALLERY,
    SAMPLE_SEQUENCE,
)

_FILES: Mapping[str, tuple[str, ...]] = {
    RAW_CRAWL.name: ("ATTRIBUTION.csv", "images.jsonl", "refused.jsonl", "failed.jsonl", "gone.jsonl"),
    CHECKPOINT.name: (
        "ATTRIBUTION.csv", "README.md", "losses.jsonl", "losses.png", "samples.jpg", "train.jsonl", "validation.jsonl", "validation/*.png",
        "logs/*/events.out.tfevents.*", "*.safetensors", "*/*.safetensors", "*/*.safetensors.index.json", "*/config.json",
        "*/adapter_config.json", "together.jsonl",
    ),
    COLLECTION.name: (
        "ATTRIBUTION.csv", "README.md", "losses.jsonl", "losses.png", "samples.jpg", "train.jsonl", "validation.jsonl",
        "validation/*/*.png", "logs/*/events.out.tfevents.*", "*.safetensors", "adapter/*.safetensors",
    ),
    SAMPLE_GALLERY.name: ("ATTRIBUTION.csv", "pictures.jsonl", "pictures/*.png", "contact_sheet.jpg"),
    COLLECTION_EVALUATION.name: (),
    EVALUATION.name: ("copies.jsonl", "training.jsonl", "training/*.jpg"),
    SAMPLE_SEQUENCE.name: (
        "ATTRIBUTION.csv", "filmstrip.jpg", "frames.jsonl", "stories.jsonl", "stories/*/*.png", "stories/*/frames/*.png",
        "stories/*/story.gif", "stories/*/story.mp4", "stories/*/story.webp",
    ),
}  # fmt: skip
"""The files of each asset that holds no pages of its own; `*` stands for a part of a name, and for no slash."""


def strange_file(asset: str, names: Iterable[str]) -> str:
    """A file that an asset does not have; empty where there is none, or the asset has pages, whose files are not listed."""
    patterns = _FILES.get(asset)
    return next((name for name in names if patterns is not None and not any(_fits(name, pattern) for pattern in patterns)), "")


def _fits(name: str, pattern: str) -> bool:
    """Whether a path is as a pattern says, part by part."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(fnmatchcase(one, other) for one, other in zip(parts, wanted, strict=True))
