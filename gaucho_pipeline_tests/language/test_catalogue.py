"""The catalogue of sentences: whole, compiled, and with the same things filled in on both sides."""

from __future__ import annotations

import gettext
import string

from babel.messages.pofile import read_po

from gaucho_pipeline_tests.catalogue import MO, PO, catalogue, sentences

KNOWN = {str(message.id): str(message.string) for message in read_po(PO.read_text(encoding="utf-8").splitlines()) if message.id}


def fields(text: str) -> set[str]:
    return {name for _literal, name, *_rest in string.Formatter().parse(text) if name is not None}


def test_every_sentence_is_in_it_and_no_other() -> None:
    assert set(KNOWN) == set(sentences()), "run: make catalogue"


def test_every_sentence_is_translated() -> None:
    assert [sentence for sentence, translation in KNOWN.items() if not translation] == []


def test_a_translation_has_the_same_filled_in_and_as_many_lines() -> None:
    assert [sentence for sentence, translation in KNOWN.items() if fields(translation) != fields(sentence)] == []
    assert [sentence for sentence, translation in KNOWN.items() if translation.count("\n") != sentence.count("\n")] == []


def test_what_is_compiled_is_what_was_written() -> None:
    with MO.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert [sentence for sentence, translation in KNOWN.items() if compiled.gettext(sentence) != translation] == [], "run: make catalogue"


def test_made_again_it_is_the_same() -> None:
    assert {str(message.id): str(message.string) for message in catalogue() if message.id} == KNOWN
