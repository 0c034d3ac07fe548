"""Shares and preferences over raters and pictures: their intervals hold what is true, and know how few people there were."""

from __future__ import annotations

import numpy as np
import pytest

from gaucho_pipeline.judging.statistics import Choices, Ticks, agreement, preference, share


def ticks(is_yes: np.ndarray) -> Ticks:
    raters, pictures = np.indices(is_yes.shape)
    return Ticks(raters.ravel(), pictures.ravel(), is_yes.ravel())


def simulated(rng: np.random.Generator, raters: int, pictures: int, mean: float) -> Ticks:
    """People and pictures that differ from one another, around a mean in logits."""
    odds = mean + rng.normal(0, 0.5, (raters, 1)) + rng.normal(0, 1, (1, pictures))
    return ticks(rng.random((raters, pictures)) < 1 / (1 + np.exp(-odds)))


def test_the_interval_of_a_share_holds_the_truth_in_about_95_of_100_panels() -> None:
    rng = np.random.default_rng(0)
    truth = float((1 / (1 + np.exp(-rng.normal(1, np.hypot(0.5, 1), 200_000)))).mean())
    found = [share(simulated(rng, 7, 12, 1)) for _ in range(300)]
    assert 0.92 < np.mean([each is not None and each.interval[0] <= truth <= each.interval[1] for each in found]) < 0.99


def test_raters_who_differ_widen_the_interval_beyond_that_of_as_many_single_answers() -> None:
    divided = np.zeros((6, 10), bool)
    divided[:3] = True  # three always say yes, three never
    mixed = np.zeros((6, 10), bool)
    mixed[:, ::2] = True
    mixed[1::2] = ~mixed[1::2]
    wide, narrow = share(ticks(divided)), share(ticks(mixed))
    assert wide
    assert narrow
    assert wide.value == narrow.value == 0.5
    assert wide.interval[1] - wide.interval[0] > 1.5 * (narrow.interval[1] - narrow.interval[0])


def test_pictures_that_differ_widen_it_too() -> None:
    divided = np.zeros((10, 6), bool)
    divided[:, :3] = True
    found = share(ticks(divided))
    assert found
    assert found.interval[0] < 0.2
    assert found.interval[1] > 0.8


@pytest.mark.parametrize("value", [False, True])
def test_a_share_of_none_or_all_still_has_an_interval_by_the_number_of_people(value: bool) -> None:
    few, many = (share(ticks(np.full((raters, 10), value))) for raters in (3, 9))
    assert few
    assert many
    assert few.value == float(value)
    inner = 0 if value else 1
    assert abs(few.interval[inner] - value) > abs(many.interval[inner] - value) > 0.1


def test_one_person_or_one_picture_gives_no_interval() -> None:
    assert share(ticks(np.ones((1, 10), bool))) is None
    assert share(ticks(np.ones((10, 1), bool))) is None


def choices(rng: np.random.Generator, strengths: list[float], raters: int = 6, of_each: int = 6) -> Choices:
    rows = []
    for rater in range(raters):
        for one in range(len(strengths)):
            for other in range(one + 1, len(strengths)):
                for number in range(of_each):
                    wins = rng.random() < 1 / (1 + np.exp(strengths[other] - strengths[one]))
                    chosen, left = (one, other) if wins else (other, one)
                    rows.append((rater, chosen, left, chosen * 10 + number, left * 10 + number))
    return Choices(*np.array(rows).T)


def test_a_preference_is_that_of_bradley_and_terry() -> None:
    found = preference(choices(np.random.default_rng(1), [2, 1, 0], raters=20, of_each=20), 1, 0, 3)
    assert found
    assert abs(found.value - 1 / (1 + np.e)) < 0.03
    assert found.interval[0] < 1 / (1 + np.e) < found.interval[1]


def test_two_kinds_that_no_pairs_join_have_no_preference() -> None:
    apart = Choices(np.array([0, 1, 0, 1]), np.array([0, 0, 2, 2]), np.array([1, 1, 3, 3]), np.arange(4), np.arange(4, 8))
    assert preference(apart, 0, 2, 4) is None
    assert preference(apart, 0, 1, 4) is not None


def test_a_kind_that_always_wins_has_an_interval_that_does_not_end_at_certainty() -> None:
    rows = [(rater, 0, 1, number, 10 + number) for rater in range(5) for number in range(6)]
    found = preference(Choices(*np.array(rows).T), 0, 1, 2)
    assert found
    assert found.value > 0.95
    assert found.interval[0] < 0.97


def test_agreement_is_one_for_the_same_answers_and_about_none_for_chance() -> None:
    same = np.tile(np.array([0.0, 1, 1, 0]), (5, 1))
    assert agreement(same) == pytest.approx(1)
    assert abs(agreement(np.random.default_rng(0).integers(0, 2, (6, 200)).astype(float)) or 1) < 0.1
    assert agreement(np.ones((3, 4))) is None
    assert agreement(np.array([[1.0, np.nan], [np.nan, 0.0]])) is None
