"""The verdict: first whether the encoder can tell, then what the pictures show; the rule says the same in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gaucho_pipeline.assets.metrics import Aside, EvaluationMetrics, Score
from gaucho_pipeline.assets.verdict_text import verdict_text
from gaucho_pipeline.assets.verdicts import ASIDES, REASONS, RULE
from gaucho_pipeline.evaluation.shares import Estimate, Shares
from gaucho_pipeline.evaluation.verdict import Evidence, decide, pictures_needed


def shares(
    separation: tuple[float, float, float] = (0.9, 0.7, 1.1), similarity: tuple[float, float, float] = (0.8, 0.5, 1.0), **keys: Any
) -> Shares:
    """Each share by its value, its lower and its upper end."""
    both = [Estimate(value, low, (value + low) / 2, high) for value, low, high in (similarity, separation)]
    lower = Estimate(*(min(getattr(each, name) for each in both) for name in ("value", "low", "quarter", "high")))
    found = Shares(both[0], both[1], lower, small_gaps=0.0, base_is_near=False, variance_of_pictures=0.01, variance=0.012)
    return replace(found, **keys)


GOOD = Evidence(
    shares(), Score(base=0.2, tuned=0.5, interval=(0.1, 0.4)), real_images=16, found_again=0.9, loss_fell="yes", scenes=0.9, variety=0.5,
)  # fmt: skip
BAD = shares((0.2, 0.0, 0.4), (0.1, -0.2, 0.3))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("yes", "learned")),
        ({"loss_fell": "unclear"}, ("yes", "learned")),
        ({"works_of_others": 10}, ("yes", "style_learned")),
        ({"works_of_others": 9}, ("unclear", "too_few_others")),
        ({"works_of_others": 0, "shares": None}, ("unclear", "too_few_others")),
        ({"works_of_others": 10, "found_again": 0.59}, ("unclear", "encoder_blind_to_style")),
        ({"works_of_others": 10, "shares": shares(small_gaps=0.11)}, ("unclear", "encoder_blind_to_style")),
        ({"works_of_others": 10, "shares": shares(small_gaps=0.11, base_is_near=True)}, ("unclear", "base_knows_it")),
        ({"is_attribute_missing": True}, ("no", "attribute_missing")),
        ({"is_attribute_missing": True, "shares": shares((0.2, 0.0, 0.51))}, ("unclear", "partly")),
        ({"loss_fell": None}, ("yes", "learned")),
        ({"loss_fell": "no"}, ("unclear", "loss_did_not_fall")),
        ({"shares": None}, ("unclear", "not_measured")),
        ({"subject": None}, ("unclear", "not_measured")),
        ({"real_images": 3}, ("unclear", "too_few_real_images")),
        ({"real_images": 4}, ("yes", "learned")),
        ({"shares": shares(small_gaps=0.11)}, ("unclear", "encoder_blind")),
        ({"shares": shares(small_gaps=0.11, base_is_near=True)}, ("unclear", "base_knows_it")),
        ({"shares": shares(small_gaps=0.1)}, ("yes", "learned")),
        ({"found_again": 0.59}, ("unclear", "encoder_blind")),
        ({"scenes": 0.24}, ("unclear", "one_scene")),
        ({"shares": BAD}, ("no", "hardly_nearer")),
        ({"shares": BAD, "subject": Score(base=0.2, tuned=0.2, interval=(-0.1, 0.1))}, ("no", "no_nearer")),
        ({"shares": BAD, "loss_fell": "no"}, ("no", "loss_did_not_fall_either")),
        ({"shares": BAD, "subject": Score(base=0.5, tuned=0.4)}, ("no", "no_nearer")),  # with one image there is no interval
        ({"shares": BAD, "subject": Score(base=0.4, tuned=0.5)}, ("no", "hardly_nearer")),
        ({"shares": BAD, "small_gaps": 0.5}, ("unclear", "encoder_blind")),  # asked first: a no needs an encoder that can tell
        ({"shares": shares((0.2, 0.0, 0.49))}, ("no", "hardly_nearer")),  # far in one of the two is not far
        ({"shares": shares(similarity=(0.2, 0.0, 0.49))}, ("no", "hardly_nearer")),
        ({"shares": shares((0.2, 0.0, 0.51))}, ("unclear", "partly")),
        ({"shares": shares((0.9, 0.49, 1.1))}, ("unclear", "too_few_pictures")),
        ({"shares": shares((0.9, 0.51, 1.1))}, ("yes", "learned")),
        ({"shares": shares(similarity=(0.4, 0.0, 0.9))}, ("unclear", "too_few_pictures")),
        ({"shares": shares(similarity=(0.2, 0.1, 0.9))}, ("unclear", "partly")),
        ({"copies": 5, "drawn": 10}, ("unclear", "copied")),
        ({"copies": 4, "drawn": 10}, ("yes", "learned")),
        ({"variety": 0.02}, ("unclear", "one_picture")),
        ({"variety": None}, ("yes", "learned")),
        ({"variety": 0.03}, ("yes", "learned")),
        ({"variety": 0.05}, ("yes", "learned")),
        ({"scenes": 0.25}, ("yes", "learned")),
        ({"found_again": 0.6}, ("yes", "learned")),
        ({"shares": shares((0.2, 0.0, 0.5))}, ("unclear", "partly")),
        ({"shares": shares((0.9, 0.5, 1.1))}, ("unclear", "too_few_pictures")),
        ({"shares": shares(similarity=(0.4, 0.1, 0.9))}, ("unclear", "too_few_pictures")),
        ({"variety": 0.0, "shares": BAD}, ("no", "hardly_nearer")),
    ],
)
def test_the_verdict_follows_from_the_rule(change: dict[str, Any], expected: tuple[str, str]) -> None:
    if gaps := change.pop("small_gaps", None):
        change = {**change, "shares": replace(change["shares"], small_gaps=gaps)}
    found = decide(replace(GOOD, **change))
    assert found == expected
    assert REASONS[found.reason].en


@pytest.mark.parametrize(
    ("base", "tuned", "high", "expected"),
    [
        (0.4, 0.05, -0.1, "no"),
        (0.4, 0.2, -0.1, "yes"),
        (0.4, 0.05, 0.1, "yes"),
        (-0.1, -0.3, -0.1, "yes"),
        (0.4, 0.1, -0.1, "yes"),
        (0, -0.3, -0.1, "yes"),
        (0.4, 0.05, 0, "yes"),
    ],
)
def test_pictures_that_follow_no_prompt_any_more_are_a_no(base: float, tuned: float, high: float, expected: str) -> None:
    adherence = Score(base=base, tuned=tuned, interval=(-0.5, high), backbone="x")
    assert decide(replace(GOOD, adherence=adherence)).word == expected


def test_more_pictures_are_proposed_where_they_would_tell() -> None:
    """What they add to the variance falls with their number: .3 above the threshold are 1.96 times the deviation."""
    assert pictures_needed(shares((0.8, 0.4, 1.2), variance_of_pictures=0.04, variance=0.0436), 12) == 25
    assert pictures_needed(shares((0.8, 0.4, 1.2), variance_of_pictures=0.01, variance=0.05), 12) is None  # of images, which stay
    assert pictures_needed(shares((0.4, 0.2, 0.6)), 12) is None
    assert pictures_needed(shares((0.8, 0.6, 1.0), variance_of_pictures=0.001, variance=0.002), 12) is None  # they tell already


def test_the_rule_and_every_sentence_are_reported_in_both_languages() -> None:
    assert "metade" in RULE.pt
    assert "half" in RULE.read("en")
    assert all(words.pt and words.en for words in (*REASONS.values(), *ASIDES.values()))


def test_what_is_said_beside_the_reason_is_put_into_its_sentence() -> None:
    metrics = EvaluationMetrics(
        verdict="unclear", reason="too_few_pictures", loss_fell="yes", memorised=0, memorisation_line=0.9, memorisation_backbone="x",
        pictures=9, validation_images=3, asides=(Aside(key="more_pictures", values={"pictures": 24, "seeds": "[1, 2]"}),
                                     Aside(key="class_noun_changed", values={"class_noun": "tree"})),
    )  # fmt: skip
    assert verdict_text(metrics, "en") == (
        "The pictures look right, but there are too few to be sure. About 24 pictures would tell; write under gallery: seeds: [1, 2] "
        "And “tree” without the concept’s word is drawn otherwise now, too."
    )
    assert "Cerca de 24 imagens" in verdict_text(metrics, "pt")
    assert verdict_text(metrics.model_copy(update={"reason": "within_chance", "asides": ()}), "en").startswith("The change may be chance")
    assert verdict_text(metrics.model_copy(update={"reason": "of_another_version", "asides": ()}), "en") == "of_another_version"


def test_metrics_of_an_older_version_are_read() -> None:
    older = {
        "verdict": "no", "reason": "no_nearer", "learned": "no", "memorised": 0, "memorisation_line": 0.9, "memorisation_backbone": "x",
        "pictures": 9, "validation_images": 3,
    }  # fmt: skip
    found = EvaluationMetrics.model_validate(older)
    assert (found.loss_fell, found.share, found.asides, found.scores) == ("no", None, (), {})
