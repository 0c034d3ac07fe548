"""Whether an artifact is up to date, and why not. Pure: what exists and what would be made now come in, a word and reasons go out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gaucho_pipeline.store.manifest import Provenance

NOT_ASKED_FOR = "not asked for"
"""What stands in Dagster for the version of what a concept does not ask for."""


@dataclass(frozen=True)
class State:
    """Whether an artifact is up to date, and why not."""

    state: Literal["fresh", "waiting", "stale", "missing"]
    """`waiting`: made from what stands now, and that is not up to date itself."""
    reasons: tuple[str, ...] = field(default=())


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
