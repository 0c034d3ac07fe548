"""Shares of the way to the real images: of drawn vectors of which it is known how far they have come."""

from __future__ import annotations

import numpy as np
import pytest

from gaucho_pipeline.evaluation.shares import Shares, SubjectVectors, _Axis, _estimate, found_again, shares
from gaucho_pipeline.scorers.base import Vectors

WIDTH = 24


def vectors(count: int, seed: int, *axes: int, spread: float = 0.35) -> Vectors:
    """Unit vectors around the sum of some axes."""
    rows = spread * np.random.default_rng(seed).normal(size=(count, WIDTH)) / WIDTH**0.5
    rows[:, list(axes)] += 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


SUBJECT, COLOURS, BASE = 0, 1, 2


def found_of(tuned: Vectors, count: int = 14) -> Shares:
    real, control = vectors(count, 1, SUBJECT, COLOURS), vectors(count, 2, COLOURS, 5)
    return shares(SubjectVectors(real, [control], vectors(len(tuned), 3, BASE), tuned))


def test_pictures_like_the_real_images_have_come_all_the_way() -> None:
    found = found_of(vectors(24, 4, SUBJECT, COLOURS))
    for share in (found.similarity, found.separation):
        assert share.value == pytest.approx(1, abs=0.1)
        assert share.low < share.quarter < share.value + 0.05
        assert 0.8 < share.low < share.high < 1.2
    assert found.small_gaps == 0


def test_the_base_models_own_pictures_have_come_no_way() -> None:
    found = found_of(vectors(24, 4, BASE))
    assert found.lower_of_both.high < 0.1


def test_colours_alone_have_come_no_way() -> None:
    found = found_of(vectors(24, 4, COLOURS, 5))
    assert found.similarity.value == pytest.approx(0, abs=0.15)
    assert found.lower_of_both.high < 0.3


def test_half_of_the_pictures_are_half_of_the_way() -> None:
    half = np.concatenate([vectors(12, 4, SUBJECT, COLOURS), vectors(12, 3, BASE)])
    assert found_of(half).separation.value == pytest.approx(0.5, abs=0.2)


def test_the_axis_is_asked_about_other_images_than_it_was_fitted_to() -> None:
    """In 400 dimensions 14 images are told from anything by heart; new ones of the same kind are as far as they truly are."""

    def wide(count: int, seed: int, axis: int) -> Vectors:
        rows = np.random.default_rng(seed).normal(size=(count, 400)) / 20
        rows[:, axis] += 0.35
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    found = shares(SubjectVectors(wide(14, 1, 0), [wide(14, 2, 1)], wide(24, 3, 2), wide(24, 4, 0)))
    assert found.separation.value > 0.85  # .70 where it is asked about what it was fitted to


def test_the_lower_of_both_is_that_of_each_draw() -> None:
    found = found_of(np.concatenate([vectors(8, 4, SUBJECT), vectors(8, 5, SUBJECT, 9), vectors(8, 6, COLOURS)]))
    for name in ("value", "low", "high"):
        assert getattr(found.lower_of_both, name) <= min(getattr(found.similarity, name), getattr(found.separation, name)) + 1e-6


def test_fewer_pictures_and_fewer_images_are_less_certain() -> None:
    def mixed(count: int) -> Vectors:
        return np.concatenate([vectors(count, 4, SUBJECT, COLOURS), vectors(count, 5, COLOURS)])

    many, few = found_of(mixed(24)).separation, found_of(mixed(3)).separation
    assert few.high - few.low > 1.5 * (many.high - many.low)
    assert found_of(mixed(24)).variance_of_pictures < found_of(mixed(3)).variance_of_pictures


def test_real_images_that_controls_are_as_near_to_leave_no_way_to_go() -> None:
    real = vectors(14, 1, SUBJECT)
    blind = shares(SubjectVectors(real, [vectors(14, 6, SUBJECT)], vectors(12, 3, BASE), vectors(12, 4, SUBJECT)))
    assert blind.small_gaps > 0.5
    assert not blind.base_is_near
    known = shares(SubjectVectors(real, [vectors(14, 2, COLOURS)], vectors(12, 3, SUBJECT), vectors(12, 4, SUBJECT)))
    assert known.small_gaps > 0.5
    assert known.base_is_near


def test_an_image_is_never_held_against_itself_or_what_was_made_of_it() -> None:
    """Controls that are their own image would else have the highest similarity of all."""
    real = np.eye(8, WIDTH, dtype=np.float32)
    found = shares(SubjectVectors(real, [real], vectors(6, 3, 20), vectors(6, 4, 21)))
    assert found.small_gaps == 1  # nothing is like anything else


def test_the_same_vectors_give_the_same_shares() -> None:
    tuned = vectors(12, 4, SUBJECT)
    assert found_of(tuned) == found_of(tuned)


def test_two_images_and_two_pictures_are_enough_to_compute() -> None:
    assert np.isfinite(found_of(vectors(2, 4, SUBJECT), count=2).separation.value)


def test_real_images_are_found_again_among_what_is_unlike_them_and_by_chance_among_their_like() -> None:
    real = vectors(10, 1, SUBJECT)
    assert found_again(real, vectors(10, 2, BASE)) == 1
    assert found_again(real, vectors(10, 2, SUBJECT)) == pytest.approx(0.5, abs=0.2)


# ------------------------------------------------------------------------------------- styles, held against works of others

OWN, THEIRS = 7, 8


def works(count: int, seed: int, style: int) -> Vectors:
    """Works in a style, each of one of six contents, which are the same for all styles."""
    return np.concatenate([vectors(1, 100 * seed + number, style, 10 + number % 6, spread=0.2) for number in range(count)])


def style_shares(tuned: Vectors, others: Vectors) -> Shares:
    return shares(SubjectVectors(works(18, 1, OWN), [], works(len(tuned), 3, BASE), tuned, others))


def test_a_style_is_told_by_what_works_of_others_do_not_have() -> None:
    others = works(15, 2, THEIRS)
    learned, another, nothing = (style_shares(works(24, 4, style), others) for style in (OWN, THEIRS, BASE))
    assert learned.lower_of_both.low > 0.8
    assert learned.small_gaps == 0
    assert another.lower_of_both.high < 0.2
    assert nothing.lower_of_both.high < 0.2


def test_works_of_others_in_the_same_style_leave_no_way_to_go() -> None:
    assert style_shares(works(24, 4, OWN), works(15, 2, OWN)).small_gaps > 0.9


def test_a_style_is_less_certain_with_few_works_of_others() -> None:
    mixed = np.concatenate([works(6, 5, THEIRS), works(6, 6, 9)])
    half = np.concatenate([works(12, 4, OWN), works(12, 7, THEIRS)])
    many, few = style_shares(half, mixed), style_shares(half, mixed[[0, 1, 6, 7]])
    assert few.similarity.high - few.similarity.low > many.similarity.high - many.similarity.low


# ------------------------------------------------------------------------------------------ what intervals and axes are of


def test_works_of_others_are_drawn_again_too() -> None:
    """All else is one and the same, so that the interval is theirs alone."""
    real = np.repeat(vectors(1, 1, OWN, spread=0), 8, axis=0)
    tuned = np.repeat(vectors(1, 2, OWN, 9, spread=0), 8, axis=0)
    others = np.concatenate(
        [np.repeat(vectors(1, 3, THEIRS, spread=0), 6, axis=0), np.repeat(vectors(1, 4, THEIRS, OWN, spread=0), 6, axis=0)]
    )
    found = shares(SubjectVectors(real, [], np.repeat(vectors(1, 5, BASE, spread=0), 8, axis=0), tuned, others)).similarity
    assert found.high - found.low > 0.05


def test_the_axis_is_asked_about_other_works_than_it_was_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = list[set[bytes]]()

    class Watched(_Axis):
        def __init__(self, real: Vectors, against: Vectors) -> None:
            fitted.append({row.tobytes() for row in np.float32(against)})
            super().__init__(real, against)

    monkeypatch.setattr("gaucho_pipeline.evaluation.shares._Axis", Watched)
    others = works(12, 2, THEIRS)
    style_shares(works(12, 4, OWN), others)
    assert len(fitted) == 4
    for work in others:
        assert sum(work.tobytes() in each for each in fitted) == 3


def test_both_sides_of_the_axis_weigh_the_same() -> None:
    one, other = vectors(5, 1, SUBJECT).astype(float), vectors(20, 2, COLOURS).astype(float)
    asked = vectors(6, 3, 4).astype(float)
    assert _Axis(one, other).of(asked) == pytest.approx(-_Axis(other, one).of(asked))


def test_an_estimate_has_the_quantiles_that_its_name_says() -> None:
    found = _estimate(500, np.arange(1001, dtype=float))
    assert (found.value, found.low, found.quarter, found.high) == (500, 25, 250, 975)
