"""What is said beside a verdict: how many pictures would tell, and counts of what was drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gaucho_pipeline.assets.metrics import CheckpointMetrics
from gaucho_pipeline.evaluation.evidence import asides_of
from gaucho_pipeline.evaluation.features import Material
from gaucho_pipeline.evaluation.shares import Shares
from gaucho_pipeline_tests.evaluation.test_verdict import GOOD, shares
from gaucho_pipeline_tests.samples import picture_row
from gaucho_pipeline_tests.standing import METRICS

NEARLY = (0.8, 0.4, 1.2)
"""A separation that only its interval keeps from a yes."""


def aside(
    found: Shares, prompts: int = 2, seeds: int = 6, reason: str = "too_few_pictures", **evidence: Any
) -> list[tuple[str, dict[str, Any]]]:
    rows = [picture_row("tuned", number, prompt=f"{number % prompts}", seed=number // prompts) for number in range(prompts * seeds)]
    material = Material(rows, {"base": [], "tuned": []}, {"base": [], "tuned": []}, [], [], [])
    trained = METRICS["checkpoint"]
    assert isinstance(trained, CheckpointMetrics)
    said = asides_of(replace(GOOD, shares=found, **evidence), reason, material, trained, "tree")
    return [(each.key, each.values) for each in said]


def test_the_line_to_paste_keeps_the_seeds_that_are_drawn_already() -> None:
    found = aside(shares(NEARLY, variance_of_pictures=0.02, variance=0.0236))
    ((key, values),) = found
    assert key == "more_pictures"
    assert values == {"pictures": 14, "seeds": "[0, 1, 2, 3, 4, 5, 6]"}


def test_where_more_pictures_would_not_tell_or_would_be_far_too_many_that_is_said() -> None:
    assert aside(shares(NEARLY, variance_of_pictures=0.01, variance=0.05))[0][0] == "more_images"
    assert aside(shares(NEARLY, variance_of_pictures=0.3, variance=0.3001))[0] == ("many_pictures", {"pictures": 155})


def test_nothing_is_said_of_numbers_where_similarity_is_what_is_uncertain() -> None:
    assert aside(shares((0.9, 0.7, 1.1), (0.3, 0.0, 0.6))) == []


@pytest.mark.parametrize(("copies", "said"), [(6, [("copied", {"copied": 6, "pictures": 12})]), (5, [])])
def test_copies_are_counted_among_all_pictures_that_were_drawn(copies: int, said: list[Any]) -> None:
    assert aside(shares((0.9, 0.7, 1.1)), seeds=2, copies=copies, drawn=12) == said


@pytest.mark.parametrize(
    ("reason", "variety", "said"),
    [("partly", 0.01, ["one_picture"]), ("one_picture", 0.01, []), ("partly", 0.03, []), ("partly", None, [])],
)
def test_one_picture_for_each_prompt_is_said_once(reason: str, variety: float | None, said: list[str]) -> None:
    assert [key for key, _values in aside(shares((0.9, 0.7, 1.1)), reason=reason, variety=variety)] == said


def test_copies_that_are_the_reason_are_not_said_again() -> None:
    assert aside(shares((0.9, 0.7, 1.1)), reason="copied", copies=12, drawn=12) == []
