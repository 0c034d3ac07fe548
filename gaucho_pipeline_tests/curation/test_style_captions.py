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
        ("Woodcuts of horses", "horses"),
        ("a black and white drawing of a rider", "a rider"),
        ("An old sepia photograph of the harbour", "the harbour"),
        ("this is a pencil sketch of a cat", "a cat"),
        ("gravura em preto e branco de um cavalo", "um cavalo"),
        ("a horse on the plain in black and white", "a horse on the plain"),
        ("Xilogravura: Cavalo", "Xilogravura: Cavalo"),
        ("Cavalo, xilogravura, 1920", "Cavalo, 1920"),
        ("Cavalo, em preto e branco", "Cavalo"),
        ("Cavalo; técnica mista", "Cavalo"),
        ("Rio Guaíba, xilogravura sobre papel", "Rio Guaíba"),
        ("Rio Guaíba, oil painting on canvas", "Rio Guaíba"),
        ("A bridge, photograph on a wall", "A bridge, photograph on a wall"),
        ("oil on canvas, a rider, photograph", "a rider"),
        ("Gaúcho a cavalo by José Lutzenberger", "Gaúcho a cavalo"),
        ("José Lutzenberger - Gaúcho a cavalo", "Gaúcho a cavalo"),
        ("Gaúcho a cavalo — José Lutzenberger", "Gaúcho a cavalo"),
        ("Portrait of José Lutzenberger", "Portrait of José Lutzenberger"),
        ("José Lutzenberger's horse", "José Lutzenberger's horse"),
        ("a man holding a photograph of a horse", "a man holding a photograph of a horse"),
        ("a cup, a pencil", "a cup, a pencil"),
        ("Old, tired horse", "Old, tired horse"),
        ("Gravura com cavalo", "Gravura com cavalo"),
        ("a printing press", "a printing press"),
        ("the photographer and his camera", "the photographer and his camera"),
        ("a woodcut", ""),
        ("", ""),
    ],
)
def test_the_medium_and_the_author_are_left_out_where_they_are_no_part_of_what_is_shown(text: str, left: str) -> None:
    assert without_style(text, ("woodcut",), AUTHOR) == left


def test_a_name_of_one_word_may_be_what_is_shown() -> None:
    assert without_style("Unknown woman with a horse", ("woodcut",), "Unknown") == "Unknown woman with a horse"
    assert without_style("Santa Maria, by Maria", ("woodcut",), "Maria") == "Santa Maria, by Maria"


@pytest.mark.parametrize("author", ["(" * 400, "a+" * 300 + " b", "\\ " * 200, "[x] (y", "a " * 5000])
def test_no_name_and_no_title_is_a_pattern(author: str) -> None:
    assert without_style("a horse " * 40, ("wood(cut", "*"), author).startswith("a horse")
    assert not names_style("a horse " * 40, ("wood(cut", "*"), author)


def test_words_of_a_medium_that_stay_are_known() -> None:
    assert names_style("a man holding a photograph", ("woodcut",))
    assert names_style("the Woodcut on the wall", ("woodcut",))
    assert names_style("a house of José Lutzenberger", ("woodcut",), AUTHOR)
    assert names_style("a set of photographs", ("woodcut",))
    assert names_style("a sepia horse", ("woodcut",))
    assert not names_style("Santa Maria", ("woodcut",), "Maria")
    assert not names_style("a printing press by the photographer", ("woodcut",), AUTHOR)
    assert not names_style("a tale of a horse", (), "A.")


def test_a_caption_of_a_style_is_of_what_the_picture_shows() -> None:
    titled = CurationSpec(captions="title")

    def said(title: str, written: str = "") -> Caption:
        return caption_of(Captioned(title, written, "", AUTHOR), titled, WOODCUT)

    assert said("Woodcut of a rider.jpg") == Caption("a {token} {class_noun} of a rider", "title")
    assert said("Woodcut.jpg") == Caption("a {token} {class_noun}", "prompt")
    assert said("Cavalo.jpg", "a woodcut of my own") == Caption("a {token} {class_noun} of a woodcut of my own", "curator")


def test_a_models_braces_are_no_placeholders() -> None:
    answered = CurationSpec.model_validate({"captions": "model", "captioner": {"model": "./blip"}})
    assert caption_of(Captioned("", "", "a {token} of {x}"), answered, WOODCUT).text == "a {token} {class_noun} of a (token) of (x)"


def test_a_models_sentence_is_of_what_it_names_after_the_medium() -> None:
    answered = CurationSpec.model_validate({"captions": "model", "captioner": {"model": "./blip", "synonyms": ["linoleum print"]}})
    answer = Captioned("", "", "a linoleum print of two horses")
    assert caption_of(answer, answered, WOODCUT) == Caption("a {token} {class_noun} of two horses", "model")
