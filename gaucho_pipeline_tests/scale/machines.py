"""Machines of one deployment: folders of their own, one database, and processes as people and services start them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from gaucho_pipeline import orchestration
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts

TEMPLATES = Path(orchestration.__file__).parent
SUBJECTS = ("araucaria", "chimarrao")


def machine(folder: Path, photos: Path, instance: str, slugs: tuple[str, ...] = SUBJECTS, **training: Any) -> Path:
    """A folder with a concepts file and the instance's dagster.yaml; the photographs are those of all machines."""
    folder.mkdir(parents=True)
    concepts = {slug: folder_concept(photos_of(photos, slug), f"tk{number}x", "cup") for number, slug in enumerate(slugs)}
    for concept in concepts.values():
        concept["training"] = training
    write_concepts(folder / "concepts.yaml", concepts)
    shutil.copyfile(TEMPLATES / instance, folder / "dagster.yaml")
    return folder


def photos_of(photos: Path, slug: str) -> Path:
    place = photos / slug
    return place if place.exists() else draw_folder(place, SUBJECTS[len(slug) % 2], 6, first=len(slug))


def environment(folder: Path, **variables: str) -> dict[str, str]:
    own = {"DAGSTER_HOME": str(folder), "GAUCHO_CONCEPTS": str(folder / "concepts.yaml"), "GAUCHO_DATA": str(folder / "data")}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return os.environ | own | {"PYTHONUNBUFFERED": "1", "PATH": path} | variables


def begin(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """A command of `gaucho` on a machine."""
    command = [sys.executable, "-m", "gaucho_pipeline.cli", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment(folder, **variables), start_new_session=True, **pipes)
