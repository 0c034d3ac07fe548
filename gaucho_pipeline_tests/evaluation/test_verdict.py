"""The verdict: what is a yes, what a no, and what neither; the rule says the same in words."""

from __future__ import annotations

import pytest

from gaucho_pipeline.assets.metrics import Score
from gaucho_pipeline.assets.verdicts import REASONS, RULE
from gaucho_pipeline.evaluation.verdict import decide, share_covered


def subject(
    base: float = 0.2,
    tuned: float = 0.5,
    low: float = 0.1,
    high: float = 0.4,
    ceiling: float | None = 0.6,
    floor: float | None = None,
) -> Score:
    return Score(base=base, tuned=tuned, interval=(low, high), ceiling=ceiling, floor=floor, backbone="x")


@pytest.mark.parametrize(
    ("learned", "score", "expected"),
    [
        ("yes", subject(), ("yes", "learned")),
        ("no", subject(), ("no", "training_learned_nothing")),
        ("unclear", subject(), ("unclear", "training_unclear")),
        (None, subject(), ("unclear", "training_unclear")),
        ("yes", subject(tuned=0.1, low=-0.2, high=-0.01), ("no", "no_nearer")),
        ("yes", subject(tuned=0.15, low=-0.2, high=0.1), ("no", "no_nearer")),
        ("yes", subject(tuned=0.29), ("no", "hardly_nearer")),
        ("yes", subject(tuned=0.35), ("unclear", "partly")),
        ("yes", subject(tuned=0.4), ("yes", "learned")),
        ("yes", subject(low=-0.01), ("unclear", "within_chance")),
        ("yes", subject(ceiling=0.1), ("unclear", "base_knows_it")),
        ("yes", subject(floor=0.45), ("unclear", "partly")),
        ("yes", subject(floor=0.49), ("no", "hardly_nearer")),
        ("yes", subject(floor=0.7), ("unclear", "colours_only")),
        ("yes", None, ("unclear", "not_measured")),
        ("no", None, ("no", "training_learned_nothing")),
        ("yes", subject().model_copy(update={"interval": None}), ("unclear", "too_few_images")),
        ("yes", subject(tuned=0.29).model_copy(update={"interval": None}), ("no", "hardly_nearer")),
        ("yes", subject(tuned=0.1).model_copy(update={"interval": None}), ("no", "no_nearer")),
    ],
)
def test_the_verdict_follows_from_the_rule(learned: str | None, score: Score | None, expected: tuple[str, str]) -> None:
    found = decide(learned, score)  # type: ignore[arg-type]
    assert found == expected
    assert REASONS[found.reason].en


@pytest.mark.parametrize(
    ("base", "tuned", "high", "expected"),
    [(0.4, 0.05, -0.1, "no"), (0.4, 0.2, -0.1, "yes"), (0.4, 0.05, 0.1, "yes"), (-0.1, -0.3, -0.1, "yes"), (0.4, 0.1, -0.1, "yes")],
)
def test_pictures_that_follow_no_prompt_any_more_are_a_no(base: float, tuned: float, high: float, expected: str) -> None:
    adherence = Score(base=base, tuned=tuned, interval=(-0.5, high), backbone="x")
    assert decide("yes", subject(), adherence).word == expected


def test_the_share_is_of_the_way_to_the_real_images() -> None:
    assert share_covered(subject()) == pytest.approx(0.75)
    assert share_covered(subject(floor=0.1)) == pytest.approx(0.75)
    assert share_covered(subject(floor=0.4)) == pytest.approx(0.5)
    assert share_covered(subject(ceiling=None)) is None
    assert share_covered(subject(ceiling=0.2)) is None


def test_the_rule_is_reported_in_both_languages() -> None:
    assert "metade" in RULE.pt
    assert "half" in RULE.read("en")
    assert all(words.pt and words.en for words in REASONS.values())
