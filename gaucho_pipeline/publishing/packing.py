"""Work that is done elsewhere: `gaucho pack` writes one file with all that a stage needs, `gaucho unpack` takes the finished artifact in.

A pack holds the request, the artifacts it reads, this program, and how to run it on any machine with Python (`packed/run.py`, and the same
as a notebook). What comes back is held against what would be asked for now, as if it had been made here.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import islice
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

import gaucho_pipeline
from gaucho_pipeline.assets.table import ASSETS, CHECKPOINT, COLLECTION_EVALUATION, CURATED_SET
from gaucho_pipeline.concepts.collection import TaughtTogether
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.digests import file_digest
from gaucho_pipeline.files.inside import file_inside, files_inside
from gaucho_pipeline.files.writing import write_atomically, written_atomically
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.site import collection_of
from gaucho_pipeline.project.states import differences
from gaucho_pipeline.publishing.arrivals import check_arrival
from gaucho_pipeline.publishing.arriving_card import card_of
from gaucho_pipeline.publishing.places import base_model_of, in_pack, places_of, read_places, renamed, without_places
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.manifest import MANIFEST, Manifest, read_manifest
from gaucho_pipeline.store.remote import MAX_TABLE_BYTES
from gaucho_pipeline.store.soundness import blocked_by

_SOURCE = Path(gaucho_pipeline.__file__).parent
CARD = "README.md"
_MAX_BYTES, _MAX_ENTRIES = 100 * 2**30, 100_000
_NOTEBOOK = (
    ("markdown", "# {asset} of {concept}\n\nOn a machine with a GPU. Put the pack beside this notebook, then run every cell; `done.tar` is "
     "what goes home."),
    ("code", "!mkdir -p work && tar --extract --file {file} --directory work"),
    ("code", "!pip install --quiet -r work/requirements.txt"),
    ("code", "!python work/run.py"),
    ("markdown", "Download `work/done.tar`, and run where the project is: `gaucho unpack done.tar`."),
)  # fmt: skip
_README = """# {asset} of {concept}

All that is needed to make it: the request, what it reads, and the program (version {version}). On a machine with Python 3.11 to 3.13, and
best with a GPU:

    tar --extract --file {file} --one-top-level=work
    pip install -r work/requirements.txt
    python work/run.py

The same as a notebook for a rented machine: run.ipynb. What was interrupted goes on where it stopped, run again. It ends with
work/done.tar: take it home, and run there

    gaucho unpack done.tar

{model}
"""


def pack(project: Project, slug: str, asset: str, file: Path, with_model: bool = False) -> int:
    """Writes a pack of one stage of a concept; returns its bytes.

    Raises GauchoError if an input is missing or not fit, ConfigError for what is made elsewhere with no sense.
    """
    _check_is_packed(project, slug, asset)
    project.recognise(slug)
    request = project.request(asset, slug)
    project.check_inputs(asset, slug)
    if request.cached():
        raise GauchoError(_("{asset} of {slug} exists already, as it would be made now", asset=asset, slug=slug))
    names, model = places_of(request), base_model_of(request)
    left_out = {path for path in names if path == model and not with_model}
    about: dict[str, Any] = {
        "program": ASSETS[asset].program,
        "version": version("gaucho-pipeline"),
        "paths": {name: in_pack(name) for name in names.values()},
        "model": names.get(model, model),
        "inputs": {name: folder.relative_to(project.store.root).as_posix() for name, folder in request.inputs.items()},
    }
    where = f"The base model is not in it: put it on that machine, and name its folder by GAUCHO_MODEL ({Path(model).name})."
    words = {"asset": asset, "concept": slug, "file": file.name, "version": str(about["version"]), "model": where if left_out else ""}
    with written_atomically(file) as part, tarfile.open(fileobj=part, mode="w", dereference=True) as tar:  # no link is left
        for name, text in (
            ("README.md", _README.format(**words)), ("pack.json", json.dumps(about, indent=1)), ("requirements.txt", _requirements()),
            ("request.json", _anonymous_request(request, names).model_dump_json(indent=1)), ("run.ipynb", _notebook(words)),
        ):  # fmt: skip
            _add_text(tar, name, text)
        tar.add(_SOURCE / "packed" / "run.py", "run.py", filter=_anonymous)
        tar.add(_SOURCE, "source/gaucho_pipeline", filter=lambda entry: None if "__pycache__" in entry.name else _anonymous(entry))
        for folder in request.inputs.values():
            _add_artifact(tar, folder, f"data/{folder.relative_to(project.store.root).as_posix()}", names)
        for path in read_places(request) - left_out:
            _add_files(tar, Path(path), in_pack(names[path]))
    return file.stat().st_size


def _check_is_packed(project: Project, slug: str, asset: str) -> None:
    """Raises ConfigError for what is not made elsewhere: it goes into no pack, and comes out of none."""
    if not ASSETS[asset].on_base_model or asset == COLLECTION_EVALUATION.name:
        raise ConfigError(_("{asset}: is made here in no time; checkpoint, sample_gallery and evaluation can be packed", asset=asset))
    if asset == CHECKPOINT.name and isinstance(training := project.subject(slug).training, TaughtTogether):
        raise ConfigError(
            _(
                "{slug} is taught in the collection {collection}; run: gaucho pack {collection}",
                slug=slug,
                collection=training.collection,
            )
        )


def unpack(project: Project, file: Path) -> Artifact:
    """Takes a finished artifact in. Raises GauchoError if it is not what would be asked for now, or not whole."""
    folder = project.store.root / ".fetching"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacked-") as name:
        manifest = _extract(file, Path(name))
        slug, asset = manifest.concept, manifest.asset
        project.subject(slug)
        _check_is_packed(project, slug, asset)
        project.recognise(slug)
        request = project.request(asset, slug)
        manifest = _of_here(manifest, request, file)
        unpacked = Artifact(Path(name), manifest)
        if not manifest.files:
            raise GauchoError(_("{file}: does not say what it holds; pack it again with this version", file=file))
        if damaged := [*unpacked.damaged(), *unpacked.unexpected_files()]:
            raise GauchoError(_("{file}: {damaged} is not what was written there", file=file, damaged=damaged[0]))
        check_arrival(unpacked, request, _curated_sets(project, request), file)
        if reason := _unfit(unpacked):
            raise GauchoError(f"{file}: {reason}")
        if unpacked.holds(Forgotten(project.forgotten_file).sha256):
            raise GauchoError(_("{file}: holds an image that was forgotten, or was made from it", file=file))
        manifest = _with_own_card(unpacked, request)
        if standing := project.store.find(asset, slug, manifest.fingerprint):
            if _without_card(standing.manifest) != _without_card(manifest):
                text = _(
                    "{file}: {asset} of {slug} exists already, and is another; nothing was replaced", file=file, asset=asset, slug=slug
                )
                raise GauchoError(text)
            project.store.set_current(standing)
            return standing
        whole = Path(name).with_name(f"{manifest.fingerprint}-unpacked")
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(name, whole)
        return project.store.publish(whole, manifest)


def _with_own_card(artifact: Artifact, request: StageRequest) -> Manifest:
    """The manifest of an artifact whose card, where it has one, was written anew here."""
    manifest = artifact.manifest
    if CARD not in manifest.files:
        return manifest
    card = card_of(artifact, request)
    write_atomically(artifact.folder / CARD, card)
    return manifest.model_copy(update={"files": {**manifest.files, CARD: file_digest(artifact.folder / CARD)}})


def _without_card(manifest: Manifest) -> dict[str, str]:
    """The files of an artifact but for its card, which says the day's words."""
    return {name: sha256 for name, sha256 in manifest.files.items() if name != CARD}


def _curated_sets(project: Project, request: StageRequest) -> list[Path]:
    """The curated sets that an artifact goes back to, as they are here: one, or those of a collection."""
    if sets := [folder for name, folder in request.inputs.items() if name.partition("/")[0] == CURATED_SET.name]:
        return sets
    checkpoint = Artifact(request.inputs[CHECKPOINT.name], read_manifest(request.inputs[CHECKPOINT.name]))
    collection = collection_of(project.store, checkpoint)
    of_others = project.store.inputs_of(collection) if collection else []
    return [project.trained_on(checkpoint).folder, *(each.folder for each in of_others)]


def _unfit(artifact: Artifact) -> str:
    """Why nothing may be made from what came back; empty if something may."""
    try:
        return blocked_by(artifact)
    except Exception as error:  # whatever a library makes of files that others have written
        return f"cannot be read: {' '.join(str(error).split())}"


def _extract(file: Path, folder: Path) -> Manifest:
    try:
        with tarfile.open(file, "r:") as tar:  # plain: what is compressed is of any size
            every = list(islice(tar, _MAX_ENTRIES + 1))
            entries = [entry for entry in every if entry.name.startswith("artifact/")]
            is_too_much = len(every) > _MAX_ENTRIES or sum(entry.size for entry in entries) > _MAX_BYTES
            if is_too_much or not all(_may_be_extracted(entry) for entry in entries):
                raise GauchoError(_("{file}: holds what no artifact holds", file=file))
            for entry in entries:
                entry.name = entry.name.removeprefix("artifact/")
            tar.extractall(folder, entries, filter="data")
        return Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(_("{file}: there is no such file, or no artifact in it", file=file)) from None
    except (NotADirectoryError, IsADirectoryError):  # one name for a file and for a folder
        raise GauchoError(_("{file}: holds what no artifact holds", file=file)) from None
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise GauchoError(_("{file}: is no finished pack ({error})", file=file, error=error)) from None


def _may_be_extracted(entry: tarfile.TarInfo) -> bool:
    """Whether it is a plain file of a size that its kind has, or a folder: a file with holes is of any size in no bytes."""
    limit = _MAX_BYTES if entry.name.endswith(".safetensors") else MAX_TABLE_BYTES
    return entry.isdir() or (entry.isfile() and not entry.issparse() and entry.size <= limit)


def _of_here(manifest: Manifest, request: StageRequest, file: Path) -> Manifest:
    """A manifest with the places of this machine. Raises GauchoError if the artifact is not what is asked for."""
    asset, slug = request.asset, request.concept
    packed = without_places(request.provenance, places_of(request))
    if manifest.fingerprint != request.fingerprint:
        why = "; ".join(differences(manifest.provenance, packed)) or "it was made from something else"
        raise GauchoError(
            _(
                "{file}: is not the {asset} of {slug} that would be made now: {why}; pack it again",
                file=file,
                asset=asset,
                slug=slug,
                why=why,
            )
        )
    if manifest.provenance not in (packed, request.provenance):  # packs of earlier versions hold the places themselves
        raise GauchoError(_("{file}: what it says that it was made from has another fingerprint", file=file))
    return manifest.model_copy(update={"provenance": request.provenance})


def _requirements() -> str:
    """What has to be installed there, as it is here; builds for one kind of machine are left to that machine."""
    lines = []
    for text in requires("gaucho-pipeline") or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            try:
                lines.append(f"{requirement.name}=={version(requirement.name).partition('+')[0]}")
            except PackageNotFoundError:
                continue
    return "\n".join(sorted(lines)) + "\n"


def _notebook(words: dict[str, str]) -> str:
    """A notebook (https://nbformat.readthedocs.io/en/latest/format_description.html)."""
    cells = []
    for number, (kind, text) in enumerate(_NOTEBOOK):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.format(**words)}
        cells.append(cell | ({"outputs": [], "execution_count": None} if kind == "code" else {}))
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def _add_artifact(tar: tarfile.TarFile, folder: Path, name: str, names: Mapping[str, str]) -> None:
    """Adds an artifact: the files that are its own, and a manifest that says nothing of this machine."""
    made = read_manifest(folder)
    for inner in sorted(made.files) or [inner for inner in files_inside(folder) if inner != MANIFEST]:
        if file := file_inside(folder, folder / inner):
            tar.add(file, f"{name}/{inner}", recursive=False, filter=_anonymous)
    anonymous = made.model_copy(update={"provenance": without_places(made.provenance, names)})
    _add_text(tar, f"{name}/{MANIFEST}", anonymous.to_json())


def _add_files(tar: tarfile.TarFile, place: Path, name: str) -> None:
    """Adds a file, or a folder's: each as a file of its own, but for hidden ones. Raises ConfigError for what leads out of the folder."""
    if not place.is_dir():
        tar.add(place.resolve(), name, recursive=False, filter=_anonymous)
        return
    for inner, file in files_inside(place).items():
        if not any(part.startswith(".") for part in inner.split("/")):  # a checkout's history, an editor's: nothing of them is read
            tar.add(file, f"{name}/{inner}", recursive=False, filter=_anonymous)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(_anonymous(entry), io.BytesIO(content))


def _anonymous_request(request: StageRequest, names: Mapping[str, str]) -> StageRequest:
    """Without the places of this machine."""
    changes = {
        "data": Path("data"),
        "inputs": {name: Path("data") / folder.relative_to(request.data) for name, folder in request.inputs.items()},
        "spec": renamed(request.spec, names),
        "provenance": without_places(request.provenance, names),
        "lock_file": None,
        "forgotten": None,
    }
    return request.model_copy(update=changes)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Says nothing of the person who packed it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


def told_size(file: Path) -> str:
    """How large a pack is, and by what it can be told from another."""
    return f"{file}: {file.stat().st_size / 1e6:.1f} MB, SHA-256 {file_digest(file)[:16]}"
