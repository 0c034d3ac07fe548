"""Relevance: a text-image model tells what shows the concept from what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.concepts.curation import Relevance
from gaucho_pipeline.curation.relevance import relevance_model
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError


def test_relevance_by_the_embedded_text_image_model_tells_trees_from_houses() -> None:
    judge_tree = relevance_model(
        Relevance(model="embedded", positive_prompts=("a photo of a tree",), negative_prompts=("a photo of a house", "a photo of a cup"))
    )
    score = judge_tree(draw_subject("araucaria", 1, side=64))
    assert 0 <= score <= 1
    assert score > judge_tree(draw_subject("chimarrao", 1, side=64))


def test_a_relevance_model_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(GauchoError, match=r"curation\.relevance: .* cannot be loaded"):
        relevance_model(Relevance(model=str(tmp_path), positive_prompts=("a tree",)))
