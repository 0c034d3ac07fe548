"""Crawls of one concept, by the stage's own program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaucho_pipeline.assets.metrics import RawCrawlMetrics
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Manifest
from gaucho_pipeline_tests.conftest import write_concepts
from gaucho_pipeline_tests.programs import run_stage

SLUG = "galah"


def concept_of(*sources: dict[str, Any], **crawl: object) -> dict[str, object]:
    """A concept with these sources and these keys of its crawl."""
    return {"token": "mtl", "class_noun": "bird", "crawl": {"sources": list(sources)} | crawl}


def openverse(query: str, address: str) -> dict[str, Any]:
    return {"openverse": {"query": query, "endpoint": f"{address}/v1/images/"}}


def urls(*addresses: str) -> dict[str, Any]:
    return {"urls": {"addresses": list(addresses), "license": "cc-by-4.0", "author": "João Araújo", "source": "https://example.org/acervo"}}


@dataclass(frozen=True)
class Crawled:
    """What a crawl left, and what it said."""

    project: Project
    artifact: Artifact | None
    said: str

    @property
    def last_words(self) -> str:
        return self.said.strip().splitlines()[-1]

    @property
    def folder(self) -> Path:
        assert self.artifact, self.said
        return self.artifact.folder

    @property
    def manifest(self) -> Manifest:
        assert self.artifact, self.said
        return self.artifact.manifest

    @property
    def metrics(self) -> RawCrawlMetrics:
        metrics = self.manifest.metrics
        assert isinstance(metrics, RawCrawlMetrics)
        assert metrics.found == metrics.kept + sum(metrics.refused.values()) + sum(metrics.failed.values())
        return metrics

    def table(self, name: str) -> list[dict[str, Any]]:
        return read_table(self.folder / f"{name}.jsonl")

    def reasons(self) -> dict[str, str]:
        """Why each address that was not kept was not, by the end of its address."""
        return {row["url"].rpartition("/")[2]: row["reason"] for row in (*self.table("failed"), *self.table("refused"))}


def crawl_once(folder: Path, concept: dict[str, object], **variables: str) -> Crawled:
    """Crawls a concept; a second time in the same folder is a second crawl."""
    folder.mkdir(exist_ok=True)
    project = Project(write_concepts(folder / "concepts.yaml", {SLUG: concept}), folder / "data")
    said = run_stage(project, "raw_crawl", SLUG, folder / "request", **variables).stderr
    return Crawled(project, project.store.current("raw_crawl", SLUG), said)
