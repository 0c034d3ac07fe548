"""The scorers by name, in the order in which people read them. A new one is a module here, its entry, and its key in the metrics."""

from __future__ import annotations

from gaucho_pipeline.evaluation.scorers.adherence import Adherence
from gaucho_pipeline.evaluation.scorers.base import ENCODERS, Features, Scorer
from gaucho_pipeline.evaluation.scorers.class_drift import ClassDrift
from gaucho_pipeline.evaluation.scorers.clip_i import ClipI
from gaucho_pipeline.evaluation.scorers.clip_t import ClipT
from gaucho_pipeline.evaluation.scorers.cmmd import Cmmd
from gaucho_pipeline.evaluation.scorers.dino import Dino, Dinov2
from gaucho_pipeline.evaluation.scorers.retrieval import Retrieval
from gaucho_pipeline.evaluation.scorers.steadiness import Steadiness
from gaucho_pipeline.evaluation.scorers.variety import Variety

_ALL: tuple[Scorer, ...] = (
    Dinov2(), Dino(), ClipI(), ClipT(), Adherence(), Retrieval(), Steadiness(), Variety(), ClassDrift(), Cmmd(),
)  # fmt: skip

SCORERS: dict[str, Scorer] = {scorer.name: scorer for scorer in _ALL}

__all__ = ["ENCODERS", "SCORERS", "Features", "Scorer"]
