"""What comes back from elsewhere is judged before it is believed: its names, its types by content, its rows, and whose its images are.

Rights are what the current curated set says, image by image; a pack never loosens them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gaucho_pipeline.assets.files import strange_file
from gaucho_pipeline.assets.rows import (
    Copy,
    Credit,
    CreditedThumbnail,
    CuratedImage,
    FrameRow,
    Loss,
    Picture,
    Row,
    StoryRow,
    TrainImage,
    read_rows,
)
from gaucho_pipeline.assets.table import CHECKPOINT, COLLECTION, EVALUATION, SAMPLE_GALLERY, SAMPLE_SEQUENCE
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.errors import GauchoError, _, first_line
from gaucho_pipeline.files.tables import ATTRIBUTION_COLUMNS, attributed, inert
from gaucho_pipeline.images.files import is_image
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.adapter_file import ADAPTER, DIFFUSERS_FILE, does_not_load, parts_of, read_part
from gaucho_pipeline.methods.base import Weights
from gaucho_pipeline.methods.lora import single_file
from gaucho_pipeline.models.base_models import family_of
from gaucho_pipeline.publishing.arriving_pictures import check_pictures
from gaucho_pipeline.rights.credits import credits_section
from gaucho_pipeline.rights.licenses import parse_license
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import read_manifest
from gaucho_pipeline.training.examples import split

_TABLES: Mapping[str, type[Row]] = {
    "train.jsonl": TrainImage, "validation.jsonl": TrainImage, "losses.jsonl": Loss, "pictures.jsonl": Picture, "copies.jsonl": Copy,
    "training.jsonl": CreditedThumbnail, "together.jsonl": Credit, "frames.jsonl": FrameRow, "stories.jsonl": StoryRow,
}  # fmt: skip
_NAMING: Mapping[str, type[Row]] = {name: _TABLES[name] for name in ("validation.jsonl", "training.jsonl", "pictures.jsonl")}
"""The tables whose rows name a picture each by `file`."""
_NAMED_FOLDERS = ("validation/", "training/", "pictures/")
_PICTURES = (".png", ".jpg", ".gif", ".webp")
_WHOLE_PARTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
"""Folders of parts that a method stores whole."""
_CREDITED = ("title", "author", "source", "license", "license_url")


def check_arrival(artifact: Artifact, request: StageRequest, curated: Sequence[Path], file: Path) -> None:
    """Raises GauchoError, with the file's name, for an artifact that holds what its asset does not, or says of images what is not so here.

    `curated`: the folders of the curated sets that it was made from, as they are here.
    """
    if strange := strange_file(request.asset, artifact.manifest.files):
        raise GauchoError(_("{file}: holds {name}, which no {asset} has", file=file, name=strange[:100], asset=request.asset))
    for name in artifact.manifest.files:
        if name.endswith(_PICTURES) and not is_image(_first_bytes(artifact.folder / name)):
            raise GauchoError(_("{file}: {name} is no picture", file=file, name=name))
    if unnamed := _unnamed_picture(artifact):
        raise GauchoError(_("{file}: holds {name}, which none of its tables names", file=file, name=unnamed[:100]))
    rights = {row.sha256: row for folder in curated for row in read_rows(folder / "images.jsonl", CuratedImage)}
    for name in artifact.manifest.files:
        if name in _TABLES:
            for row in read_rows(artifact.folder / name, _TABLES[name]):
                if isinstance(row, Credit):
                    _check_credit(row, rights.get(row.sha256), f"{file}: {name}")
    if "ATTRIBUTION.csv" in artifact.manifest.files:
        _check_attribution(artifact.folder / "ATTRIBUTION.csv", rights, request, file)
    if request.asset in (CHECKPOINT.name, COLLECTION.name):
        _check_weights_files(artifact, request, file)
        _check_division(artifact.folder, request.spec, curated, file)
        _check_all_are_credited(artifact.folder, file)
    if request.asset == EVALUATION.name:
        _check_all_are_shown(artifact.folder, request.inputs[CHECKPOINT.name], file)
    if request.asset in (SAMPLE_GALLERY.name, SAMPLE_SEQUENCE.name):
        _check_same_credits(artifact.folder, request.inputs[CHECKPOINT.name], file)
    if (ADAPTER / DIFFUSERS_FILE).as_posix() in artifact.manifest.files:
        weights, settings = _read_adapter(artifact.folder, request.spec, file)
        _check_single_file(artifact.folder, request, weights, settings, file)
    check_pictures(artifact, request, curated, file)


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(256)


def _check_credit(row: Credit, own: CuratedImage | None, where: str) -> None:
    """Raises GauchoError for an image that is not of the curated set, or that is credited otherwise there."""
    if own is None:
        raise GauchoError(_("{where}: image {sha} is not of the curated set", where=where, sha=row.sha256[:12]))
    for name in _CREDITED:
        if getattr(row, name) != getattr(own, name):
            raise GauchoError(
                _("{where}: says another {name} of image {sha} than the curated set", where=where, name=name, sha=row.sha256[:12])
            )


def _unnamed_picture(artifact: Artifact) -> str:
    """A picture that no table names, of those that pages show or trainings measure with; empty where there is none."""
    named: set[str] = set()
    for table, row_type in _NAMING.items():
        if table in artifact.manifest.files:
            named |= {str(getattr(row, "file", "")) for row in read_rows(artifact.folder / table, row_type)}
    return next((name for name in artifact.manifest.files if name.startswith(_NAMED_FOLDERS) and name not in named), "")


def _check_weights_files(artifact: Artifact, request: StageRequest, file: Path) -> None:
    """Raises GauchoError if a method's own files of weights are not there, or there are others."""
    found = {name for name in artifact.manifest.files if name.endswith(".safetensors")}
    if not METHODS[request.spec["method"]].is_adapter:
        strange = next((name for name in sorted(found) if name.partition("/")[0] not in _WHOLE_PARTS), "")
        missing = "" if found else "*.safetensors"
    else:
        wanted = {f"{request.concept}.safetensors", (ADAPTER / DIFFUSERS_FILE).as_posix()}
        strange, missing = min(found - wanted, default=""), min(wanted - found, default="")
    if strange:
        raise GauchoError(_("{file}: holds {name}, which no {asset} has", file=file, name=strange[:100], asset=request.asset))
    if missing:
        raise GauchoError(_("{file}: lacks {name}", file=file, name=missing))


def _check_same_credits(folder: Path, checkpoint: Path, file: Path) -> None:
    """Raises GauchoError if an image that its checkpoint is due to is missing from the table of credits."""
    if missing := min(attributed(checkpoint) - attributed(folder), default=""):
        raise GauchoError(_("{file}: {name} does not credit image {sha}", file=file, name="ATTRIBUTION.csv", sha=missing[:12]))


def _check_division(folder: Path, spec: Mapping[str, Any], curated: Sequence[Path], file: Path) -> None:
    """Raises GauchoError if images that were learned from, or measured with, are others than the current sets are divided into."""
    sets = [read_rows(each / "images.jsonl", TrainImage) for each in curated]
    divided = [split(rows, spec["validation_fraction"], spec["seed"]) for rows in sets]
    for number, name in enumerate(("train.jsonl", "validation.jsonl")):
        wanted = sorted(row.sha256 for each in divided for row in each[number])
        if sorted(row.sha256 for row in read_rows(folder / name, TrainImage)) != wanted:
            raise GauchoError(_("{file}: {name} holds other images than the curated set is divided into here", file=file, name=name))


def _check_all_are_credited(folder: Path, file: Path) -> None:
    """Raises GauchoError if an image that was learned from is missing from the table of credits or from the model card."""
    with (folder / "ATTRIBUTION.csv").open(encoding="utf-8-sig", newline="") as table:
        credited = {row["sha256"] for row in csv.DictReader(table)}
    card = set((folder / "README.md").read_text(encoding="utf-8").splitlines())
    for row in read_rows(folder / "train.jsonl", TrainImage):
        line = credits_section([row.model_dump()]).splitlines()[-1]
        for name, has in (("ATTRIBUTION.csv", row.sha256 in credited), ("README.md", line in card)):
            if not has:
                raise GauchoError(_("{file}: {name} does not credit image {sha}", file=file, name=name, sha=row.sha256[:12]))


def _check_all_are_shown(folder: Path, checkpoint: Path, file: Path) -> None:
    """Raises GauchoError if an image that was learned from is missing among those that pages show with their credits."""
    shown = {row.sha256 for row in read_rows(folder / "training.jsonl", CreditedThumbnail)}
    for row in read_rows(checkpoint / "train.jsonl", TrainImage):
        if row.sha256 not in shown:
            raise GauchoError(_("{file}: {name} does not credit image {sha}", file=file, name="training.jsonl", sha=row.sha256[:12]))


def _read_adapter(folder: Path, spec: Mapping[str, Any], file: Path) -> tuple[Weights, dict[str, Any]]:
    """An adapter's weights and its settings. Raises GauchoError for another rank or strength than was asked for, or what does not load."""
    study = spec["study"] or {}
    ranks = {spec["rank"], *study.get("rank", ())}
    alphas = {spec["alpha"], *study.get("alpha", ())} - {None} or ranks
    weights, settings = Weights(), dict[str, Any]()
    try:
        for part in parts_of(folder):
            own, settings = read_part(folder, part)
            weights |= own
            if settings.get("r") not in ranks or settings.get("lora_alpha") not in alphas:
                raise does_not_load(folder, "its rank or its strength is not that of the specification")
    except GauchoError as error:
        raise GauchoError(str(error).replace(f"{folder}/", f"{file}: ")) from None
    return weights, settings


def _check_single_file(folder: Path, request: StageRequest, weights: Weights, settings: Mapping[str, Any], file: Path) -> None:
    """Raises GauchoError if what other programs read is another adapter than what this one reads, or leaves a licence or an author out."""
    from safetensors import SafetensorError, safe_open

    name = f"{request.concept}.safetensors"
    family = family_of(request.spec["base_model"], request.spec["revision"], LockFile(request.lock_file) if request.lock_file else None)
    wanted = single_file(family, weights, settings["r"], settings["lora_alpha"])
    try:
        with safe_open(folder / name, "pt") as opened:
            is_same = {*opened.keys()} == {*wanted} and all(_are_equal(opened.get_tensor(key), each) for key, each in wanted.items())
            metadata = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise GauchoError(_("{file}: {name} cannot be read ({error})", file=file, name=name, error=first_line(error))) from None
    if not is_same:
        raise GauchoError(_("{file}: {name} holds other weights than its adapter", file=file, name=name))
    licenses, authors = metadata.get("modelspec.license", "").split(", "), metadata.get("modelspec.author", "")
    for row in read_rows(folder / "train.jsonl", TrainImage):
        if row.license not in licenses or row.author not in authors:
            raise GauchoError(_("{file}: {name} does not credit image {sha}", file=file, name=name, sha=row.sha256[:12]))


def _are_equal(one: Any, other: Any) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())


def _check_attribution(path: Path, rights: Mapping[str, CuratedImage], request: StageRequest, file: Path) -> None:
    """Raises GauchoError for credits that are no such table, would run in a spreadsheet, or say otherwise than the curated set.

    Images that are not of the set are the user's own of the class, where the specification names some, with the rights that it says.
    """
    own_class = _class_credit(request)
    text = path.read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows or tuple(rows[0]) != ATTRIBUTION_COLUMNS:
        raise GauchoError(_("{file}: {name} is no table of credits", file=file, name=path.name))
    for cells in rows[1:]:
        if len(cells) != len(ATTRIBUTION_COLUMNS) or any(inert(cell) != cell for cell in cells):
            raise GauchoError(_("{file}: {name} holds a cell that a spreadsheet would run", file=file, name=path.name))
        credited = dict(zip(ATTRIBUTION_COLUMNS, cells, strict=True))
        own, where, sha = rights.get(credited["sha256"]), f"{file}: {path.name}", credited["sha256"][:12]
        if own is None and own_class is None:
            raise GauchoError(_("{where}: image {sha} is not of the curated set", where=where, sha=sha))
        wanted = {name: getattr(own, name) for name in _CREDITED} if own else own_class or {}
        for name, value in wanted.items():
            if credited[name] != inert(value):
                raise GauchoError(_("{where}: says another {name} of image {sha}", where=where, name=name, sha=sha))


def _class_credit(request: StageRequest) -> dict[str, str] | None:
    """What the user's own images of the class are credited as, where the training that is behind it learned from some."""
    if request.asset in (CHECKPOINT.name, COLLECTION.name):
        spec: Mapping[str, Any] = request.spec
    else:
        spec = read_manifest(request.inputs[CHECKPOINT.name]).provenance.spec
    given = (spec.get("class_images") or {}) if spec.get("prior") == "class_images" else {}
    if not given.get("folder"):
        return None
    rights = parse_license(given["license"])
    return {"author": given["author"] or "", "source": given["source"] or "", "license": rights.id, "license_url": rights.url or ""}
