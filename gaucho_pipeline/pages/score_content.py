"""A score of a concept's page in words, and where its numbers are on a line of its own. The figures that the page opens with are in
`bar_content.py`."""

from __future__ import annotations

from dataclasses import dataclass

from gaucho_pipeline.assets.metrics import Score
from gaucho_pipeline.assets.verdicts import SUBJECT_SCORERS
from gaucho_pipeline.language.bilingual import Language
from gaucho_pipeline.pages.words import number, words
from gaucho_pipeline.scorers import SCORERS


@dataclass(frozen=True)
class ScoreContent:
    """A score in words, and where its numbers are on a line from 0 to 100."""

    title: str
    sentence: str
    change: str
    scale: dict[str, float]
    backbone: str


@dataclass(frozen=True)
class MissingScore:
    """A score that was not measured, and why."""

    title: str
    text: str


def score_content(name: str, score: Score, language: Language) -> ScoreContent:
    scorer, texts = SCORERS[name], words(language)
    base, tuned = number(score.base, language), number(score.tuned, language)
    verb = "rose" if score.tuned > score.base else "fell" if score.tuned < score.base else "same"
    parts = [texts[verb].format(base=base, tuned=tuned)]
    if score.ceiling is not None:
        parts[0] += f" ({texts['ceiling'].format(ceiling=number(score.ceiling, language))})"
    if score.floor is not None and name in SUBJECT_SCORERS:
        parts.append(texts["floor"].format(floor=number(score.floor, language)))
    if score.interval is None:
        parts.append(texts["no_interval"])
    else:
        low, high = score.interval
        text = texts["interval"].format(low=number(low, language, sign=True), high=number(high, language, sign=True))
        parts.append(text + (f": {texts['chance']}" if low <= 0 <= high else ""))
    if score.masked is not None:
        of_masked = {"base": number(score.masked.base, language), "tuned": number(score.masked.tuned, language)}
        parts.append(texts["masked"].format(**of_masked))
    title, sentence = scorer.title.read(language), scorer.sentence.read(language)
    return ScoreContent(title, sentence, ". ".join(parts) + ".", _scale(score), score.backbone)


def _scale(score: Score) -> dict[str, float]:
    """Where the numbers of a score are on a line from 0 to 100."""
    values = {"before": score.base, "after": score.tuned} | ({} if score.ceiling is None else {"real": score.ceiling})
    low, high = min(values.values()), max(values.values())
    room = (high - low) or 1.0
    return {name: round(8 + 84 * (value - low) / room, 2) for name, value in values.items()}
