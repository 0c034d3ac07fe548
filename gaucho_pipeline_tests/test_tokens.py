"""What is odd about a concept's words for a base model's tokenizer."""

from __future__ import annotations

import pytest
import torch

from gaucho_pipeline import base_models
from gaucho_pipeline.families import Family
from gaucho_pipeline.training.tokens import notes_on_words
from gaucho_pipeline_tests.test_families import new_family


@pytest.fixture(scope="module")
def embedded() -> Family:
    return base_models.load("embedded", None, torch.device("cpu")).family


def test_a_made_up_word_and_one_that_is_kept_for_users_are_ordinary(embedded: Family) -> None:
    assert notes_on_words(embedded, "chmrr", ["a photo of chmrr drink"]) == []
    assert notes_on_words(embedded, "mtl", ["a photo of mtl tree"]) == []


def test_a_word_that_the_model_knows_is_told(embedded: Family) -> None:
    (note,) = notes_on_words(embedded, "tree", [])
    assert note.startswith("the token 'tree' is a word that the base model knows already")
    assert notes_on_words(embedded, "tre", []) == []


def test_a_token_that_the_tokenizer_does_not_know_is_told() -> None:
    family = new_family("StableDiffusion3Pipeline")  # whose three tokenizers know a handful of words
    (note,) = notes_on_words(family, "bombacha", [])
    assert note == "the base model's tokenizer does not know the token 'bombacha': it cannot be told from other unknown words"
    assert not any("does not know" in note for note in notes_on_words(family, "chmrr", []))


def test_captions_that_are_cut_are_counted(embedded: Family) -> None:
    captions = ["a photo of mtl tree", "a photo of mtl tree " + "by day " * 30]
    assert notes_on_words(embedded, "mtl", captions) == [
        "1 of 2 captions are longer than the 32 pieces that are read: their ends are not learned"
    ]
