"""What is odd about a concept's words for a base model's tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gaucho_pipeline.concepts.concept import Concept
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.families import Family
from gaucho_pipeline.models import base_models
from gaucho_pipeline.prompts.plans import PLANS
from gaucho_pipeline.prompts.templates import fill_in
from gaucho_pipeline.training.tokens import notes_on_words
from gaucho_pipeline_tests import tiny_models
from gaucho_pipeline_tests.clip_vocabulary import clip_tokenizer
from gaucho_pipeline_tests.tiny_models import new_family

SHIPPED = Path(__file__).resolve().parents[2] / "concepts.yaml"


@pytest.fixture(scope="module")
def embedded() -> Family:
    return base_models.load("embedded", None, torch.device("cpu")).family


def test_a_made_up_word_and_one_that_is_kept_for_users_are_ordinary(embedded: Family) -> None:
    assert notes_on_words(embedded, "chmrr", ["a photo of chmrr drink"]) == []
    assert notes_on_words(embedded, "mtl", ["a photo of mtl tree"]) == []


def test_a_word_that_the_model_knows_is_reported(embedded: Family) -> None:
    (note,) = notes_on_words(embedded, "tree", [])
    assert note.startswith("the token 'tree' is a word that the base model knows already")
    assert notes_on_words(embedded, "tre", []) == []


def test_a_token_that_the_tokenizer_does_not_know_is_reported() -> None:
    family = new_family("StableDiffusion3Pipeline")  # whose three tokenizers know a handful of words
    (note,) = notes_on_words(family, "bombacha", [])
    assert note == "the base model's tokenizer does not know the token 'bombacha': it cannot be told from other unknown words"
    assert not any("does not know" in note for note in notes_on_words(family, "chmrr", []))


def test_captions_that_are_cut_are_counted(embedded: Family) -> None:
    captions = ["a photo of mtl tree", "a photo of mtl tree " + "by day " * 30]
    assert notes_on_words(embedded, "mtl", captions) == [
        "1 of 2 captions are longer than the 32 pieces that are read: their ends are not learned"
    ]


@pytest.fixture(scope="module")
def stable_diffusion() -> Family:
    """A Stable Diffusion with the words that it really has."""
    family = new_family("StableDiffusionPipeline")
    family.pipeline.register_modules(tokenizer=clip_tokenizer())
    return family


def test_the_vocabulary_is_that_of_clip() -> None:
    """The example of https://github.com/instant-labs/instant-clip-tokenizer."""
    assert clip_tokenizer()("A person riding a motorcycle", add_special_tokens=False).input_ids == [320, 2533, 6765, 320, 10297]


@pytest.mark.parametrize("word", ["sks", "mate"])
def test_a_word_that_clip_has_whole_is_reported(stable_diffusion: Family, word: str) -> None:
    """The `sks` of many guides is a rifle to CLIP."""
    (note,) = notes_on_words(stable_diffusion, word, [])
    assert note.startswith(f"the token {word!r} is a word that the base model knows already")


def test_a_token_of_too_many_pieces_of_clip_is_reported(stable_diffusion: Family) -> None:
    (note,) = notes_on_words(stable_diffusion, "xqzvwkjy", [])
    assert note.startswith("the token 'xqzvwkjy' falls into ")


@pytest.mark.parametrize(("slug", "concept"), load_concepts(SHIPPED).concepts.items())
def test_clip_can_tell_the_words_of_the_concepts_that_ship_and_reads_their_prompts_whole(
    stable_diffusion: Family, slug: str, concept: Concept
) -> None:
    prompts = [*concept.gallery.prompts, *(prompt for plan in PLANS.values() for prompt in plan(concept.subject))]
    prompts += [beat.prompt for story in concept.sequence.stories for beat in story.beats] if concept.sequence else []
    filled = [fill_in(prompt, concept.words) for prompt in prompts]
    assert len(filled) > len(PLANS["dreambench"](None))
    assert notes_on_words(stable_diffusion, concept.token, filled) == []


CUT = "1 of 2 captions are longer than the 77 pieces that text encoder 1 (CLIPTextModel) reads: of their ends it tells nothing"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("FluxPipeline", [CUT]),
        ("StableDiffusion3Pipeline", ["77 pieces that text encoder 1", "77 pieces that text encoder 2"]),
        ("StableDiffusionPipeline", ["1 of 2 captions are longer than the 77 pieces that are read: their ends are not learned"]),
    ],
)
def test_of_several_text_encoders_each_is_said_what_it_reads(name: str, expected: list[str]) -> None:
    """T5 reads to the length that the pipeline takes, CLIP to its own."""
    family = new_family(name)
    if name != "StableDiffusionPipeline":
        last = {"FluxPipeline": "tokenizer_2", "StableDiffusion3Pipeline": "tokenizer_3"}[name]
        family.pipeline.register_modules(**{last: tiny_models.tokenizer(512)})
    found = notes_on_words(family, "chmrr", ["a cup", "a cup " + "by day " * 50])
    assert len(found) == len(expected)
    for note, part in zip(found, expected, strict=True):
        assert part in note
    longest = notes_on_words(family, "chmrr", ["by day " * 300])
    assert len(longest) == len(expected) + (name != "StableDiffusionPipeline")  # that is more than T5 reads, too
