"""The manifest of an artifact: what it is, what it was made from, what was measured. Where artifacts are kept is in `store.py`."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationInfo, field_validator

from gaucho_pipeline.assets.metrics import Metrics
from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.files.digests import digest

SCHEMA_VERSION = 2


MANIFEST = "manifest.json"


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

    @field_validator("asset")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in ASSETS:
            raise ValueError(f"there is no asset {value!r}")
        return value

    @field_validator("metrics", mode="before")
    @classmethod
    def _of_the_asset(cls, value: Any, info: ValidationInfo) -> Any:
        return ASSETS[info.data["asset"]].metrics.model_validate(value) if "asset" in info.data else value


def fingerprint(asset: str, slug: str, provenance: Provenance) -> str:
    """The name of the artifact that comes out of this."""
    return digest({"asset": asset, "concept": slug, "provenance": provenance.model_dump(mode="json")})


@lru_cache(maxsize=20_000)
def _read_manifest(path: str, stamp: tuple[int, int, int]) -> Manifest:
    """A manifest, read once for as long as its file is the same."""
    return Manifest.model_validate_json(Path(path).read_text(encoding="utf-8"))


_FINGERPRINT = re.compile(r"[0-9a-zA-Z_-]{1,128}")
