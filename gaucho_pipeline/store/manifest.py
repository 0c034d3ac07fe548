"""The manifest of an artifact: what it is, what it was made from, what was measured. Where artifacts are kept is in `store.py`."""

from __future__ import annotations

import contextlib
import json
import re
import unicodedata
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, ValidationInfo, field_validator, model_validator

from gaucho_pipeline.assets.metrics import Metrics
from gaucho_pipeline.assets.table import ASSETS, COLLECTION
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.prompts.templates import ConceptWords

SCHEMA_VERSION = 2


MANIFEST = "manifest.json"
DIGEST = "digest"
"""The key of the manifest's file that holds the digest of all others."""


Record = TypeVar("Record", bound=BaseModel)


class Provenance(BaseModel):
    """What an artifact is made from: everything that shapes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec_version: str = Field(description="Data version of the specification")
    spec: dict[str, Any] = Field(description="The specification as its version has it: resolved, without keys at their absent value")
    inputs: dict[str, str] = Field(description="Data versions of the artifacts it was made from, by asset")
    code_version: str = Field(description="Version of the stage's code")
    base_model: dict[str, str | None] | None = Field(None, description="Id, revision and digest of the base model")


class Manifest(BaseModel):
    """What an artifact says of itself. An artifact that has one is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(SCHEMA_VERSION, description="Version of this layout")
    asset: str = Field(description="Its name in the table of assets")
    concept: str = Field(description="The concept's slug; 'all' for the site")
    fingerprint: str = Field(description="Hash of what it was made from (of what it holds, for raw_crawl)")
    data_version: str = Field(description="Hash of what it holds")
    provenance: Provenance = Field(description="What it was made from")
    made_at: str = Field(description="When, in UTC, ISO 8601")
    seconds: float = Field(description="How long it took")
    metrics: SerializeAsAny[Metrics] = Field(description="What was counted and measured, as the asset's model has it")
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 of every file but this, by its path; none in older ones")

    @model_validator(mode="before")
    @classmethod
    def _leave_digest(cls, value: Any) -> Any:
        return _without_digest(value) if isinstance(value, dict) else value

    def to_json(self) -> str:
        """The text of its file, with a digest by which `gaucho fsck` sees whether it is still what was written."""
        value = json.loads(self.model_dump_json())
        return json.dumps(value | {DIGEST: digest(value)}, indent=1, ensure_ascii=False)

    @property
    def taught_in(self) -> tuple[str, str] | None:
        """Of a checkpoint that was taken from a collection: that collection's slug, and the data version of what it had learned."""
        named = ((name.partition("/"), version) for name, version in self.provenance.inputs.items())
        return next(((slug, version) for (asset, _slash, slug), version in named if asset == COLLECTION.name), None)

    def training_spec(self) -> TrainingRecord:
        """How it was taught, of a checkpoint. Raises GauchoError for what is none."""
        return self._read_spec(TrainingRecord)

    def taught_spec(self) -> TaughtRecord:
        """How it was taught, of a checkpoint or a collection. Raises GauchoError for what is neither."""
        return self._read_spec(TaughtRecord)

    def drawing_spec(self) -> DrawingRecord:
        """How it was drawn, of a gallery or a sequence. Raises GauchoError for what is neither."""
        return self._read_spec(DrawingRecord)

    def shown_concepts(self) -> frozenset[str]:
        """The slugs that a site shows; none for what is no site."""
        return frozenset(self.provenance.spec.get("concepts", ()))

    def _read_spec(self, of: type[Record]) -> Record:
        try:
            return of.model_validate(self.provenance.spec)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"{self.asset} of {self.concept}: its specification has no {'.'.join(map(str, first['loc']))}"
            raise GauchoError(
                _(
                    "{what}; it is of another version: gaucho run {concept} --select {asset} --force",
                    what=what,
                    concept=self.concept,
                    asset=self.asset,
                )
            ) from None

    @field_validator("asset")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in ASSETS:
            raise ValueError(f"there is no asset {value!r}")
        return value

    @field_validator("fingerprint")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not is_fingerprint(value):
            raise ValueError("is no name of an artifact")
        return value

    @field_validator("files")
    @classmethod
    def _are_inside(cls, value: dict[str, str]) -> dict[str, str]:
        folders = {place.as_posix() for name in value for place in PurePosixPath(name).parents}
        for name, sha256 in value.items():
            if name in folders or name == MANIFEST or not _is_path(name):
                raise ValueError(f"files: {name[:80]!r} is no path inside an artifact")
            if not _SHA256.fullmatch(sha256):
                raise ValueError(f"files: {name[:80]!r} has no SHA-256")
        return value

    @field_validator("metrics", mode="before")
    @classmethod
    def _of_the_asset(cls, value: Any, info: ValidationInfo) -> Any:
        return ASSETS[info.data["asset"]].metrics.model_validate(value) if "asset" in info.data else value


class TaughtRecord(BaseModel):
    """What others need to know of how a checkpoint or a collection was taught, but for its words."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    method: str
    base_model: str
    revision: str | None = None
    quantization: str | None = None
    precision: str | None = None
    resolution: int | None = None

    @property
    def computed(self) -> tuple[str | None, str | None]:
        """Quantization and precision: how the base model is loaded."""
        return self.quantization, self.precision


class TrainingRecord(TaughtRecord):
    """The same of a checkpoint."""

    token: str
    class_noun: str
    is_style: bool = False

    @property
    def words(self) -> ConceptWords:
        """What it was learned by, whatever the file says now."""
        return ConceptWords(self.token, self.class_noun, self.is_style)


class DrawingRecord(BaseModel):
    """What others need to know of how pictures were drawn."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    num_inference_steps: int
    guidance_scale: float
    size: int | None = None
    historical: bool = False


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact's folder. Raises GauchoError if it is none."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GauchoError(
            _("{folder}: is damaged, or of another version ({error})", folder=folder / MANIFEST, error=str(error).splitlines()[0])
        ) from None


def is_as_written(folder: Path) -> bool:
    """Whether the manifest of an artifact's folder holds what it gives the digest of; true of older ones, which give none."""
    value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return DIGEST not in value or value[DIGEST] == digest(_without_digest(value))


def _without_digest(value: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in value.items() if key != DIGEST}


def older_version(folder: Path) -> str:
    """Which older version wrote a manifest that cannot be read as one of this one's, in words; empty where none did, and it is damaged."""
    try:
        value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    asset = ASSETS.get(str(value.get("asset"))) if isinstance(value, dict) else None
    if asset is None:
        return ""
    layout, provenance = value.get("schema_version"), value.get("provenance")
    if isinstance(layout, int) and 0 < layout < SCHEMA_VERSION:
        return _("layout {number} of manifests, which is {now} now", number=layout, now=SCHEMA_VERSION)
    with contextlib.suppress(ValidationError):
        Manifest.model_validate(value)
        return ""  # it can be read: what is wrong with it is no matter of versions
    code = str(provenance.get("code_version")) if isinstance(provenance, dict) else ""
    if code.isdecimal() and asset.code_version.isdecimal() and int(code) < int(asset.code_version):
        return _("version {number} of {asset}, which is {now} now", number=code, asset=asset.name, now=asset.code_version)
    return ""


def fingerprint(asset: str, slug: str, provenance: Provenance) -> str:
    """The name of the artifact that comes out of this."""
    return digest({"asset": asset, "concept": slug, "provenance": provenance.model_dump(mode="json")})


@lru_cache(maxsize=20_000)
def _read_manifest(path: str, stamp: tuple[int, int, int]) -> Manifest:
    """A manifest, read once for as long as its file is the same."""
    return Manifest.model_validate_json(Path(path).read_text(encoding="utf-8"))


def _is_path(name: str) -> bool:
    """Whether a name is a path inside a folder, as every disk has it."""
    parts = name.split("/")
    is_inside = all(part not in ("", ".", "..") and len(part.encode(errors="surrogateescape")) <= _MAX_PART for part in parts)
    return is_inside and len(parts) <= _MAX_PARTS and not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name)


_FINGERPRINT = re.compile(r"(?!current)[0-9a-zA-Z_-]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_PART, _MAX_PARTS = 255, 20


def is_fingerprint(name: str) -> bool:
    """Whether a text may name an artifact: one that is no path, and not `current`, which is beside them."""
    return _FINGERPRINT.fullmatch(name) is not None
