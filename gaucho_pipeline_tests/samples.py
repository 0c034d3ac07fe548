"""Rows and facts as stages write them, made up: for tests of what reads them."""

from __future__ import annotations

from typing import Any

from gaucho_pipeline.assets.rows import CrawledImage, CreditedThumbnail, Picture, TrainImage
from gaucho_pipeline.provenance.facts import Facts

CREDIT = {"title": "Araucária", "author": "João", "license": "CC0-1.0", "license_url": "", "source": "https://a.example"}


def sha(number: int) -> str:
    """The SHA-256 of an image that nobody has."""
    return f"{number:064x}"


def crawled_image(number: int = 1, **changes: Any) -> CrawledImage:
    own = {
        "key": f"folder:{number}.png", "origin": "folder: photos", "url": f"photos/{number}.png", "license_family": "cc0", "flags": (),
        "sha1": None, "labels": (), "is_file": True, "sha256": sha(number), "bytes": 1, "file": f"blobs/00/{sha(number)}",
    }  # fmt: skip
    return CrawledImage.model_validate(CREDIT | own | changes)


def train_image(number: int = 1, **changes: Any) -> TrainImage:
    own = {
        "key": f"folder:{number}.png", "origin": "folder: photos", "license_family": "cc0", "flags": (), "sha1": None, "labels": (),
        "bytes": 1, "kept": True, "reason": "", "score": None, "threshold": None, "same_as": None, "by": "", "why": "", "measures": None,
        "relevance": None, "people": None, "override": None, "sha256": sha(number), "file": f"images/{number}.png",
        "pixels": f"{number:03d}", "caption": "a photo of {token} {class_noun}", "caption_by": "prompt",
    }  # fmt: skip
    return TrainImage.model_validate(CREDIT | own | changes)


def credited(number: int = 1, **changes: Any) -> CreditedThumbnail:
    return CreditedThumbnail.model_validate(CREDIT | {"sha256": sha(number), "file": f"training/{number:03d}.jpg"} | changes)


def picture_row(model: str, number: int = 0, **changes: Any) -> Picture:
    own = {
        "file": f"pictures/{number:03d}-{model}.png", "model": model, "number": number, "kind": "concept", "prompt": "a photo of mtl tree",
        "written": "", "without_token": "a photo of a tree", "seed": 1, "blank": False, "pixels": f"{model} {number}", "height": 64,
    }  # fmt: skip
    return Picture.model_validate(own | changes)


def facts(**changes: Any) -> Facts:
    own: dict[str, Any] = {
        "prompt": "a photo of mtl tree", "seed": 1, "num_inference_steps": 20, "guidance_scale": 6.5, "size": 64,
        "sampler": "DPMSolverMultistepScheduler", "concept": "araucaria", "base_model": {"id": "embedded"},
    }  # fmt: skip
    return Facts.of(**own | changes)
