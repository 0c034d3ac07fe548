"""Whether an artifact is up to date, and why not. Pure: what exists and what would be made now come in, a word and reasons go out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.project.recipes import Recipe, provenance_of
from gaucho_pipeline.project.standing import Standing
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Provenance

NOT_REQUESTED = "not asked for"
"""The version, in Dagster, of what a concept does not request."""


@dataclass(frozen=True)
class State:
    """Whether an artifact is up to date, and why not."""

    state: Literal["fresh", "waiting", "stale", "missing"]
    """`waiting`: made from what exists now, and that is not up to date itself."""
    reasons: tuple[str, ...] = field(default=())


def states_of(
    standing: Standing, recipes: Mapping[str, Recipe | GauchoError], awaited: Mapping[str, Mapping[str, State]]
) -> dict[str, State]:
    """Whether each asset of a concept is up to date, in the order of the chain.

    `recipes`: by asset; an error where what it would be made from is not known. `awaited`: by asset, the states of other concepts'
    artifacts that it waits for, by their names.
    """
    found: dict[str, State] = {}
    for name, recipe in recipes.items():
        if isinstance(recipe, GauchoError):
            found[name] = _without_recipe(standing, name, recipe)
            continue
        above = {} if recipe.pinned else {each: found[each] for each in recipe.asset.inputs}
        found[name] = _state(name, standing, recipe, above | dict(awaited.get(name, {})))
    return found


def _without_recipe(standing: Standing, name: str, error: GauchoError) -> State:
    return State("stale", (str(error),)) if name in standing.artifacts else _missing(standing, name)


def _missing(standing: Standing, name: str) -> State:
    return State("missing", (standing.absence.get(name) or _("never made"),))


def _state(name: str, standing: Standing, recipe: Recipe, above: Mapping[str, State]) -> State:
    current = standing.artifacts.get(name)
    if current is None:
        return _missing(standing, name)
    try:
        now = provenance_of(recipe, standing)
    except GauchoError as error:
        return State("stale", (str(error),))
    return compared(current, now, above)


def compared(current: Artifact, now: Provenance, above: Mapping[str, State]) -> State:
    """Whether an artifact is what would be made now, of inputs whose states are given."""
    if reasons := differences(current.manifest.provenance, now):
        return State("stale", tuple(reasons))
    waits_for = tuple(f"{name} is {state.state}" for name, state in above.items() if state.state != "fresh")
    return State("waiting", waits_for) if waits_for else State("fresh")


def differences(then: Provenance, now: Provenance) -> list[str]:
    """In words, what something is made from now and was not then."""
    found = []
    if then.spec_version != now.spec_version:
        keys = [key for key in {**then.spec, **now.spec} if then.spec.get(key) != now.spec.get(key)]
        found.append(f"{', '.join(keys)} changed" if keys else "the files that it names changed")
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
