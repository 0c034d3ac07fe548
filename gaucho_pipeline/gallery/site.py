"""The site: one page that leads to every concept's gallery. A program: `python -m gaucho_pipeline.gallery.site REQUEST.json`.

Writes index.html, and for each concept a folder with a copy of its gallery, so that the folder can be served as it is.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from gaucho_pipeline.artifacts import MANIFEST, Manifest, write_atomically
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.gallery import pages
from gaucho_pipeline.metrics import GallerySiteMetrics
from gaucho_pipeline.pipeline import StageRequest
from gaucho_pipeline.stage import Reporter, StageResult, main


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Gathers the galleries that the request names."""
    concepts = []
    for slug, name in request.spec["concepts"]:
        gallery = request.inputs[slug]
        manifest = Manifest.model_validate_json((gallery / MANIFEST).read_text(encoding="utf-8"))
        shutil.copytree(gallery, staging / slug, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
        entry = {"slug": slug, "name": name or {"pt": slug, "en": None}, "metrics": manifest.metrics}
        concepts.append(entry | {"page": f"{slug}/index.html", "sheet": f"{slug}/contact_sheet.jpg"})
    write_atomically(staging / "index.html", pages.site_page(concepts))
    reporter.info(f"the site shows {len(concepts)} concepts")
    return StageResult(
        data_version=digest([request.provenance.spec_version, request.provenance.inputs]),
        metrics=GallerySiteMetrics(concepts=len(concepts)),
    )


if __name__ == "__main__":
    main(run)
