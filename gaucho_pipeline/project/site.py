"""What the site shows: of each concept that was evaluated, artifacts that were made from one another; and what the site is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gaucho_pipeline.assets.table import (
    CHECKPOINT,
    COLLECTION,
    COLLECTION_EVALUATION,
    CURATED_SET,
    EVALUATION,
    GALLERY_SITE,
    JUDGEMENT,
    SAMPLE_GALLERY,
    SAMPLE_SEQUENCE,
)
from gaucho_pipeline.concepts.concept import Concept, Concepts, SiteSpec
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.project.standing import differs_in_credits
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Provenance
from gaucho_pipeline.store.soundness import blocked_by
from gaucho_pipeline.store.store import Store


@dataclass(frozen=True)
class Shown:
    """What pages show of a concept: artifacts that were made from one another."""

    evaluation: Artifact
    gallery: Artifact
    checkpoint: Artifact
    sequence: Artifact | None = None
    """Where the concept has one, and it was drawn with that checkpoint."""
    judgement: Artifact | None = None
    """Where people judged it, these pictures or earlier ones."""
    corrected: Sequence[Artifact] = ()
    """The current sets, where they credit the images that were learned from otherwise than those that were trained on; its own first."""


@dataclass(frozen=True)
class ShownCollection:
    """What pages show of a collection: artifacts that were made from one another, and from what is shown of its concepts."""

    evaluation: Artifact
    collection: Artifact
    corrected: Sequence[Artifact] = ()
    """As of a concept."""


def collections_shown(store: Store, concepts: Concepts, shown: Mapping[str, Shown]) -> dict[str, ShownCollection]:
    """What may be shown of each collection that was evaluated: where all of its concepts are shown as they were then."""
    found = {}
    for slug, written in concepts.collections.items():
        evaluation = store.current(COLLECTION_EVALUATION.name, slug)
        members = [shown[concept] for concept in written.concepts if concept in shown]
        if evaluation is None or len(members) < len(written.concepts):
            continue
        versions = {f"{EVALUATION.name}/{each.evaluation.manifest.concept}": each.evaluation.manifest.data_version for each in members}
        learned = members[0].checkpoint.manifest.provenance.inputs.get(f"{COLLECTION.name}/{slug}")
        collection = store.find_version(COLLECTION.name, slug, learned) if learned else None
        if collection and versions == evaluation.manifest.provenance.inputs:
            found[slug] = ShownCollection(evaluation, collection, corrected_sets(store, collection))
    return found


def shown_of(store: Store, concepts: Mapping[str, Concept]) -> dict[str, Shown]:
    """What may be shown of each concept that was evaluated: the evaluation, and what it was made from, however old."""
    found = {}
    for slug, concept in concepts.items():
        evaluation = store.current(EVALUATION.name, slug)
        if evaluation and (each := _shown(store, slug, concept, evaluation)):
            found[slug] = each
    return found


def _shown(store: Store, slug: str, concept: Concept, evaluation: Artifact) -> Shown | None:
    versions = evaluation.manifest.provenance.inputs
    gallery = store.find_version(SAMPLE_GALLERY.name, slug, versions[SAMPLE_GALLERY.name])
    checkpoint = store.find_version(CHECKPOINT.name, slug, versions[CHECKPOINT.name])
    if gallery is None or checkpoint is None or blocked_by(evaluation) or blocked_by(gallery):
        return None
    sequence = store.current(SAMPLE_SEQUENCE.name, slug) if concept.has(SAMPLE_SEQUENCE.part) else None
    is_of_it = sequence and sequence.manifest.provenance.inputs[CHECKPOINT.name] == checkpoint.manifest.data_version
    shown = sequence if is_of_it and sequence and not blocked_by(sequence) else None
    return Shown(evaluation, gallery, checkpoint, shown, store.current(JUDGEMENT.name, slug), corrected_sets(store, checkpoint))


def corrected_sets(store: Store, trained: Artifact) -> list[Artifact]:
    """The current sets, where they differ in credits alone from those that a checkpoint or a collection learned from.

    Of a checkpoint that was taken from a collection its own comes first, then those of the concepts that were taught with it.
    """
    found: dict[str, Artifact] = {}
    for name in trained.manifest.provenance.inputs:
        asset, _slash, other = name.partition("/")
        curated = store.current(CURATED_SET.name, other or trained.manifest.concept) if asset == CURATED_SET.name else None
        if curated and differs_in_credits(store, trained, curated, name):
            found[curated.manifest.concept] = curated
    if collection := collection_of(store, trained):
        found |= {each.manifest.concept: each for each in corrected_sets(store, collection) if each.manifest.concept not in found}
    return list(found.values())


def collection_of(store: Store, checkpoint: Artifact) -> Artifact | None:
    """What the collection had learned that a checkpoint was taken from; None where it is of none, or that is gone."""
    return store.find_version(COLLECTION.name, *checkpoint.manifest.taught_in) if checkpoint.manifest.taught_in else None


def others_learned(store: Store, checkpoint: Artifact) -> list[str] | None:
    """The other concepts that a checkpoint's weights know, as its collection recorded them; None where that collection is gone."""
    if checkpoint.manifest.taught_in is None:
        return []
    collection = collection_of(store, checkpoint)
    names = (name.partition("/") for name in (collection.manifest.provenance.inputs if collection else ()))
    others = [other for asset, _slash, other in names if asset == CURATED_SET.name and other != checkpoint.manifest.concept]
    return others if collection else None


def site_inputs(shown: Mapping[str, Shown], collections: Mapping[str, ShownCollection]) -> dict[str, Artifact]:
    """What the site is made from, by `asset/concept`."""
    trained = {f"{COLLECTION_EVALUATION.name}/{slug}": each.evaluation for slug, each in collections.items()}
    stories = {f"{SAMPLE_SEQUENCE.name}/{slug}": each.sequence for slug, each in shown.items() if each.sequence}
    judged = {f"{JUDGEMENT.name}/{slug}": each.judgement for slug, each in shown.items() if each.judgement}
    corrected = [curated for each in shown.values() for curated in each.corrected]
    corrected += [curated for each in collections.values() for curated in each.corrected]
    credited = {f"{CURATED_SET.name}/{curated.manifest.concept}": curated for curated in corrected}
    return {f"{EVALUATION.name}/{slug}": each.evaluation for slug, each in shown.items()} | stories | judged | credited | trained


def also_read(shown: Mapping[str, Shown], collections: Mapping[str, ShownCollection]) -> dict[str, Artifact]:
    """What the site reads beside its inputs: what those were made from."""
    trained = {f"{COLLECTION.name}/{slug}": each.collection for slug, each in collections.items()}
    return {f"{part.manifest.asset}/{slug}": part for slug, each in shown.items() for part in (each.gallery, each.checkpoint)} | trained


def site_provenance(shown: Mapping[str, Shown], collections: Mapping[str, ShownCollection], concepts: Concepts) -> Provenance:
    """What the site would be made from: the evaluations that there are, in the file's order, and whose it is."""
    about = {slug: concepts.collections[slug].about() for slug in collections}
    spec = SiteSpec(concepts={slug: concepts.concepts[slug].about() for slug in shown}, collections=about, site=concepts.site).to_json()
    inputs = {name: artifact.manifest.data_version for name, artifact in site_inputs(shown, collections).items()}
    return Provenance(spec_version=digest(spec), spec=spec, inputs=inputs, code_version=GALLERY_SITE.code_version)


def removed_from_site(site: Artifact | None, slugs: Sequence[str]) -> list[str]:
    """The concepts that a site shows and the file no longer has."""
    return sorted(site.manifest.shown_concepts() - set(slugs)) if site else []
