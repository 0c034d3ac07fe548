"""The site as a stage: makes `gallery_site`, from all concepts that were evaluated.

Writes index.html and en.html, and for each concept a folder with its pages and all that they show.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gaucho_pipeline.assets.metrics import GallerySiteMetrics
from gaucho_pipeline.concepts.concept import SiteSpec
from gaucho_pipeline.errors import _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.pages.collection_content import collection_folders
from gaucho_pipeline.pages.content import ConceptFolders
from gaucho_pipeline.pages.rendering import write_site
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Writes the pages of the concepts that the request names."""
    spec = SiteSpec.model_validate(request.spec)
    concepts = [
        ConceptFolders(
            slug=slug,
            about=about,
            evaluation=request.inputs[f"evaluation/{slug}"],
            gallery=request.inputs[f"sample_gallery/{slug}"],
            checkpoint=request.inputs[f"checkpoint/{slug}"],
            sequence=request.inputs.get(f"sample_sequence/{slug}"),
            corrected=_corrected(slug, request.inputs),
            judgement=request.inputs.get(f"judgement/{slug}"),
        )
        for slug, about in spec.concepts.items()
    ]
    collections = [collection_folders(slug, about, spec.concepts, request.inputs) for slug, about in spec.collections.items()]
    write_site(staging, concepts, about=spec.site, collections=collections)
    reporter.info(_("the site shows {count} concepts", count=len(concepts)))
    version = digest([request.provenance.spec_version, request.provenance.inputs])
    return StageResult(data_version=version, metrics=GallerySiteMetrics(concepts=len(concepts)))


def _corrected(slug: str, inputs: Mapping[str, Path]) -> list[Path]:
    """The sets that credit what a concept learned from: its own, and where it was taught in a collection those of others."""
    own = f"curated_set/{slug}"
    is_together = (inputs[f"checkpoint/{slug}"] / "together.jsonl").exists()
    others = [path for name, path in inputs.items() if name.startswith("curated_set/") and name != own and is_together]
    return [*([inputs[own]] if own in inputs else []), *others]


if __name__ == "__main__":
    main(run)
