"""The figures that a concept's page opens with: how far the pictures have come, and whether they follow their prompts, with intervals.

All are on one fixed scale, so that what is uncertain looks uncertain: 0 is where it began, 1 where the real images are; of prompts, 1 is as
before. All other figures are in `content.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gaucho_pipeline.assets.metrics import EvaluationMetrics, Proportion, Score, Share
from gaucho_pipeline.language.bilingual import Language
from gaucho_pipeline.pages.words import number, words

LOWEST, HIGHEST = -0.25, 1.5
"""What the scale shows; what lies beyond is drawn at its end."""
LEFT, WIDTH = 10.0, 580.0
"""Where the scale is in a box of 600."""


@dataclass(frozen=True)
class Bar:
    """A figure with its 95 % interval: places in a box of 600, and the same in words."""

    title: str
    sentence: str
    text: str
    low: float
    value: float
    high: float
    start: str
    """What 0 is."""
    end: str
    """What 1 is."""

    @property
    def ticks(self) -> tuple[float, ...]:
        """Where 0, a half and 1 are."""
        return tuple(map(place, (0.0, 0.5, 1.0)))


_TEXTS = {
    "separation": ("bar_separation", "bar_separation_text"),
    "style": ("bar_style", "bar_style_text"),
    "similarity": ("bar_similarity", "bar_similarity_text"),
    "prompt": ("bar_prompt", "bar_prompt_text"),
}
"""Title and sentence of each figure."""


def place(value: float) -> float:
    """Where a value is in the box."""
    return round(LEFT + WIDTH * (min(max(value, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST), 1)


def bars(metrics: EvaluationMetrics, language: Language, is_style: bool = False) -> list[Bar]:
    """The figures that there are: an evaluation that could not be held against real images has none of the first two."""
    found = []
    for name, share in (("separation", metrics.separation), ("similarity", metrics.share)):
        if share:
            found.append(_bar("style" if is_style and name == "separation" else name, share, language))
    followed = _followed(metrics.scores.get("adherence"))
    return [*found, *([_bar("prompt", followed, language)] if followed else [])]


def _followed(score: Score | None) -> Proportion | None:
    """How much of what the base model's pictures follow their prompts the tuned ones do; None where it followed none, or no interval is."""
    if score is None or score.interval is None or score.base <= 0:
        return None
    low, high = (1 + change / score.base for change in score.interval)
    return Proportion(value=score.tuned / score.base, interval=(low, high))


def _bar(name: str, share: Share | Proportion, language: Language) -> Bar:
    texts, (low, high) = words(language), share.interval
    text = texts["bar_value"].format(value=number(share.value, language, 2), low=number(low, language, 2), high=number(high, language, 2))
    title, sentence = (texts[key] for key in _TEXTS[name])
    start, end = ("bar_same", "bar_as_before") if name == "prompt" else ("bar_as_before", "bar_real")
    return Bar(
        title=title,
        sentence=sentence,
        text=text,
        low=place(low),
        value=place(share.value),
        high=place(high),
        start=texts[start],
        end=texts[end],
    )
