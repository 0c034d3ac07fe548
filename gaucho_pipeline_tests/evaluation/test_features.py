"""Prompts that the base model cannot follow are not the subject's fault."""

from __future__ import annotations

from typing import Any

import numpy as np

from gaucho_pipeline.evaluation.features import MAX_REAL_IMAGES, held_against, unfollowed_prompts
from gaucho_pipeline.scorers import Features
from gaucho_pipeline.scorers.base import Vectors

NOUN, OTHER, ELSE = np.eye(3, dtype=np.float32)
NOUNS = np.stack([NOUN, OTHER])


def rows(*vectors: Any) -> Vectors:
    found = np.array(vectors, np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def base(pictures: Vectors, class_pictures: Vectors) -> Features:
    """Two pictures of each prompt."""
    prompts = np.repeat(np.arange(len(pictures) // 2), 2)
    return Features(pictures, prompts, None, class_pictures, rows(NOUN), rows(OTHER))


def test_a_prompt_whose_pictures_show_something_else_is_not_followed() -> None:
    shown = base(rows(NOUN, NOUN + ELSE, OTHER, ELSE, NOUN, NOUN), rows(NOUN, NOUN))
    assert unfollowed_prompts(shown, NOUNS) == {1}


def test_a_weak_picture_of_the_noun_is_one() -> None:
    assert unfollowed_prompts(base(rows(NOUN + 2 * ELSE, NOUN + 2 * ELSE, NOUN, NOUN), rows(NOUN)), NOUNS) == set()


def test_a_noun_that_the_base_model_does_not_draw_at_all_is_not_the_prompts() -> None:
    assert unfollowed_prompts(base(rows(OTHER, OTHER, NOUN, NOUN), rows(ELSE, ELSE)), NOUNS) == set()
    assert unfollowed_prompts(base(rows(OTHER, OTHER, ELSE, ELSE), rows(NOUN, NOUN)), NOUNS) == set()


def test_shares_are_held_against_all_real_images_or_two_hundred_spread_over_all() -> None:
    assert held_against(13).tolist() == [*range(13)]
    many = held_against(5000)
    assert len(many) == MAX_REAL_IMAGES
    assert (many[0], many[-1]) == (0, 4999)
    assert np.diff(many).max() < 30
    assert held_against(1).tolist() == [0]
    assert held_against(0).tolist() == []
