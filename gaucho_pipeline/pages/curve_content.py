"""The loss curve of a concept's page: lines in a box, and the numbers beside them, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.assets.metrics import CheckpointMetrics
from gaucho_pipeline.assets.rows import Loss, read_rows
from gaucho_pipeline.language.bilingual import Language
from gaucho_pipeline.pages.words import number, words

LEFT, WIDTH, TOP, HEIGHT = 50, 520, 20, 180
"""Where the lines are in a box of 600 by 240."""


@dataclass(frozen=True)
class Line:
    """The losses of a trial as the points of an SVG polyline."""

    points: str
    kept: bool


@dataclass(frozen=True)
class Curve:
    """All lines, and what is written beside them."""

    lines: list[Line]
    base: float
    """Height of the base model's loss in the box."""
    best: float
    best_anchor: str
    """On which side of its line the kept step is named: `start`, `middle` or `end`."""
    base_at: float
    base_anchor: str
    """Where the base model is named: at the end that the kept step's line is not at."""
    best_step: int
    steps: int
    low: str
    high: str
    alt: str


def curve_content(checkpoint: Path, learned: CheckpointMetrics, language: Language) -> Curve:
    """The loss over the steps, of every trial."""
    rows = read_rows(checkpoint / "losses.jsonl", Loss)
    trials: dict[str, list[Loss]] = {}
    for row in rows:
        trials.setdefault(row.trial, []).append(row)
    steps = max(max(row.step for row in rows), 1)
    losses = [row.validation for row in rows]
    low, high = min(losses), max(losses)
    room = (high - low) or 1.0

    def x(step: float) -> float:
        return round(LEFT + WIDTH * step / steps, 1)

    def y(loss: float) -> float:
        return round(TOP + HEIGHT * (high - loss) / room, 1)

    lowest = min(trials, key=lambda name: min(row.validation for row in trials[name]))
    loss = learned.validation_loss
    return Curve(
        lines=[Line(" ".join(f"{x(row.step)},{y(row.validation)}" for row in trial), name == lowest) for name, trial in trials.items()],
        base=y(rows[0].validation),
        best=x(learned.best_step),
        best_anchor="start" if learned.best_step < steps / 6 else "end" if learned.best_step > 5 * steps / 6 else "middle",
        base_at=x(steps / 2),
        base_anchor="start" if learned.best_step < steps / 2 else "end",
        best_step=learned.best_step,
        steps=steps,
        low=number(low, language),
        high=number(high, language),
        alt=words(language)["curve_alt"].format(base=number(loss.base, language), tuned=number(loss.tuned, language), steps=learned.steps),
    )
