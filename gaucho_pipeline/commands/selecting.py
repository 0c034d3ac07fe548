"""Which concepts and collections a run is about, and what it needs of others. What is made of them is decided in `run.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gaucho_pipeline.assets.table import COLLECTION, COLLECTION_EVALUATION, GALLERY_SITE
from gaucho_pipeline.project.project import Project


def requested(project: Project, named: Sequence[str], last: str) -> list[str]:
    """The concepts and collections that a run up to an asset is about: those that are named, else all that have the asset.

    With a collection go its concepts, where what is made of them is wanted. Raises ConfigError if one that is named has no such asset, or
    nobody has.
    """
    for slug in named:
        project.assets_of(slug, last)
    found = list(named) or [slug for slug in (*project.slugs, *project.concepts.collections) if project.has_asset(last, slug)]
    if not found:
        project.assets_of(project.slugs[0], last)
    if last in (GALLERY_SITE.name, COLLECTION_EVALUATION.name):
        found = [*(member for slug in found for member in project.concepts.concepts_of(slug)), *found]
    return list(dict.fromkeys(found))


def missing_others(project: Project, slugs: Iterable[str], last: str) -> dict[str, str]:
    """Assets of other concepts that some need and that were never made, by concept; collections are taught before."""
    needed = {each.concept: each.asset for slug in slugs if project.has_asset(last, slug) for each in project.other_inputs(slug, last)}
    return {other: asset for other, asset in needed.items() if asset != COLLECTION.name and project.store.current(asset, other) is None}
