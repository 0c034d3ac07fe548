"""The model card beside a page: pictures, as hubs and people see them, and the settings that drew them."""

from __future__ import annotations

import yaml

from gaucho_pipeline.assets.rows import Picture
from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.pages.card import MAX_PICTURES, with_pictures
from gaucho_pipeline.store.manifest import DrawingRecord
from gaucho_pipeline_tests.training.test_model_card import card

DRAWN = DrawingRecord(num_inference_steps=33, guidance_scale=3.5)


def picture(number: int, prompt: str = "a photo of mtl tree", **keys: object) -> Picture:
    own = {
        "model": "tuned",
        "kind": "concept",
        "blank": False,
        "pixels": "0",
        "height": 64,
        "seed": number,
        "written": "",
        "without_token": "",
    }
    return Picture.model_validate({"file": f"pictures/{number:03d}-tuned.png", "number": number, "prompt": prompt, **own, **keys})


def test_the_pictures_are_in_its_head_and_in_its_text() -> None:
    rows = [picture(0, model="base"), picture(1, blank=True), picture(2, kind="class"), *(picture(number) for number in range(3, 12))]
    text = with_pictures(card(), rows, DRAWN)
    widget = yaml.safe_load(text.split("---")[1])["widget"]
    assert [each["output"]["url"] for each in widget] == [f"pictures/{number:03d}-tuned.png" for number in range(3, 3 + MAX_PICTURES)]
    assert "![a photo of mtl tree](pictures/003-tuned.png)" in text
    assert text.index("## What it draws") < text.index("## How to use it")
    assert yaml.safe_load(text.split("---")[1])["instance_prompt"] == "a photo of mtl tree"


def test_the_settings_are_those_that_drew_them_in_every_family() -> None:
    for name, family in FAMILIES.items():
        text = with_pictures(card(family), [picture(1)], DRAWN)
        assert f"num_inference_steps=33, {family.call_arguments(3.5)}" in text, name
        assert "Sampler settings: 33 steps, guidance 3.5." in text, name


def test_a_prompt_is_no_markup_and_another_card_is_left_as_it_is() -> None:
    text = with_pictures(card(), [picture(1, prompt="a ](javascript:x) *b* <i>")], DRAWN)
    assert "![a \\]\\(javascript:x\\) \\*b\\* \\<i\\>](pictures/001-tuned.png)" in text
    assert with_pictures("# mine\n", [picture(1)], DRAWN) == "# mine\n"
    assert with_pictures(card(), [], DRAWN) == card()
