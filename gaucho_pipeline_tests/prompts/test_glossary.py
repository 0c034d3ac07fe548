"""The glossary: phrases before words, any case, placeholders untouched, and what it does not hold is told."""

from __future__ import annotations

import pytest

from gaucho_pipeline.prompts.glossary import GLOSSARY, translate


@pytest.mark.parametrize(
    ("portuguese", "english"),
    [
        ("uma foto de {token} {class_noun} sobre uma mesa de madeira", "a photo of {token} {class_noun} on a wooden table"),
        ("Uma pintura a óleo de {token} {class_noun} à luz de velas", "an oil painting of {token} {class_noun} by candlelight"),
        ("um gaúcho segurando {token} {class_noun}, ao lado do fogo", "a gaucho holding {token} {class_noun}, beside the fire"),
        ("{token} {class_noun} no campo, na neblina", "{token} {class_noun} in the field, in the mist"),
        ("", ""),
    ],
)
def test_the_longest_phrase_is_taken(portuguese: str, english: str) -> None:
    assert translate(portuguese) == (english, [])


def test_what_it_does_not_hold_stays_and_is_reported() -> None:
    assert translate("uma foto de {token} no bolicho 1835") == ("a photo of {token} in the bolicho 1835", ["bolicho"])


def test_further_entries_go_before() -> None:
    assert translate("na grama", {"na grama": "on the lawn"}) == ("on the lawn", [])


def test_every_entry_is_taken_as_it_stands() -> None:
    for words, english in GLOSSARY.items():
        assert translate(words) == (english, [])
