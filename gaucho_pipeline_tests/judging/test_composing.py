"""A panel: every kind meets every other, controls are among them, and no order or id tells what a picture is."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.judging.composing import CONTROLS, compose
from gaucho_pipeline_tests.raters import pools, small_panel


def kinds_of_pairs(seed: int = 0) -> list[tuple[str, str]]:
    panel = small_panel(seed=seed)
    kind_of = {picture.id: picture.kind for picture in panel.pictures}
    return [(kind_of[pair.pictures[0]], kind_of[pair.pictures[1]]) for pair in panel.pairs]


def test_every_kind_meets_every_other_equally_often() -> None:
    met = Counter(frozenset(pair) for pair in kinds_of_pairs() if "control" not in pair)
    assert len(met) == 6
    assert set(met.values()) == {6}


def test_controls_are_real_images_against_shuffled_ones_and_marked_in_the_key_alone() -> None:
    panel = small_panel()
    known = [set(pair) for pair, asked in zip(kinds_of_pairs(), panel.pairs, strict=True) if asked.is_control]
    assert known == [{"real", "control"}] * CONTROLS


def test_neither_side_nor_place_tells_the_kind() -> None:
    left: Counter[str] = Counter()
    both: Counter[str] = Counter()
    places: dict[bool, list[int]] = {True: [], False: []}
    for seed in range(60):
        for place, (one, other) in enumerate(kinds_of_pairs(seed)):
            left[one] += 1
            both.update([one, other])
            places["control" in (one, other)].append(place)
    assert all(abs(left[kind] / both[kind] - 0.5) < 0.06 for kind in both)
    means = [sum(each) / len(each) for each in places.values()]
    assert abs(means[0] - means[1]) < 3


def test_ids_of_pairs_are_random_and_pictures_are_listed_by_id() -> None:
    one, other = small_panel(seed=1), small_panel(seed=2)
    assert not {pair.id for pair in one.pairs} & {pair.id for pair in other.pairs}
    assert [picture.id for picture in one.pictures] == sorted(picture.id for picture in one.pictures)


def test_a_kind_with_few_pictures_shows_each_as_often_as_the_others() -> None:
    own = pools()
    own["look_alike"] = own["look_alike"][:2]
    drawn = compose(own, 36, 20, random.Random(0))
    shown = Counter(picture for pair in drawn.pairs for picture in pair.pictures)
    counts = [shown[picture.id] for picture in own["look_alike"]]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == 18


def test_without_look_alikes_the_others_meet_more_often() -> None:
    own = pools(kinds=("real", "tuned", "base", "control"))
    drawn = compose(own, 36, 20, random.Random(0))
    assert len(drawn.pairs) == 36 + CONTROLS
    assert len(set(drawn.singles)) == len(drawn.singles)


@pytest.mark.parametrize("kind", ["real", "tuned", "base"])
def test_a_kind_without_pictures_is_told(kind: str) -> None:
    own = pools()
    del own[kind]  # type: ignore[arg-type]
    with pytest.raises(GauchoError, match=f"no pictures of the kind {kind}"):
        compose(own, 36, 20, random.Random(0))


def test_the_same_seed_draws_the_same_panel() -> None:
    assert small_panel(seed=3) == small_panel(seed=3)
