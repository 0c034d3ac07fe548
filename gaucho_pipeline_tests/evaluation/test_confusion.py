"""The confusion table of a collection: what keeps apart is told from what bleeds, and what learned nothing gets no yes."""

from __future__ import annotations

import numpy as np
import pytest

from gaucho_pipeline.assets.verdicts import Word
from gaucho_pipeline.evaluation.confusion import Shown, _is_beyond_chance, _proportion, _real_taken_for, confusion, decide
from gaucho_pipeline.scorers.base import Vectors

WIDTH = 48
CENTRES = np.eye(WIDTH)[:3]
RNG = np.random.default_rng


def cloud(centre: int | None, count: int, seed: int, spread: float = 0.12) -> Vectors:
    """Unit vectors around a concept; around nothing in particular where it is None."""
    middle = CENTRES.mean(axis=0) if centre is None else CENTRES[centre]
    rows = middle + spread * RNG(seed).standard_normal((count, WIDTH))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def shown(tuned: list[int | None], pictures: int = 24, verdicts: tuple[Word, Word, Word] = ("yes", "yes", "yes")) -> dict[str, Shown]:
    """Three concepts with 20 real images each; `tuned`: around which concept the pictures of each lie."""
    return {
        f"t{number}": Shown(cloud(number, 20, number), cloud(None, pictures, 50 + number), cloud(drawn, pictures, 90 + number), verdict)
        for number, (drawn, verdict) in enumerate(zip(tuned, verdicts, strict=True))
    }


def test_concepts_that_are_drawn_apart_get_a_yes() -> None:
    rows = confusion(shown([0, 1, 2]), "an encoder")
    assert decide(rows) == ("yes", "kept_apart", ())
    for token, row in rows.items():
        assert row.taken_for[token] == row.pictures == 24
        assert row.real_taken_for[token] == row.images == 20
        assert row.own.interval[0] > 0.8
        assert row.retrieval
        assert row.retrieval.interval
        assert row.retrieval.interval[0] > 0


def test_pictures_of_one_that_show_another_are_named_with_it() -> None:
    rows = confusion(shown([0, 0, 2]), "an encoder")
    assert rows["t1"].taken_for == {"t0": 24, "t1": 0, "t2": 0}
    assert decide(rows) == ("no", "bleeds", ("t1 → t0",))
    assert rows["t1"].own.value == 0


def test_a_few_pictures_that_are_taken_for_another_may_be_chance() -> None:
    one = shown([0, 1, 2], pictures=6)
    own = one["t1"]
    mixed = Shown(own.real, own.base, np.concatenate([own.tuned[:5], cloud(0, 1, 7)]), own.verdict)
    rows = confusion(one | {"t1": mixed}, "")
    assert rows["t1"].taken_for == {"t0": 1, "t1": 5, "t2": 0}
    assert rows["t1"].bleeds_into == ()


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [(("yes", "no", "yes"), ("no", "member_no")), (("unclear", "yes", "yes"), ("unclear", "member_unclear"))],
)
def test_a_concept_that_cannot_be_drawn_takes_the_yes_away(verdicts: tuple[Word, Word, Word], expected: tuple[str, str]) -> None:
    assert decide(confusion(shown([0, 1, 2], verdicts=verdicts), ""))[:2] == expected


def test_where_the_encoder_cannot_tell_real_images_apart_it_says_so() -> None:
    blind = shown([0, 1, 2])
    same = {"t1": Shown(cloud(0, 20, 31), blind["t1"].base, cloud(0, 24, 33), "yes")}  # what t1 is looks like t0 to it
    verdict, reason, named = decide(confusion(blind | same, ""))
    assert (verdict, reason) == ("unclear", "encoder_blind")
    assert set(named) <= {"t0", "t1"}


def test_what_learned_nothing_gets_no_yes() -> None:
    """Pictures that lie anywhere: what is told of them is chance, and their own evaluations say no."""
    words = [decide(confusion(shown([None, None, None], verdicts=("no", "no", "no")), ""))[0] for _ in range(3)]
    assert words == ["no"] * 3


def test_of_concepts_that_are_drawn_as_their_real_images_are_hardly_any_is_said_to_bleed() -> None:
    """Clouds that overlap, so that real images and pictures are mistaken alike: at most one in twenty of such tables names one."""
    told = 0
    for seed in range(60):
        concepts = {
            f"t{n}": Shown(
                cloud(n, 20, 1000 * seed + n, 0.32), cloud(None, 16, 1000 * seed + 10 + n), cloud(n, 16, 1000 * seed + 20 + n, 0.32), "yes"
            )
            for n in range(3)
        }  # fmt: skip
        told += any(row.bleeds_into for row in confusion(concepts, "").values())
    assert told <= 3


def test_a_large_set_wins_nothing_by_its_size() -> None:
    large = shown([0, 1, 2])
    large["t0"] = Shown(cloud(0, 200, 5), large["t0"].base, large["t0"].tuned, "yes")
    assert confusion(large, "")["t1"].taken_for["t1"] == 24


def test_a_varied_set_loses_nothing_by_its_variety() -> None:
    """The mean of images that are unlike one another is short: only where it points counts."""
    varied = shown([0, 1, 2])
    between = np.asarray(CENTRES[0] * 0.8 + CENTRES[1], np.float32)
    pictures = np.tile(between / np.linalg.norm(between), (24, 1)).astype(np.float32)
    varied["t1"] = Shown(cloud(1, 200, 5, 0.3), varied["t1"].base, pictures, "yes")
    assert confusion(varied, "")["t1"].taken_for["t1"] == 24


def test_a_proportion_has_wilsons_interval() -> None:
    found = _proportion(24, 24)
    assert (found.value, found.interval) == (1.0, (0.862, 1.0))


def test_a_single_image_is_its_own_and_of_two_each_is_held_against_the_other() -> None:
    one, other = np.eye(2, 4, dtype=np.float32)
    means = np.stack([one, other])
    assert _real_taken_for(other[None], means, 0) == [0]
    assert _real_taken_for(np.stack([one, other]), np.stack([(one + other) / 2, one]), 0) == [1, 0]


def test_only_more_than_real_images_is_bleeding_and_the_level_is_divided() -> None:
    real = {"a": 10, "b": 10}
    assert not _is_beyond_chance({"a": 20, "b": 0}, real, "b", 1)
    assert _is_beyond_chance({"a": 2, "b": 18}, real, "b", 1)
    tuned = {"a": 3, "b": 17}  # p = .0205 against ten of twenty: beyond chance among one other, and not among two
    assert [_is_beyond_chance(tuned, real, "b", others) for others in (1, 2)] == [True, False]


def test_an_encoder_that_tells_just_enough_real_images_is_not_blind() -> None:
    rows = confusion(shown([0, 1, 2]), "an encoder")
    told = [rows["t0"].model_copy(update={"real_taken_for": {"t0": count, "t1": 20 - count, "t2": 0}}) for count in (16, 15)]
    assert [decide(rows | {"t0": each})[1] for each in told] == ["kept_apart", "encoder_blind"]
