"""What a pack calls the places of this machine: nothing in it says where on whose disk they are, and what comes back is understood here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gaucho_pipeline.assets.table import CHECKPOINT
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.manifest import Provenance, read_manifest

_PACK = "/pack"
"""Where a pack lies by its own account."""


def places_of(request: StageRequest) -> dict[str, str]:
    """Every path of this disk that a request names, or what it reads was made from, as its pack calls it: `/pack/files/<number>/<name>`."""
    own = {*_paths([request.spec, request.provenance.spec])}  # first, so that other paths change no name of theirs
    others = {*_paths([read_manifest(folder).provenance.spec for folder in request.inputs.values()])}
    paths = [*sorted(own), *sorted(others - own)]
    return {path: f"{_PACK}/files/{number}/{Path(path).name}" for number, path in enumerate(paths)}


def in_pack(place: str) -> str:
    """Where a place is in the pack's file."""
    return place.removeprefix(f"{_PACK}/")


def read_places(request: StageRequest) -> set[str]:
    """Of those paths, the ones that the stage reads."""
    return {*_paths(request.spec), *_paths(base_model_of(request))}


def base_model_of(request: StageRequest) -> str:
    """The base model that is taught, or was."""
    spec = read_manifest(folder).provenance.spec if (folder := request.inputs.get(CHECKPOINT.name)) else request.spec
    return str(spec.get("base_model") or "")


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A JSON value with other names in the place of some of its texts."""
    if isinstance(value, dict):
        return {key: renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def without_places(provenance: Provenance, names: Mapping[str, str]) -> Provenance:
    """What an artifact is made from, as a pack has it."""
    return provenance.model_copy(update={"spec": renamed(provenance.spec, names)})


def _paths(value: Any) -> Iterator[str]:
    """The absolute paths in a JSON value that are on this disk."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item)
    elif isinstance(value, str) and Path(value).is_absolute() and "\0" not in value and Path(value).exists():
        yield value
