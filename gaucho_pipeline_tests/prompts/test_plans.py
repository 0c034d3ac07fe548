"""Plans of prompts: each asks for the concept in scenes of its kind, and for a style in pictures of many things."""

from __future__ import annotations

import pytest

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.prompts.plans import PLANS, SUBJECTS, dreambench, heritage


@pytest.mark.parametrize("subject", [None, *(subject for subject in SUBJECTS if subject != "style")])
@pytest.mark.parametrize("plan", PLANS)
def test_every_prompt_asks_for_the_concept_once_and_no_two_are_the_same(plan: str, subject: str) -> None:
    prompts = PLANS[plan](subject)
    assert len(set(prompts)) == len(prompts) >= 4
    assert all(prompt.count("{token} {class_noun}") == 1 for prompt in prompts)
    GallerySpec(prompts=prompts)


@pytest.mark.parametrize("plan", ["heritage", "drawn_world"])
def test_a_style_is_asked_for_in_pictures_of_different_things(plan: str) -> None:
    prompts = PLANS[plan]("style")
    assert len(prompts) >= 4
    assert all(prompt.startswith("a {token} {class_noun} of a") for prompt in prompts)


def test_heritage_asks_for_each_kind_of_subject_in_contexts_light_and_techniques() -> None:
    thing, place = heritage("thing"), heritage("place")
    assert thing[0] == place[0] == "a photo of {token} {class_noun}"
    assert "a photo of {token} {class_noun} held in two hands" in thing
    assert "a photo of {token} {class_noun} with cattle grazing" in place
    assert set(thing) & set(place) == {thing[0], *thing[-6:]}
    assert thing[-3:] == tuple(
        f"{style} {{token}} {{class_noun}}" for style in ("an oil painting of", "a pencil drawing of", "a woodcut of")
    )


def test_the_benchmarks_prompts_are_twenty_five_and_others_for_the_living() -> None:
    thing, animal = dreambench("thing"), dreambench("animal")
    assert len(set(thing)) == len(set(animal)) == 25
    assert len(set(thing) & set(animal)) == 15
    assert "a {token} {class_noun} wearing a santa hat" in animal
    assert "a {token} {class_noun} floating in an ocean of milk" in thing
    assert dreambench("person") == animal
