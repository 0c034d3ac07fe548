"""Folders that were published into: the mark that each carries, where this project has published, and what there must go.

What is written into them is in `publishing/publish.py`; which images must not come back is in `store/forgotten.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.project.approvals import Approval
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.store.forgotten import Forgotten

MARK = "published.json"
"""In a folder that was published into before, so that it may be published into again."""
_FOLDERS = TypeAdapter(tuple[str, ...])


class Mark(BaseModel):
    """What was published into a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concepts: Mapping[str, Approval] = Field(description="The approval of each concept, by slug")
    files: tuple[str, ...] = Field(description="Every file, as a path below the folder")
    images: Mapping[str, tuple[str, ...]] = Field({}, description="SHA-256 of the images that each concept learned from or shows, by slug")
    with_weights: bool = Field(True, description="Whether the weights can be downloaded")


def read_mark(folder: Path) -> Mark | None:
    """The mark of a folder; None if it was not published into, or what is there is no mark."""
    try:
        return Mark.model_validate_json((folder / MARK).read_bytes())
    except (OSError, ValidationError):
        return None


def write_mark(folder: Path, mark: Mark) -> None:
    write_atomically(folder / MARK, json.dumps(mark.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")


def shows_forgotten(folder: Path, forgotten: Forgotten) -> list[str]:
    """The concepts of a published folder that show an image which must not come back, or learned from it."""
    mark = read_mark(folder)
    if mark is None:
        return []
    return [slug for slug in mark.concepts if not forgotten.sha256.isdisjoint(_images(folder, mark, slug))]


def remember_published(project: Project, folder: Path) -> None:
    """Keeps in the data folder that something was published there, for `forget` to say what is to be taken down."""
    write_atomically(
        _remembered(project), _FOLDERS.dump_json(tuple(dict.fromkeys([*_known(project), str(folder)])), indent=1).decode() + "\n"
    )


def published_folders(project: Project) -> list[Path]:
    """Where this data folder's pages were published on this machine, as far as it still exists."""
    return [folder for name in _known(project) if read_mark(folder := Path(name))]


def _images(folder: Path, mark: Mark, slug: str) -> Sequence[str]:
    if slug in mark.images:
        return mark.images[slug]
    credits_ = folder / slug / "ATTRIBUTION.csv"  # all that folders have which were published into by an earlier version
    try:
        return credits_.read_text(encoding="utf-8-sig").replace('"', "").replace(",", "\n").split() if credits_.is_file() else ()
    except (OSError, ValueError):
        return ()


def _remembered(project: Project) -> Path:
    return project.store.root / ".published.json"


def _known(project: Project) -> tuple[str, ...]:
    path = _remembered(project)
    try:
        return _FOLDERS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        text = error.errors()[0]["msg"]
        raise ConfigError(
            _("{path}: {text}; it names the folders that were published into: remove it if that is of no use", path=path, text=text)
        ) from None
