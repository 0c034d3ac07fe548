"""What a panel's answers come to: yes for what people take for it, no for what they do not, unclear where they cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gaucho_pipeline.assets.verdicts import JUDGEMENT_REASONS
from gaucho_pipeline.judging import analysis
from gaucho_pipeline.judging.analysis import judge
from gaucho_pipeline.judging.answers import Single
from gaucho_pipeline.judging.panel import Kind
from gaucho_pipeline_tests.raters import KNOWN, answer, small_panel

PANEL = small_panel()


def judged(taken: Mapping[Kind, float] = KNOWN, raters: int = 7, **options: Any) -> Any:
    return judge(PANEL, [answer(PANEL, number, taken, **options) for number in range(1, raters + 1)])


def test_pictures_that_people_take_for_it_are_a_yes() -> None:
    found = judged()
    assert (found.word, found.reason, found.raters) == ("yes", "recognised", 7)
    tuned = found.kinds["tuned"]
    assert tuned.shows_it.interval[0] > 0.5
    assert tuned.chosen_over_base.interval[0] > 0.5
    assert found.kinds["real"].chosen_over_real is None
    assert found.kinds["base"].chosen_over_base is None
    assert found.agreement_on_pairs > 0.3
    assert found.agreement_on_singles > 0.5


def test_pictures_that_they_do_not_take_for_it_are_a_no() -> None:
    found = judged({**KNOWN, "tuned": 0.1})
    assert (found.word, found.reason) == ("no", "not_recognised")


def test_an_attribute_that_real_images_show_and_these_lack_is_a_no_although_they_are_taken_for_it() -> None:
    seen: dict[Kind, tuple[float, ...]] = {"real": (0.97, 0.97), "tuned": (0.95, 0.05)}
    found = judged(attributes=seen)
    assert (found.word, found.reason, found.missing_attributes) == ("no", "attribute_missing", ("copa em taça",))


def test_an_attribute_that_not_even_real_images_show_is_missed_by_nobody() -> None:
    found = judged(attributes={"real": (0.97, 0.05), "tuned": (0.95, 0.05)})
    assert (found.word, found.missing_attributes) == ("yes", ())


@pytest.mark.parametrize(
    ("taken", "raters", "reason"),
    [
        (KNOWN, 2, "too_few_raters"),
        ({**KNOWN, "tuned": 0.5}, 7, "undecided"),
        ({**KNOWN, "tuned": 0.3}, 7, "undecided"),  # below half, and not for certain
        ({**KNOWN, "base": 0.9}, 7, "base_as_good"),
    ],
)
def test_where_people_cannot_say_it_is_unclear_and_the_reason_says_why(taken: Mapping[Kind, float], raters: int, reason: str) -> None:
    found = judged(taken, raters)
    assert (found.word, found.reason) == ("unclear", reason)


def test_where_not_even_real_images_are_taken_for_it_the_question_does_not_serve() -> None:
    kind_of = {picture.id: picture.kind for picture in PANEL.pictures}
    every = [answer(PANEL, number) for number in range(1, 8)]
    doubting = [
        each.model_copy(
            update={"singles": {p: said.model_copy(update={"shows_it": kind_of[p] == "tuned"}) for p, said in each.singles.items()}}
        )
        for each in every
    ]
    found = judge(PANEL, doubting)
    assert (found.word, found.reason) == ("unclear", "real_not_recognised")


def test_nobody_at_all_is_unclear_and_breaks_nothing() -> None:
    found = judge(PANEL, [])
    assert (found.word, found.raters, found.kinds["tuned"].shows_it) == ("unclear", 0, None)


def test_people_who_guess_never_make_a_yes_or_a_no() -> None:
    words = []
    for first in range(0, 600, 60):
        every = [answer(PANEL, number, dict.fromkeys(KNOWN, 0.5)) for number in range(first, first + 60)]
        words.append(judge(PANEL, every).word)
    assert set(words) == {"unclear"}


def test_who_is_left_out_changes_no_share() -> None:
    own = [answer(PANEL, number) for number in range(1, 6)]
    others = [answer(PANEL, number, {**KNOWN, "tuned": 0.0}, relation="does_not_know_it") for number in range(10, 20)]
    with_others = judge(PANEL, [*own, *others])
    assert with_others.left_out == {"does_not_know": 10}
    assert with_others.kinds == judge(PANEL, own).kinds


def test_remarks_are_those_on_tuned_pictures() -> None:
    kind_of = {picture.id: picture.kind for picture in PANEL.pictures}
    said = {picture: Single(shows_it=True, wrong=kind_of[picture]) for picture in PANEL.singles}
    one = answer(PANEL, 1).model_copy(update={"singles": said})
    assert {text for _, text in analysis.remarks(PANEL, [one])} == {"tuned"}


def test_every_reason_has_its_sentence() -> None:
    source = __import__("inspect").getsource(analysis)
    assert all(f'"{reason}"' in source for reason in JUDGEMENT_REASONS)
