"""The scorers by name, in the order in which people read them. A new one is a module here, its entry, and its key in the metrics."""

from __future__ import annotations

from gaucho_pipeline.scorers.adherence import Adherence
from gaucho_pipeline.scorers.base import ENCODERS, Features, Scorer
from gaucho_pipeline.scorers.class_drift import ClassDrift
from gaucho_pipeline.scorers.clip_i import ClipI
from gaucho_pipeline.scorers.clip_t import ClipT
from gaucho_pipeline.scorers.cmmd import Cmmd
from gaucho_pipeline.scorers.dino import Dino, Dinov2
from gaucho_pipeline.scorers.retrieval import Retrieval
from gaucho_pipeline.scorers.steadiness import Steadiness
from gaucho_pipeline.scorers.variety import Variety

_ALL: tuple[Scorer, ...] = (
    Dinov2(), Dino(), ClipI(), ClipT(), Adherence(), Retrieval(), Steadiness(), Variety(), ClassDrift(), Cmmd(),
)  # fmt: skip

SCORERS: dict[str, Scorer] = {scorer.name: scorer for scorer in _ALL}

__all__ = ["ENCODERS", "SCORERS", "Features", "Scorer"]
