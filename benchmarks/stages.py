"""A project of one concept of photographs in a folder, up to its curated set, and the command that runs a stage of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.project.project import Project

_OPEN_FILTERS = {"min_side": 64, "min_sharpness": 0.0, "max_graphic": 1.0, "near_duplicate_correlation": 1.0}


def curated_project(place: Path, training: dict[str, Any], gallery: dict[str, Any] | None = None, **curation: Any) -> Project:
    """The photographs of `place`/photos as the concept `thing`, crawled and curated with hardly a filter."""
    source = {"folder": {"path": "photos", "license": "cc0", "author": "benchmark", "source": "benchmark"}}
    concept = {"token": "sks", "class_noun": "thing", "crawl": {"sources": [source]}, "curation": _OPEN_FILTERS | curation}
    concept |= {"training": training, "gallery": gallery or {}}
    (place / "concepts.yaml").write_text(yaml.safe_dump({"concepts": {"thing": concept}}), encoding="utf-8")
    project = Project(place / "concepts.yaml", place / "data")
    for asset in ("raw_crawl", "curated_set"):
        subprocess.run(stage_command(project, asset, place), check=True, capture_output=True)
    return project


def stage_command(project: Project, asset: str, place: Path, force: bool = False) -> list[str]:
    """The command that makes an asset of the concept."""
    request = place / f"{asset}.json"
    request.write_text(project.request(asset, "thing", force=force).model_dump_json(), encoding="utf-8")
    return [sys.executable, "-m", ASSETS[asset].program, str(request)]
