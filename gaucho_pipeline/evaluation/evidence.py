"""What a verdict follows from, gathered from the scores and the encoders' vectors, and what is said beside its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gaucho_pipeline.assets.checks import CLASS_NOUN_DRIFT
from gaucho_pipeline.assets.metrics import Aside, AttributeScore, CheckpointMetrics, Score, Share
from gaucho_pipeline.assets.rows import Picture
from gaucho_pipeline.assets.verdicts import SUBJECT_SCORERS, Word
from gaucho_pipeline.evaluation.attributes import missing
from gaucho_pipeline.evaluation.features import Material, Seen, held_against
from gaucho_pipeline.evaluation.shares import Estimate, Shares, found_again, shares
from gaucho_pipeline.evaluation.verdict import (
    ENOUGH_PICTURES,
    MAX_COPIED,
    MIN_SEPARATION,
    MIN_VARIETY,
    MIN_WORKS_OF_OTHERS,
    Evidence,
    pictures_needed,
)
from gaucho_pipeline.scorers import SCORERS
from gaucho_pipeline.scorers.base import Vectors

MAX_SEEDS = 40
"""Of a gallery, that are proposed."""


def evidence_of(
    scores: Mapping[str, Score], seen: Mapping[str, Seen], material: Material, loss_fell: Word | None, copies: int, drawn: int
) -> Evidence:
    """What the verdict follows from, by the best encoder whose figure of the subject was asked for."""
    name = next((each for each in SUBJECT_SCORERS if each in scores), None)
    real = len(held_against(len(material.real())))
    own = seen[SCORERS[name].encoder or ""] if name and real >= 2 and len(material.rows) >= 2 else None
    is_style = bool(own and own.subject.works_of_others is not None)
    if is_style and len(material.look_alikes) < MIN_WORKS_OF_OTHERS:
        own = None
    return Evidence(
        shares=shares(own.subject) if own else None,
        subject=scores[name] if name else None,
        real_images=real,
        found_again=_found_again(own) if own else None,
        loss_fell=loss_fell,
        adherence=scores.get("adherence") if len(material.rows) >= ENOUGH_PICTURES else None,
        copies=copies,
        drawn=drawn,
        scenes=unlike(own.subject.real) / max(unlike(own.subject.base), 1e-6) if own else None,
        variety=_variety(own) if own else None,
        works_of_others=len(material.look_alikes) if is_style else None,
    )


def _found_again(seen: Seen) -> float | None:
    """How often the encoder finds a real image again; None where nothing is there that it might be taken for."""
    look_alikes = seen.features["base"].look_alikes
    return found_again(seen.subject.real, look_alikes) if len(look_alikes) else None


def _variety(seen: Seen) -> float | None:
    """How unlike the tuned model's pictures of one prompt are, as a share of how unlike real images are; None with one seed."""
    scorer, tuned, real = SCORERS["variety"], seen.features["tuned"], seen.subject.real
    if not scorer.can_score(tuned):
        return None
    return scorer.score(tuned, np.arange(len(tuned.pictures)), np.arange(0)) / max(unlike(real), 1e-6)


def unlike(vectors: Vectors) -> float:
    """One minus the mean cosine of two different rows."""
    return 1 - float((vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)].mean())


def shares_of(evidence: Evidence) -> dict[str, Any]:
    """What is kept of the shares, by the key of the metrics."""

    def share(found: Estimate) -> Share:
        return Share(value=found.value, interval=(found.low, found.high), quarter=found.quarter)

    if evidence.shares is None:
        return {}
    found_again = None if evidence.found_again is None else round(evidence.found_again, 4)
    return {"share": share(evidence.shares.similarity), "separation": share(evidence.shares.separation), "found_again": found_again}


def asides_of(evidence: Evidence, reason: str, material: Material, trained: CheckpointMetrics, class_noun: str) -> tuple[Aside, ...]:
    """What is said beside the reason."""
    found = list[Aside]()
    if reason == "too_few_pictures" and evidence.shares and evidence.shares.separation.low <= MIN_SEPARATION:
        found.append(_more_pictures(evidence.shares, material.rows))
    if evidence.copies >= MAX_COPIED * evidence.drawn and reason != "copied":
        found.append(Aside(key="copied", values={"copied": evidence.copies, "pictures": evidence.drawn}))
    if evidence.variety is not None and evidence.variety < MIN_VARIETY and reason != "one_picture":
        found.append(Aside(key="one_picture"))
    if trained.class_noun_drift is not None and trained.class_noun_drift > CLASS_NOUN_DRIFT:
        found.append(Aside(key="class_noun_changed", values={"class_noun": class_noun}))
    if trained.reported_apart is False:
        found.append(Aside(key="not_reported_apart"))
    return tuple(found)


def attribute_asides(scores: Sequence[AttributeScore]) -> tuple[Aside, ...]:
    """What is said of attributes: those that are missing, and those of which only people can tell."""
    lacking, left = missing(scores), [each.text for each in scores if each.seen is None]
    found = [Aside(key="attributes_missing", values={"attributes": ", ".join(lacking)})] if lacking else []
    return (*found, *([Aside(key="attributes_left_to_people", values={"attributes": ", ".join(left)})] if left else []))


def _more_pictures(found: Shares, rows: Sequence[Picture]) -> Aside:
    """The line to paste for as many pictures as would tell; those that are drawn already are kept."""
    needed, prompts = pictures_needed(found, len(rows)), len({row.prompt for row in rows})
    seeds = sorted({row.seed for row in rows})
    if needed is None:
        return Aside(key="more_images")
    count = max(-(-needed // prompts), len(seeds) + 1)
    if count > MAX_SEEDS:
        return Aside(key="many_pictures", values={"pictures": needed})
    others = (seed for seed in range(1, MAX_SEEDS + len(seeds) + 1) if seed not in seeds)
    wanted = seeds + [next(others) for _ in range(count - len(seeds))]
    return Aside(key="more_pictures", values={"pictures": count * prompts, "seeds": str(wanted)})
