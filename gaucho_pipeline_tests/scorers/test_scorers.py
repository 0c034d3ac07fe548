"""The scorers against values that are worked out by hand, on vectors of two or three numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gaucho_pipeline.scorers import ENCODERS, SCORERS, Features

X, Y = (1.0, 0.0), (0.0, 1.0)
D = (math.sqrt(0.5), math.sqrt(0.5))


def vectors(*rows: tuple[float, ...]) -> Any:
    return np.array(rows, np.float32).reshape(len(rows), -1)


def features(**changes: Any) -> Features:
    values: dict[str, Any] = {
        "pictures": vectors(X, X, Y), "prompts": np.array([0, 0, 1]), "texts": vectors(X, Y, Y), "class_pictures": vectors(Y, D),
        "images": vectors(X, D), "look_alikes": vectors(Y),
    }  # fmt: skip
    return Features(**(values | changes))


def score(name: str, found: Features, rows: list[int] | None = None, columns: list[int] | None = None) -> float:
    scorer = SCORERS[name]
    rows = list(range(found.rows(scorer.of))) if rows is None else rows
    columns = list(range(len(found.images))) if columns is None else columns
    return scorer.score(found, np.array(rows, np.intp), np.array(columns, np.intp))


HALF = math.sqrt(0.5)
NOTHING = np.zeros((0, 2), np.float32)


@pytest.mark.parametrize("name", ["clip_i", "dino", "dinov2"])
def test_similarity_is_over_all_pairs(name: str) -> None:
    assert score(name, features()) == pytest.approx((1 + HALF + 1 + HALF + 0 + HALF) / 6)
    assert score(name, features(), rows=[2, 2], columns=[0]) == 0


def test_agreement_is_over_matching_pairs() -> None:
    assert score("clip_t", features()) == pytest.approx((1 + 0 + 1) / 3)
    assert score("clip_t", features(), rows=[1]) == 0
    assert not SCORERS["clip_t"].can_score(features(texts=None))


def test_adherence_is_between_a_pictures_own_prompt_and_the_others() -> None:
    found = features(texts=vectors(X, X, Y))  # one prompt is X, the other Y
    assert score("adherence", found) == pytest.approx((1 + 1 + 1) / 3 - 0)
    assert score("adherence", features(texts=vectors(Y, Y, X))) == pytest.approx(-1)
    assert score("adherence", features(pictures=vectors(D, D, D), texts=vectors(X, X, Y))) == pytest.approx(0)
    assert score("adherence", found, rows=[0, 2, 2]) == pytest.approx(1)
    assert not SCORERS["adherence"].can_score(features(prompts=np.array([0, 0, 0])))


def test_retrieval_is_the_mean_average_precision_of_the_real_images_among_look_alikes() -> None:
    diagonal = (2**-0.5, 2**-0.5)
    found = features(pictures=vectors(X), prompts=np.zeros(1, int), images=vectors(X, Y), look_alikes=vectors(diagonal))
    assert score("retrieval", found) == pytest.approx((1 + 2 / 3) / 2)  # X, the look-alike, Y
    assert score("retrieval", features(pictures=vectors(X), images=vectors(X), look_alikes=vectors(Y))) == 1
    assert score("retrieval", features(pictures=vectors(X), images=vectors(X), look_alikes=vectors(X))) == 0.5  # as near is not nearer
    assert not SCORERS["retrieval"].can_score(features(look_alikes=NOTHING))


def test_steadiness_is_that_of_the_weakest_prompt() -> None:
    assert score("steadiness", features()) == pytest.approx(HALF / 2)


def test_variety_is_between_pictures_of_one_prompt() -> None:
    assert score("variety", features()) == pytest.approx(0)
    assert score("variety", features(pictures=vectors(X, Y, Y))) == pytest.approx(1)
    assert math.isnan(score("variety", features(), rows=[0, 0, 0]))  # one picture over and over is no pair
    assert not SCORERS["variety"].can_score(features(prompts=np.array([0, 1, 2])))


def test_drift_is_of_the_class_nouns_pictures() -> None:
    assert score("class_drift", features()) == pytest.approx((0 + HALF + HALF + 1) / 4)
    assert not SCORERS["class_drift"].can_score(features(class_pictures=NOTHING))


def test_the_kernel_distance_is_that_of_the_paper() -> None:
    def kernel(distance: float) -> float:
        return math.exp(-(distance**2) / 200)

    far, near = math.sqrt(2), math.sqrt(2 - 2 * HALF)
    within_pictures = (kernel(0) + kernel(far) + kernel(far)) / 3
    between = (2 * (kernel(0) + kernel(near)) + kernel(far) + kernel(near)) / 6
    expected = 1000 * (within_pictures + kernel(near) - 2 * between)
    assert score("cmmd", features()) == pytest.approx(expected, abs=2e-3)


def test_sets_of_one_kind_lie_nearer_than_sets_of_two() -> None:
    generator = np.random.default_rng(0)

    def cloud(place: float) -> Any:
        found = generator.normal(place, 0.3, (20, 8)).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    images = cloud(1.0)
    for name, better in (("cmmd", -1), ("clip_i", 1), ("retrieval", 1)):
        alike, other = (
            score(name, features(pictures=cloud(place), prompts=np.zeros(20, np.intp), images=images, look_alikes=cloud(-0.5)))
            for place in (1.0, -0.5)
        )
        assert better * (alike - other) > 0


def test_every_scorer_has_its_key_its_words_and_an_encoder() -> None:
    for name, scorer in SCORERS.items():
        assert name == scorer.name
        assert scorer.encoder in (None, *ENCODERS)
        assert all((scorer.title.pt, scorer.title.en, scorer.sentence.pt, scorer.sentence.en))
        assert scorer.title.pt != scorer.title.en


def test_what_each_figure_needs_and_which_way_is_better() -> None:
    one, none = vectors(X), NOTHING
    assert not SCORERS["cmmd"].higher_is_better
    assert not any(SCORERS["cmmd"].can_score(features(**{name: one})) for name in ("pictures", "images"))
    assert all(not SCORERS[name].has_ceiling for name in ("steadiness", "adherence"))
    assert not any(SCORERS[name].uses_images for name in ("adherence", "clip_t", "variety"))
    for name in ("clip_i", "steadiness"):
        assert not SCORERS[name].can_score(features(images=none))
        assert not SCORERS[name].can_score(features(pictures=none))
        assert SCORERS[name].can_score(features())
