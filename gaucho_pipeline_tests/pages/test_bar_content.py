"""The figures that a concept's page opens with: on one fixed scale, with intervals, so that what is chance looks like chance."""

from __future__ import annotations

from typing import Any

import pytest

from gaucho_pipeline.assets.metrics import EvaluationMetrics, Score, Share
from gaucho_pipeline.pages.bar_content import HIGHEST, LOWEST, bars, place
from gaucho_pipeline_tests.standing import METRICS


def evaluated(adherence: Score | None = None, **keys: Any) -> EvaluationMetrics:
    metrics = METRICS["evaluation"]
    assert isinstance(metrics, EvaluationMetrics)
    return EvaluationMetrics.model_validate(metrics.model_dump() | {"adherence": adherence} | keys)


def share(low: float, value: float, high: float) -> Share:
    return Share(value=value, interval=(low, high), quarter=value)


def test_the_same_value_has_the_same_place_on_every_page() -> None:
    assert (place(LOWEST), place(HIGHEST)) == (10, 590)
    assert place(0.0) < place(0.5) < place(1.0)
    assert place(0.5) - place(0.0) == pytest.approx(place(1.0) - place(0.5), abs=0.2)


def test_what_lies_beyond_the_scale_is_drawn_at_its_end_and_told_in_full() -> None:
    (bar,) = bars(evaluated(separation=share(-3.0, 0.2, 4.0)), "en")
    assert (bar.low, bar.high) == (10, 590)
    assert bar.text == "0.20 (-3.00 to 4.00 with 95 % confidence)"


def test_an_interval_that_reaches_to_0_is_drawn_over_0() -> None:
    (bar,) = bars(evaluated(share=share(-0.1, 0.3, 0.7)), "pt")
    assert bar.low < bar.ticks[0] < bar.value < bar.ticks[1] < bar.high < bar.ticks[2]
    assert bar.text == "0,30 (-0,10 a 0,70 com 95 % de confiança)"


def test_how_prompts_are_followed_is_a_share_of_what_it_was_before() -> None:
    (bar,) = bars(evaluated(Score(base=0.2, tuned=0.1, interval=(-0.14, -0.06))), "en")
    assert bar.text == "0.50 (0.30 to 0.70 with 95 % confidence)"
    assert (bar.start, bar.end) == ("always the same", "as before")


@pytest.mark.parametrize("score", [None, Score(base=0.2, tuned=0.1), Score(base=0.0, tuned=0.1, interval=(0.0, 0.2))])
def test_what_was_not_measured_has_no_bar(score: Score | None) -> None:
    assert bars(evaluated(score), "en") == []


def test_all_three_are_there_where_all_were_measured() -> None:
    found = bars(evaluated(Score(base=0.2, tuned=0.2, interval=(-0.1, 0.1)), separation=share(0, 0.5, 1), share=share(0, 0.5, 1)), "en")
    assert [bar.title[:12] for bar in found] == ["In what tell", "In likeness ", "In following"]
