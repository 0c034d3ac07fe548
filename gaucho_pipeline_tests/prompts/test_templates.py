"""Prompts that names stand for: those of a subject, and those of a style, whose class noun is what it makes."""

from __future__ import annotations

import pytest

from gaucho_pipeline.prompts.templates import ConceptWords, class_prompt, instance_prompt, prior_prompts, without_token

CUP = ConceptWords("dnc", "cup")
WOODCUT = ConceptWords("zmrt", "woodcut", is_style=True)


def test_a_subject_is_photographed_and_a_style_is_what_is_made_in_it() -> None:
    assert instance_prompt(CUP) == "a photo of dnc cup"
    assert class_prompt(CUP) == "a photo of a cup"
    assert instance_prompt(WOODCUT) == "a zmrt woodcut"
    assert class_prompt(WOODCUT) == "a woodcut"
    assert class_prompt(WOODCUT._replace(class_noun="engraving")) == "an engraving"


def test_the_base_model_must_stay_what_it_was_on_the_class_on_nothing_and_on_other_things() -> None:
    others = [f"a photo of a {noun}" for noun in ("person", "house", "cat", "tree")]
    assert prior_prompts(CUP) == ["a photo of a cup", "", *others]
    assert prior_prompts(WOODCUT) == ["a woodcut", "", *others, "a photo of a cup"]


def test_only_a_style_says_in_a_version_that_it_is_one() -> None:
    assert CUP.to_json() == {"token": "dnc", "class_noun": "cup"}
    assert WOODCUT.to_json() == {"token": "zmrt", "class_noun": "woodcut", "is_style": True}


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        ("a photo of {token} {class_noun} in the snow", "a photo of a cup in the snow"),
        ("a red {token} {class_noun}", "a red cup"),
        ("{token} {class_noun} at night", "a cup at night"),
        ("a {token} {class_noun} of a horse", "a cup of a horse"),
        ("a photo of {token} {class_noun}", "a photo of a cup"),
        ("a gaucho holding {token} {class_noun}", "a gaucho holding a cup"),
        ("a photo of a {class_noun}", "a photo of a cup"),
    ],
)
def test_without_the_token_a_prompt_has_an_article_in_its_place(prompt: str, plain: str) -> None:
    assert without_token(prompt, "cup") == plain
