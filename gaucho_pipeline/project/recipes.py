"""What an asset of a concept would be made from now: its specification, its code, its base model, its inputs. Pure.

What exists is in `standing.py`; that a file was read, a hub asked or a folder hashed for it, in `project.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gaucho_pipeline.assets.table import ASSETS, Asset
from gaucho_pipeline.concepts.part import OtherInput
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.project.standing import Standing
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.spec import JsonObject
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Provenance


@dataclass(frozen=True)
class Recipe:
    """All that shapes an artifact, but for its inputs."""

    asset: Asset
    spec_version: str
    spec: JsonObject
    """As its version has it."""
    code_version: str
    base_model: dict[str, str | None] | None = None
    others: tuple[OtherInput, ...] = ()
    """What it needs of other concepts."""
    answers: str = ""
    """Of a judgement: stands for the answers that there are."""
    pinned: Artifact | None = None
    """The artifact that is to stay, whatever it would be made from now."""


def inputs_of(recipe: Recipe, standing: Standing) -> dict[str, Artifact]:
    """What an artifact would be made from, by asset; of other concepts, by `asset/concept`. Raises GauchoError if something is missing."""
    name, slug = recipe.asset.name, standing.concept
    found = {}
    for asset in recipe.asset.inputs:
        if asset not in standing.artifacts:
            raise GauchoError(
                _(
                    "{name} of {slug} needs {asset}, which is missing; run: gaucho run {slug} --select {name}",
                    name=name,
                    slug=slug,
                    asset=asset,
                )
            )
        found[asset] = standing.artifacts[asset]
    for each in recipe.others:
        artifact = standing.others[each]
        if artifact is None:
            raise GauchoError(
                _(
                    "{name} of {slug} needs {asset} of {concept}; run: gaucho run {concept} --select {asset}",
                    name=name,
                    slug=slug,
                    asset=each.asset,
                    concept=each.concept,
                )
            )
        found[f"{each.asset}/{each.concept}"] = artifact
    return found


def provenance_of(recipe: Recipe, standing: Standing) -> Provenance:
    """What an artifact would be made from now. Raises GauchoError if an input is missing."""
    if recipe.pinned:
        return recipe.pinned.manifest.provenance
    now = Provenance(
        spec_version=recipe.spec_version,
        spec=recipe.spec,
        inputs={name: artifact.manifest.data_version for name, artifact in inputs_of(recipe, standing).items()}
        | ({"answers": recipe.answers} if recipe.answers else {}),
        code_version=recipe.code_version,
        base_model=recipe.base_model,
    )
    return _but_for_credits(recipe.asset, now, standing)


def _but_for_credits(asset: Asset, now: Provenance, standing: Standing) -> Provenance:
    """What an artifact was made from, where nothing but the credits of its images has changed since; else what it would be made from."""
    recorded = standing.same_content.get(asset.name)
    then = standing.artifacts[asset.name].manifest.provenance if recorded else now
    return then if now.model_copy(update={"inputs": now.inputs | dict(recorded or {})}) == then else now


def check_agreement(recipe: Recipe, standing: Standing) -> None:
    """Raises GauchoError if two inputs of an artifact do not belong together: one was made from another version of the other."""
    inputs = inputs_of(recipe, standing)
    for name in recipe.asset.inputs:
        recorded = inputs[name].manifest.provenance.inputs
        for other in (each for each in ASSETS[name].inputs if each in recipe.asset.inputs):
            if recorded.get(other) != inputs[other].manifest.data_version:
                remedy = f"run: gaucho run {standing.concept} --select {recipe.asset.name}"
                raise GauchoError(
                    _(
                        "{name} of {concept} was drawn with another {other}; {remedy}",
                        name=name,
                        concept=standing.concept,
                        other=other,
                        remedy=remedy,
                    )
                )


def check_pinned(found: Artifact | None, recipe: Recipe, slug: str, named: str, words: ConceptWords) -> None:
    """Raises GauchoError if an artifact that a concept is to stay with is not there, or was made of something else. `named`: which."""
    key, asset = f"{recipe.asset.part}.pinned", recipe.asset.name
    if found is None:
        raise GauchoError(
            _("{key}: no {asset} {named} of {slug} stands; see: gaucho compare {slug}", key=key, asset=asset, named=named, slug=slug)
        )
    if found.manifest.training_spec().words != words:
        raise GauchoError(
            _("{key}: {named} of {slug} was trained with another token, class noun or kind of subject", key=key, named=named, slug=slug)
        )
    if found.manifest.provenance.base_model != recipe.base_model:
        raise GauchoError(_("{key}: {named} of {slug} was trained on another base model", key=key, named=named, slug=slug))
