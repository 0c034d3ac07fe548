"""The chain: what each asset is made from, the fingerprint that follows, and whether it is fresh, stale or missing.

Files alone decide here; Dagster and the command line both ask this module. What the stages do is in the stages.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import Artifact, MadeFrom, Store
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import Concept, Concepts
from gaucho_pipeline.concepts_file import load_concepts
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.soundness import judge

ASSETS = ("raw_crawl", "curated_set", "checkpoint", "sample_gallery")
SITE = "gallery_site"
ALL = "all"
"""Stands for the concept where an artifact is of all of them."""

STAGE_OF = {"raw_crawl": "crawl", "curated_set": "curation", "checkpoint": "training", "sample_gallery": "gallery"}
INPUT_OF: dict[str, str | None] = {
    "raw_crawl": None,
    "curated_set": "raw_crawl",
    "checkpoint": "curated_set",
    "sample_gallery": "checkpoint",
}
CODE_VERSIONS = {"raw_crawl": "2", "curated_set": "3", "checkpoint": "2", "sample_gallery": "2", SITE: "1"}
"""Raised by hand when a stage's code makes something else of the same input."""


class Request(BaseModel):
    """What a stage program is asked to do: `python -m gaucho_pipeline.<stage> REQUEST.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asset: str = Field(description="The asset to make")
    concept: str = Field(description="The concept's slug; 'all' for the site")
    title: str = Field("", description="The concept's name, for pages; another name makes nothing anew")
    made_from: MadeFrom = Field(description="The specification and the versions of what is read")
    fingerprint: str | None = Field(description="Hash of made_from; None for raw_crawl, which is named by what it holds")
    inputs: dict[str, Path] = Field(description="The folders to read, by asset, or by concept for the site")
    data: Path = Field(description="The data folder")
    names: Path | None = Field(None, description="The file beside concepts.yaml that keeps the ids of names")
    force: bool = Field(False, description="Make it anew although it stands")

    @property
    def spec(self) -> dict[str, Any]:
        return self.made_from.spec


@dataclass(frozen=True)
class State:
    """Whether an artifact is up to date, and why not."""

    state: Literal["fresh", "stale", "missing"]
    reasons: tuple[str, ...] = field(default=())


class Project:
    """A concepts file and a data folder, as they are at this moment. Raises ConfigError if the file has a mistake."""

    def __init__(self, concepts_file: Path, data: Path) -> None:
        self.concepts_file, self.store = concepts_file, Store(data.resolve())
        self._versions: dict[tuple[str, str], str] = {}

    @classmethod
    def from_environment(cls) -> Project:
        """The project that GAUCHO_CONCEPTS and GAUCHO_DATA name."""
        return cls(Path(os.environ.get("GAUCHO_CONCEPTS", "concepts.yaml")), Path(os.environ.get("GAUCHO_DATA", "data")))

    @cached_property
    def concepts(self) -> Concepts:
        return load_concepts(self.concepts_file)

    @property
    def slugs(self) -> list[str]:
        return list(self.concepts.concepts)

    def concept(self, slug: str) -> Concept:
        """Raises ConfigError if the file has no such concept."""
        try:
            return self.concepts.concepts[slug]
        except KeyError:
            raise ConfigError(f"{self.concepts_file}: there is no concept {slug!r}; there are {', '.join(self.slugs)}") from None

    def spec_version(self, asset: str, slug: str) -> str:
        """The data version of the specification of an asset of a concept."""
        key = (asset, slug)
        if key not in self._versions:
            self._versions[key] = self.concept(slug).spec_version(STAGE_OF[asset])
        return self._versions[key]

    # -------------------------------------------------------------------------------------------- what is made from what

    def made_from(self, asset: str, slug: str) -> MadeFrom:
        """What the asset would be made from now. Raises GauchoError if its input is missing."""
        concept = self.concept(slug)
        inputs = {name: artifact.manifest.data_version for name, artifact in self.inputs(asset, slug).items()}
        base = None
        if asset in ("checkpoint", "sample_gallery"):
            base = base_models.identity(concept.training.base_model, concept.training.revision)
        return MadeFrom(
            spec_version=self.spec_version(asset, slug),
            spec=concept.spec(STAGE_OF[asset]),
            inputs=inputs,
            code_version=CODE_VERSIONS[asset],
            base_model=base,
        )

    def inputs(self, asset: str, slug: str) -> dict[str, Artifact]:
        name = INPUT_OF[asset]
        if name is None:
            return {}
        artifact = self.store.current(name, slug)
        if artifact is None:
            raise GauchoError(f"{asset} of {slug} needs {name}, which is missing; run: gaucho run {slug} --select {asset}")
        return {name: artifact}

    def check_inputs(self, asset: str, slug: str) -> None:
        """Raises GauchoError if what the asset is made from is not fit for it, whoever made it and whenever."""
        for name, artifact in self.inputs(asset, slug).items() if asset != SITE else ():
            judgement = judge(artifact)
            if not judgement.is_fit:
                raise GauchoError(f"{name} of {slug} is not fit for {asset}: {judgement.text}")

    def site_made_from(self) -> MadeFrom:
        """What the site would be made from: the galleries that there are, in the file's order."""
        galleries = self.galleries()
        names = [[slug, concept.name.model_dump() if (concept := self.concept(slug)).name else None] for slug in galleries]
        spec: dict[str, Any] = {"concepts": names}
        inputs = {slug: gallery.manifest.data_version for slug, gallery in galleries.items()}
        return MadeFrom(spec_version=digest(spec), spec=spec, inputs=inputs, code_version=CODE_VERSIONS[SITE])

    def galleries(self) -> dict[str, Artifact]:
        found = {slug: self.store.current("sample_gallery", slug) for slug in self.slugs}
        return {slug: artifact for slug, artifact in found.items() if artifact is not None and judge(artifact).is_fit}

    def request(self, asset: str, slug: str, force: bool = False) -> Request:
        """What to ask of the stage that makes the asset. Raises GauchoError if its input is missing."""
        if asset == SITE:
            made_from, inputs = self.site_made_from(), self.galleries()
            if not inputs:
                raise GauchoError("gallery_site needs at least one sample_gallery; run: gaucho run")
        else:
            made_from, inputs = self.made_from(asset, slug), self.inputs(asset, slug)
        return Request(
            asset=asset,
            concept=slug,
            title=name.pt if asset != SITE and (name := self.concept(slug).name) else "",
            made_from=made_from,
            fingerprint=None if asset == "raw_crawl" else fingerprint(asset, slug, made_from),
            inputs={name: artifact.folder for name, artifact in inputs.items()},
            data=self.store.root,
            names=self.concepts_file.resolve().with_suffix(".lock.json") if asset == "raw_crawl" else None,
            force=force,
        )

    # -------------------------------------------------------------------------------------------- what is up to date

    def state(self, asset: str, slug: str = ALL) -> State:
        """Whether the asset that stands is what would be made now, of the inputs that stand now.

        As in Dagster's own view, an input that is stale itself makes nothing stale before it has changed: it may come out the same.
        """
        current = self.store.current(asset, slug)
        if current is None:
            return State("missing", ("never made",))
        try:
            now = self.site_made_from() if asset == SITE else self.made_from(asset, slug)
        except GauchoError as error:
            return State("stale", (str(error),))
        reasons = _differences(current.manifest.made_from, now)
        return State("stale", tuple(reasons)) if reasons else State("fresh")


def fingerprint(asset: str, slug: str, made_from: MadeFrom) -> str:
    """The name of the artifact that comes out of this."""
    return digest({"asset": asset, "concept": slug, "made_from": made_from.model_dump(mode="json")})


def _differences(then: MadeFrom, now: MadeFrom) -> list[str]:
    found = []
    if then.spec_version != now.spec_version:
        keys = [key for key in {**then.spec, **now.spec} if then.spec.get(key) != now.spec.get(key)]
        found.append(f"{', '.join(keys)} changed" if keys else "the files of a folder changed")
    for name in {**then.inputs, **now.inputs}:
        if then.inputs.get(name) != now.inputs.get(name):
            found.append(
                f"{name} is new" if name not in then.inputs else f"{name} is gone" if name not in now.inputs else f"{name} changed"
            )
    if then.code_version != now.code_version:
        found.append("the code that makes it changed")
    if then.base_model != now.base_model:
        found.append("the base model changed")
    return found
