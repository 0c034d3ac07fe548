"""Captions of a style: what a picture shows, without its medium and its author, which are left for the token."""

from __future__ import annotations

import pytest

from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.captions import Caption, Captioned, caption_of
from gaucho_pipeline.curation.style_captions import names_style, without_style
from gaucho_pipeline.prompts.templates import ConceptWords

WOODCUT = ConceptWords("zmrt", "woodcut", is_style=True)
AUTHOR = "José Lutzenberger (1882–1951)"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a woodcut of a horse on the plain", "a horse on the plain"),
        ("a black and white drawing of a rider", "a rider"),
        ("An old sepia photograph of the harbour", "the harbour"),
        ("this is a pencil sketch of a cat", "a cat"),
        ("gravura em preto e branco de um cavalo", "um cavalo"),
        ("Xilogravura: Cavalo", "Xilogravura: Cavalo"),
        ("Cavalo, xilogravura, 1920", "Cavalo, 1920"),
        ("Cavalo, em preto e branco", "Cavalo"),
        ("oil on canvas, a rider, photograph", "a rider"),
        ("Gaúcho a cavalo by José Lutzenberger", "Gaúcho a cavalo"),
        ("José Lutzenberger - Gaúcho a cavalo", "Gaúcho a cavalo"),
        ("a man holding a photograph of a horse", "a man holding a photograph of a horse"),
        ("a printing press", "a printing press"),
        ("the photographer and his camera", "the photographer and his camera"),
        ("a woodcut", ""),
        ("", ""),
    ],
)
def test_the_medium_and_the_author_are_left_out_where_they_are_no_part_of_what_is_shown(text: str, left: str) -> None:
    assert without_style(text, ("woodcut",), AUTHOR) == left


def test_words_of_a_medium_that_stay_are_known() -> None:
    assert names_style("a man holding a photograph", ("woodcut",))
    assert names_style("the Woodcut on the wall", ("woodcut",))
    assert names_style("a house of José Lutzenberger", ("woodcut",), AUTHOR)
    assert not names_style("a printing press by the photographer", ("woodcut",), AUTHOR)
    assert not names_style("a tale of a horse", (), "A.")


def test_a_caption_of_a_style_is_of_what_the_picture_shows() -> None:
    titled = CurationSpec(captions="title")

    def said(title: str, written: str = "") -> Caption:
        return caption_of(Captioned(title, written, "", AUTHOR), titled, WOODCUT)

    assert said("Woodcut of a rider.jpg") == Caption("a {token} {class_noun} of a rider", "title")
    assert said("Woodcut.jpg") == Caption("a {token} {class_noun}", "prompt")
    assert said("Cavalo.jpg", "a woodcut of my own") == Caption("a {token} {class_noun} of a woodcut of my own", "curator")


def test_a_models_sentence_is_of_what_it_names_after_the_medium() -> None:
    answered = CurationSpec.model_validate({"captions": "model", "captioner": {"model": "./blip", "synonyms": ["linoleum print"]}})
    answer = Captioned("", "", "a linoleum print of two horses")
    assert caption_of(answer, answered, WOODCUT) == Caption("a {token} {class_noun} of two horses", "model")
