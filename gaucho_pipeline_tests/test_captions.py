"""Captions: each names the concept, whoever wrote it, and says who did."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.concepts import Captioner, CurationSpec
from gaucho_pipeline.curation.captions import Caption, caption_of, captioning_model, with_token
from gaucho_pipeline.embedded.demo_subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.prompts import INSTANCE_PROMPT


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
