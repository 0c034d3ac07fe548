"""Captions: each names the concept, whoever wrote it, and says who did."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gaucho_pipeline.concepts.curation import Captioner, Context, CurationSpec
from gaucho_pipeline.curation.captions import Caption, caption_of, captioning_model, context_model, with_token
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.prompts.templates import INSTANCE_PROMPT


def test_captions_name_the_concept_whoever_wrote_them() -> None:
    titled = CurationSpec(captions="title")
    assert caption_of("Cuia {de} prata", CurationSpec(), "", "") == Caption(INSTANCE_PROMPT, "prompt")
    assert caption_of("Cuia {de} prata", titled, "", "") == Caption(f"{INSTANCE_PROMPT}, Cuia (de) prata", "title")
    assert caption_of("Mate", titled, "uma roda de mate", "") == Caption(f"{INSTANCE_PROMPT}, uma roda de mate", "curator")
    assert with_token("uma cuia {token}") == "uma cuia {token}"


@pytest.fixture
def captioner(tmp_path: Path) -> Path:
    """A captioning model in BLIP's classes and file layout, so small that it knows four words and means none of them."""
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil, BlipProcessor

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", "a", "gourd", "of", "mate"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 16}
    ends = {"bos_token_id": 5, "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3}
    text = layers | ends | {"vocab_size": len(words), "encoder_hidden_size": 32, "max_position_embeddings": 64}
    config = BlipConfig(text_config=text, vision_config=layers | {"image_size": 32, "patch_size": 16}, projection_dim=16)
    BlipForConditionalGeneration(config).save_pretrained(tmp_path / "blip")
    tokenizer = BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt"))
    BlipProcessor(BlipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer).save_pretrained(tmp_path / "blip")
    return tmp_path / "blip"


def test_a_picture_without_a_title_gets_the_plain_prompt_and_says_so() -> None:
    assert caption_of("  ", CurationSpec(captions="title"), "", "") == Caption(INSTANCE_PROMPT, "prompt")


def test_a_captioning_model_describes_and_its_captions_name_the_concept(captioner: Path) -> None:
    describe = captioning_model(Captioner(model=str(captioner)))
    said = describe(draw_subject("chimarrao", 1))
    assert set(said.split()) <= {"a", "gourd", "of", "mate"}
    spec = CurationSpec(captions="model", captioner=Captioner(model=str(captioner)))
    assert caption_of("", spec, "", said).text.startswith(INSTANCE_PROMPT)
    with pytest.raises(GauchoError, match=r"curation\.captioner: .* cannot be loaded"):
        captioning_model(Captioner(model=str(captioner.parent)))


CONTEXT = Context(
    model="embedded", medium=("a photo",), place=("on the grass", "in the snow", "on a table"), light=("by day", "at night"), view=()
)


def test_captions_say_where_and_when_as_a_text_image_model_sees_it() -> None:
    describe = context_model(CONTEXT, "tree")
    for scene, said in ((("grass", "day"), "on the grass by day"), (("snow", "night"), "in the snow at night")):
        answers = [describe(draw_subject("araucaria", index, scene)) for index in range(3)]
        assert answers == [f"{INSTANCE_PROMPT} {said}"] * 3
    spec = CurationSpec(captions="context", context=CONTEXT)
    assert caption_of("Cuia", spec, "", answers[0]) == Caption(f"{INSTANCE_PROMPT} in the snow at night", "context")
    assert caption_of("Cuia", spec, "na neve", answers[0]).by == "curator"


def test_what_is_not_probable_enough_is_not_said() -> None:
    twice = CONTEXT.model_copy(update={"place": ("on the grass", "on the  grass"), "light": (), "threshold": 0.6})  # which are alike
    assert context_model(twice, "tree")(draw_subject("araucaria", 1)) == INSTANCE_PROMPT
    likely = twice.model_copy(update={"threshold": 0.4})
    assert context_model(likely, "tree")(draw_subject("araucaria", 1)) == f"{INSTANCE_PROMPT} on the grass"


def test_the_medium_takes_the_place_of_a_photo_and_the_view_comes_last() -> None:
    of_view = CONTEXT.model_copy(update={"medium": ("a painting",), "place": (), "light": (), "view": ("seen close up",), "threshold": 0.0})
    said = context_model(of_view, "tree")(draw_subject("araucaria", 1))
    assert said == "a painting of {token} {class_noun}, seen close up"


def test_a_caption_always_names_the_concept() -> None:
    assert caption_of("", CurationSpec(captions="context", context=CONTEXT), "", "") == Caption(INSTANCE_PROMPT, "prompt")
    odd = CONTEXT.model_copy(update={"medium": ("a {rough} sketch",), "place": (), "light": ()})
    assert context_model(odd, "tree")(draw_subject("araucaria", 1)) == "a {rough} sketch of {token} {class_noun}"


def test_context_and_its_model_go_together() -> None:
    for keys in ({"captions": "context"}, {"context": CONTEXT}):
        with pytest.raises(ValidationError, match="captions: context and context go together"):
            CurationSpec.model_validate(keys)


def test_a_context_model_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(GauchoError, match=r"curation\.context: .* cannot be loaded"):
        context_model(CONTEXT.model_copy(update={"model": str(tmp_path)}), "tree")


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("File:Guampa de prata.JPG", "Guampa de prata"), ("Ficheiro:Roda_de_chimarrão.jpeg", "Roda de chimarrão"),
        ("IMG_20190101_123456", ""), ("DSC_0012.jpg", ""), ("P1010034", ""), ("WhatsApp Image 2020-01-01 at 10.11.12.jpeg", ""),
        ("IMG-20190101-WA0001.jpg", ""), ("00", ""), ("Ponte 25 de Março", "Ponte 25 de Março"), ("Foto da roda", "Foto da roda"),
    ],
)  # fmt: skip
def test_a_title_that_is_a_file_name_is_tidied_for_a_caption(title: str, words: str) -> None:
    spec = CurationSpec(captions="title")
    assert caption_of(title, spec, "", "") == (Caption(with_token(words), "title") if words else Caption(with_token(""), "prompt"))
