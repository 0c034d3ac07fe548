"""Which pictures stay: filters first, then the best of each group of copies, then variety. A curator's word wins over all of it.

Pure: the same measures, specification and overrides give the same decisions, in whatever order they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.duplicates import alike, repeats
from gaucho_pipeline.curation.originals import originals_first
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import FILTERS, IRRELEVANT, NEAR_DUPLICATE, ImageDecision, first_failure

Phrases = tuple[str, ...]
"""What is said of a picture: where, in what light and from where it is seen, '' for what is not said."""
NO_CONTEXTS: Mapping[str, Phrases] = MappingProxyType({})
_AT_ONCE = 8192
_SCENE_BITS, _SCENE_CORRELATION, _SCENE_PLACES = 9, 0.85, 0.3
"""As `near_duplicate_distance` and `near_duplicate_correlation`, of pictures that must not be on both sides of the split."""
_DIGITS = 16


def choose(
    measures: Mapping[str, Measures],
    spec: CurationSpec,
    overrides: Mapping[str, Override] | None = None,
    relevance: Mapping[str, float] | None = None,
    without: str = "",
    begin: Callable[[int], Callable[[int], None]] = lambda count: lambda done: None,
    seen: Callable[[Sequence[str]], Mapping[str, Phrases]] = lambda names: {},
) -> dict[str, ImageDecision]:
    """A decision for each picture, by SHA-256 of its file.

    `relevance`: how likely each shows the concept, 0 to 1; one that was not judged passes. What a curator keeps is kept, also
    beyond max_images. `without`: the name of a filter to leave out. `begin`: called with the number of pictures that will be compared, it
    gives what is called with how many have been. `seen`: says where, in what light and from where pictures are seen, and is asked only
    where not all can stay. `measures` are read one by one, several times, and few are held at once.
    """
    decisions: dict[str, ImageDecision] = {}
    for sha in sorted(measures):
        override = (overrides or {}).get(sha)
        if override and override.decision:
            is_kept = override.decision == "keep"
            decisions[sha] = ImageDecision(is_kept, "" if is_kept else "dropped", by=override.by, why=override.why)
        elif failed := first_failure(measures[sha], spec, without):
            decisions[sha] = failed
        elif without != IRRELEVANT and relevance and spec.relevance and relevance.get(sha, 1.0) < spec.relevance.threshold:
            decisions[sha] = ImageDecision(False, IRRELEVANT, relevance[sha], spec.relevance.threshold)
    wanted = [sha for sha, decision in decisions.items() if decision.kept]
    candidates = [sha for sha in sorted(measures) if sha not in decisions]
    if without != NEAR_DUPLICATE:
        decisions |= _copies(wanted, candidates, measures, spec, begin)
    unique = [sha for sha in candidates if sha not in decisions]
    room = max(0, spec.max_images - len(wanted))
    contexts = seen([*wanted, *unique]) if len(unique) > room else {}
    chosen = set(farthest_point_sampling(unique, measures, room, near=wanted, contexts=contexts))
    within, beyond = ImageDecision(True), ImageDecision(False, "more than max_images", len(unique) + len(wanted), spec.max_images)
    return decisions | {sha: within if sha in chosen else beyond for sha in unique}


def if_relaxed(
    decisions: Mapping[str, ImageDecision],
    measures: Mapping[str, Measures],
    spec: CurationSpec,
    overrides: Mapping[str, Override],
    relevance: Mapping[str, float],
    begin: Callable[[int], Callable[[int], None]] = lambda count: lambda done: None,
) -> dict[str, int]:
    """How many would be kept if each filter that took something were left out, by its name: the most first.

    `decisions` are those of `choose`; `relevance` has to be known of what only one filter takes.
    """
    names = {v.reason for v in decisions.values() if not v.kept} & {IRRELEVANT, NEAR_DUPLICATE, *(each.name for each in FILTERS)}
    kept = {name: sum(v.kept for v in choose(measures, spec, overrides, relevance, name, begin).values()) for name in sorted(names)}
    return dict(sorted(kept.items(), key=lambda item: (-item[1], item[0])))


def scenes(images: Sequence[str], measures: Mapping[str, Measures], spec: CurationSpec) -> dict[str, str]:
    """Of images that stay, those that are nearly the same as others that stay, each with a name of what they have in common.

    They are copies that a curator asked for, or that looser thresholds let through, and photographs of one burst.
    """
    first = {sha: sha for sha in images}

    def root(sha: str) -> str:
        while first[sha] != sha:
            sha = first[sha]
        return sha

    radius = max(_SCENE_BITS, spec.near_duplicate_distance)
    for one, other in alike(list(images), measures, radius, _SCENE_CORRELATION, _SCENE_PLACES):
        first[max(root(one), root(other))] = min(root(one), root(other))
    roots = {sha: root(sha) for sha in images}
    several = {of for of, count in Counter(roots.values()).items() if count > 1}
    return {sha: of[:_DIGITS] for sha, of in roots.items() if of in several}


def _copies(
    wanted: list[str],
    candidates: list[str],
    measures: Mapping[str, Measures],
    spec: CurationSpec,
    begin: Callable[[int], Callable[[int], None]],
) -> dict[str, ImageDecision]:
    """Verdicts on those that repeat one that is better and stays, or one that a curator wants."""
    names = wanted + sorted(candidates, key=lambda sha: (*_worse(measures[sha]), sha))
    threshold = spec.near_duplicate_correlation
    found = repeats(names, measures, spec.near_duplicate_distance, threshold, wanted=len(wanted), tell=begin(len(names)))
    found = originals_first(found, measures, names, len(wanted))
    return {sha: ImageDecision(False, NEAR_DUPLICATE, repeat.correlation, threshold, repeat.of) for sha, repeat in found.items()}


def _worse(measures: Measures) -> tuple[float, float]:
    """Smaller is better: more pixels that show something, then sharper."""
    return -round(measures.pixels), -measures.sharpness


def farthest_point_sampling(
    names: list[str], measures: Mapping[str, Measures], count: int, near: list[str], contexts: Mapping[str, Phrases] = NO_CONTEXTS
) -> list[str]:
    """So many of the pictures, each as far as can be from those chosen before it (Gonzalez, 1985), beginning with the sharpest.

    `near` are pictures that are chosen already. Distance is that of the colours on an 8 x 8 grid; each phrase of `contexts` in which two
    pictures differ adds how far colours usually are from their mean.
    """
    if count >= len(names):
        return list(names)
    if count <= 0:
        return []
    order = sorted(names, key=lambda sha: (-measures[sha].sharpness, sha))
    colours = np.frombuffer(b"".join(measures[sha].colours for sha in order), np.uint8).reshape(len(order), -1)
    phrases = [contexts.get(sha, ()) for sha in order]
    weight = float(_distances(colours, colours.mean(axis=0)).mean()) if contexts else 0.0

    def from_(own: np.ndarray, words: Phrases) -> np.ndarray:
        differing = np.array([sum(one != other for one, other in zip(each, words, strict=False)) for each in phrases], np.float32)
        return _distances(colours, own) + weight * differing

    apart = np.full(len(order), np.inf, np.float32)
    for sha in near:
        apart = np.minimum(apart, from_(np.frombuffer(measures[sha].colours, np.uint8), contexts.get(sha, ())))
    chosen: list[int] = []
    while len(chosen) < count:
        place = int(np.argmax(apart))  # the first, so the sharpest, of those that are equally far
        chosen.append(place)
        apart = np.minimum(apart, from_(colours[place], phrases[place]))
        apart[place] = -1.0
    return [order[place] for place in chosen]


def _distances(colours: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Of (n, 192) from (192,) bytes, some at a time: as numbers they take four times the memory."""
    parts = (colours[start : start + _AT_ONCE].astype(np.float32) - one for start in range(0, len(colours), _AT_ONCE))
    return np.concatenate([np.linalg.norm(part, axis=1) for part in parts])
