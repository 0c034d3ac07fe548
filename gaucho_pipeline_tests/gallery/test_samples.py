"""What is asked of a model: prompts and seeds in their order, and Portuguese."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.gallery.samples import Sample, samples_of, untranslated
from gaucho_pipeline.prompts.templates import ConceptWords


def test_samples_are_in_the_order_of_prompts_and_seeds_and_the_class_noun_comes_last() -> None:
    spec = GallerySpec(prompts=("{token} one", "{token} two"), seeds=(3, 1))
    assert [(s.prompt, s.seed, s.without_token, s.kind) for s in samples_of(spec, ConceptWords("mtl", "tree"))] == [
        ("mtl one", 3, "a one", "concept"), ("mtl one", 1, "a one", "concept"), ("mtl two", 3, "a two", "concept"),
        ("mtl two", 1, "a two", "concept"), ("a photo of a tree", 3, "a photo of a tree", "class"),
        ("a photo of a tree", 1, "a photo of a tree", "class"),
    ]  # fmt: skip
    assert len(samples_of(spec.model_copy(update={"class_pictures": False}), ConceptWords("mtl", "tree"))) == 4


def test_portuguese_prompts_are_read_in_english_and_shown_as_they_were_written() -> None:
    spec = GallerySpec(
        prompts=("uma foto de {token} {class_noun} na grama ao pôr do sol", "{token} {class_noun} numa fandanga"), seeds=(1,),
        language="pt", class_pictures=False,
    )  # fmt: skip
    first, second = samples_of(spec, ConceptWords("chmrr", "drink"))
    assert first == Sample(
        "a photo of chmrr drink on the grass at sunset", 1, "uma foto de chmrr drink na grama ao pôr do sol",
        "a photo of a drink on the grass at sunset",
    )  # fmt: skip
    assert untranslated(spec) == ["numa", "fandanga"]
    assert second.prompt == "chmrr drink numa fandanga"
    own = spec.model_copy(update={"glossary": {"numa fandanga": "at a country dance"}})
    assert untranslated(own) == []
    assert own.identity() != spec.identity()


def test_what_reads_portuguese_is_given_it_and_scored_in_english() -> None:
    spec = GallerySpec(prompts=("{token} {class_noun} na neve",), seeds=(1,), language="pt", class_pictures=False, translate=False)
    (sample,) = samples_of(spec, ConceptWords("chmrr", "drink"))
    assert (sample.prompt, sample.without_token, sample.written) == ("chmrr drink na neve", "a drink in the snow", "")
    assert untranslated(spec) == []


def test_a_glossary_and_portuguese_go_with_prompts() -> None:
    with pytest.raises(ValidationError, match="language: pt goes with prompts"):
        GallerySpec(language="pt")
    with pytest.raises(ValidationError, match="glossary goes with language: pt"):
        GallerySpec(prompts=("{token}",), glossary={"a": "b"})
