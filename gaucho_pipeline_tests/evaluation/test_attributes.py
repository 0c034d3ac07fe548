"""What a picture must show: found by a text-image model where that can tell, left to people where it cannot, and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gaucho_pipeline.assets.metrics import AttributeScore, Proportion
from gaucho_pipeline.evaluation.attributes import Shown, attribute_scores, missing
from gaucho_pipeline.evaluation.evidence import attribute_asides
from gaucho_pipeline.evaluation.verdict import decide
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.scorers.base import Vectors
from gaucho_pipeline_tests.evaluation.test_verdict import GOOD

WIDTH = 8


class Encoder:
    """Knows one attribute, as a direction of its own: every text is along the noun's, and one with the attribute leans that way."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return np.array([unit(0.4 if "arms" in text else 0.0) for text in texts], np.float32)


def unit(lean: float) -> np.ndarray:
    vector = np.zeros(WIDTH)
    vector[0], vector[1] = 1, lean
    return vector / np.linalg.norm(vector)


def pictures(lean: float, count: int, seed: int) -> Vectors:
    rng = np.random.default_rng(seed)
    found = np.array([unit(lean) + rng.normal(0, 0.05, WIDTH) for _ in range(count)])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def shown(tuned: float, real: float = 0.4, count: int = 12) -> Shown:
    return Shown(pictures(real, count, 1), pictures(0.0, count, 2), pictures(tuned, 24, 3))


@pytest.mark.parametrize(("lean", "low", "high"), [(0.4, 0.9, 1.0), (0.0, 0.0, 0.1)])
def test_a_model_that_ranks_real_images_first_says_how_many_pictures_show_it(lean: float, low: float, high: float) -> None:
    (score,) = attribute_scores(Encoder(), ["arms"], ConceptWords("mgn", "cactus"), shown(lean))
    assert score.seen
    assert low <= score.seen.value <= high
    assert score.ranked == 1


def test_a_word_that_it_does_not_know_is_left_to_people() -> None:
    (score,) = attribute_scores(Encoder(), ["a bare trunk"], ConceptWords("mgn", "tree"), shown(0.4))
    assert score.seen is None
    assert missing([score]) == []


def test_so_is_one_that_real_images_do_not_show_more_than_others() -> None:
    (score,) = attribute_scores(Encoder(), ["arms"], ConceptWords("mgn", "cactus"), shown(0.4, real=0.0))
    assert score.seen is None
    assert score.ranked is not None
    assert score.ranked < 0.9


def test_with_three_images_nothing_is_said() -> None:
    (score,) = attribute_scores(Encoder(), ["arms"], ConceptWords("mgn", "cactus"), shown(0.4, count=3))
    assert (score.ranked, score.seen) == (None, None)


def test_four_images_of_either_are_enough() -> None:
    (score,) = attribute_scores(Encoder(), ["arms"], ConceptWords("mgn", "cactus"), shown(0.4, count=4))
    assert score.ranked == 1


def test_nine_of_ten_ranked_first_is_believed_and_half_of_the_pictures_have_jeffreys_interval() -> None:
    real, without, tuned = [0.4] * 9 + [-0.4], [0.0] * 4, [0.4] * 12 + [-0.4] * 12
    exact = Shown(*(np.stack([unit(lean) for lean in leans]).astype(np.float32) for leans in (real, without, tuned)))
    (score,) = attribute_scores(Encoder(), ["arms"], ConceptWords("mgn", "cactus"), exact)
    assert score.ranked == 0.9
    assert score.seen == Proportion(value=0.5, interval=(0.3096, 0.6904))


def scored(value: float, low: float, high: float) -> AttributeScore:
    return AttributeScore(text="arms", ranked=1.0, seen=Proportion(value=value, interval=(low, high)))


@pytest.mark.parametrize(("score", "lacks"), [(scored(0.1, 0.02, 0.3), True), (scored(0.4, 0.2, 0.6), False), (scored(0.9, 0.7, 1), False)])
def test_an_attribute_is_missing_where_most_pictures_lack_it_for_certain(score: AttributeScore, lacks: bool) -> None:
    assert missing([score]) == (["arms"] if lacks else [])


def test_near_misses_are_no_yes_any_more_and_the_sentence_names_what_is_missing() -> None:
    assert decide(GOOD).word == "yes"
    assert decide(replace(GOOD, is_attribute_missing=True)) == ("no", "attribute_missing")
    (aside,) = attribute_asides([scored(0.1, 0.02, 0.3)])
    assert (aside.key, aside.values) == ("attributes_missing", {"attributes": "arms"})
    (left,) = attribute_asides([AttributeScore(text="a band", ranked=0.6, seen=None)])
    assert (left.key, left.values) == ("attributes_left_to_people", {"attributes": "a band"})
