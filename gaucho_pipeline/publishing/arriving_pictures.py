"""Pictures that come back from elsewhere are what their tables say, and show nothing that was forgotten.

Validation images are those of the curated set here, byte for byte; training images in small show what the set's images show; generated
pictures have the pixels of their rows, and say of themselves what their rows say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gaucho_pipeline.assets.rows import CreditedThumbnail, Picture, TrainImage, read_rows
from gaucho_pipeline.assets.table import CHECKPOINT, COLLECTION, EVALUATION, SAMPLE_GALLERY
from gaucho_pipeline.curation.hashes import is_like
from gaucho_pipeline.curation.measures import measure
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.images.decoding import BadImage, fit, pixels_digest, read_image
from gaucho_pipeline.provenance.labels import read_facts
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.manifest import read_manifest

_SIDE, _MOST_DIFFERENCE = 32, 12.0
"""Thumbnails are compared at this side; more of 255 greys than this is another picture: a thumbnail's own JPEG makes some three."""


def check_pictures(artifact: Artifact, request: StageRequest, curated: Sequence[Path], file: Path) -> None:
    """Raises GauchoError, with the file's name, for a picture that is another than its table says, or like a forgotten one."""
    if request.asset in (CHECKPOINT.name, COLLECTION.name):
        _check_validation(artifact, curated, file)
    if request.asset == EVALUATION.name:
        _check_thumbnails(artifact, curated, file)
    if request.asset == SAMPLE_GALLERY.name:
        _check_generated(artifact, request, file)
    _check_forgotten(artifact, Forgotten(request.forgotten).fingerprints, file)


def _is_another(file: Path, name: str) -> GauchoError:
    return GauchoError(_("{file}: {name} is another picture than its table says", file=file, name=name))


def _check_validation(artifact: Artifact, curated: Sequence[Path], file: Path) -> None:
    files = {folder: read_manifest(folder).files for folder in curated}
    wanted = {row.sha256: files[folder].get(row.file) for folder in curated for row in _images(folder)}
    for row in read_rows(artifact.folder / "validation.jsonl", TrainImage):
        if artifact.manifest.files.get(row.file) != wanted.get(row.sha256):
            raise _is_another(file, row.file)


def _images(folder: Path) -> list[TrainImage]:
    return read_rows(folder / "images.jsonl", TrainImage)


def _check_thumbnails(artifact: Artifact, curated: Sequence[Path], file: Path) -> None:
    real = {row.sha256: folder / row.file for folder in curated for row in _images(folder)}
    for row in read_rows(artifact.folder / "training.jsonl", CreditedThumbnail):
        shown, own = (_small(path) for path in (artifact.folder / row.file, real[row.sha256]))
        if np.abs(shown - own).mean() > _MOST_DIFFERENCE:
            raise _is_another(file, row.file)


def _small(path: Path) -> np.ndarray:
    return np.asarray(fit(read_image(path), 320).resize((_SIDE, _SIDE)), np.float32)


def _check_generated(artifact: Artifact, request: StageRequest, file: Path) -> None:
    trained = read_manifest(request.inputs[CHECKPOINT.name])
    for row in read_rows(artifact.folder / "pictures.jsonl", Picture):
        picture = read_image(artifact.folder / row.file)
        if pixels_digest(picture) != row.pixels or picture.height < row.height:
            raise _is_another(file, row.file)
        wanted = {
            "prompt": row.prompt, "seed": row.seed, "concept": request.concept,
            "checkpoint": trained.data_version if row.model == "tuned" else None,
        }  # fmt: skip
        facts = read_facts(artifact.folder / row.file)
        if facts is None or any(facts.get(name) != value for name, value in wanted.items()):
            raise GauchoError(_("{file}: {name} does not say how it was generated", file=file, name=row.file))


def _check_forgotten(artifact: Artifact, fingerprints: Sequence[bytes], file: Path) -> None:
    for name in artifact.manifest.files if fingerprints else ():
        if not name.endswith((".png", ".jpg")):
            continue
        try:
            measured = measure((artifact.folder / name).read_bytes())
        except BadImage:
            continue
        if any(is_like(measured.hashes, measured.mirrored, each) for each in fingerprints):
            raise GauchoError(_("{file}: {name} is like an image that was forgotten", file=file, name=name))
