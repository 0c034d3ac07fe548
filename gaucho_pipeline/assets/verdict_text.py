"""A verdict in sentences: its reason, and what is said beside it, for pages, checks and the terminal."""

from __future__ import annotations

from gaucho_pipeline.assets.metrics import CollectionEvaluationMetrics, EvaluationMetrics
from gaucho_pipeline.assets.verdicts import ASIDES, COLLECTION_REASONS, REASONS
from gaucho_pipeline.language.bilingual import Language


def verdict_text(metrics: EvaluationMetrics, language: Language) -> str:
    """The reason, and everything that is said beside it. A reason of a version that had others is given as its key."""
    reason = REASONS[metrics.reason].read(language) if metrics.reason in REASONS else metrics.reason
    beside = [ASIDES[each.key].read(language).format(**each.values) for each in metrics.asides if each.key in ASIDES]
    return " ".join([reason, *beside])


def collection_text(metrics: CollectionEvaluationMetrics, language: Language) -> str:
    """Why a collection's verdict is what it is: the concepts are named by their tokens."""
    return COLLECTION_REASONS[metrics.reason].read(language).format(concepts=", ".join(metrics.named))
