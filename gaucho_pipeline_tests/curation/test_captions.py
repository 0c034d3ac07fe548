"""Captions: each names the concept, whoever wrote it, and says who did."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gaucho_pipeline.concepts.curation import Captioner, Context, CurationSpec
from gaucho_pipeline.curation.captions import (
    Caption,
    Captioned,
    caption_of,
    captioning_model,
    catalogue_of,
    context_model,
    named_once,
    with_token,
)
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.templates import INSTANCE_PROMPT, ConceptWords
from gaucho_pipeline.sources.declared import read_table_of_rights
from gaucho_pipeline_tests.conftest import SMALL, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import run_stage

CUP = ConceptWords("dnc", "cup")


def caption_by(title: str, spec: CurationSpec, written: str, answer: str) -> Caption:
    return caption_of(Captioned(title, written, answer), spec, CUP)


def named(text: str) -> str:
    return with_token(text, CUP)


def test_captions_name_the_concept_whoever_wrote_them() -> None:
    titled = CurationSpec(captions="title")
    assert caption_by("Cuia {de} prata", CurationSpec(), "", "") == Caption(INSTANCE_PROMPT, "prompt")
    assert caption_by("Cuia {de} prata", titled, "", "") == Caption(f"{INSTANCE_PROMPT}, Cuia (de) prata", "title")
    assert caption_by("Mate", titled, "uma roda de mate", "") == Caption(f"{INSTANCE_PROMPT}, uma roda de mate", "curator")
    assert named("uma cuia {token}") == "uma cuia {token}"


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
    assert caption_by("  ", CurationSpec(captions="title"), "", "") == Caption(INSTANCE_PROMPT, "prompt")


@pytest.mark.parametrize(
    ("said", "caption"),
    [
        ("a cup on a table", "a {token} {class_noun} on a table"),
        ("two cups on a table", "two cups on a table"),
        ("A Cup and a cup", "A {token} {class_noun} and a cup"),
        ("a drinking cup", "a {token} {class_noun}"),
        ("a gourd {by} night", "a {token} {class_noun} (by) night"),
        ("a cup-board", "a cup-board"),
        ("", ""),
    ],
)
def test_a_model_that_says_the_class_noun_or_a_word_for_it_has_said_the_concept(said: str, caption: str) -> None:
    assert named_once(said, "cup", ("drinking cup", "gourd")) == caption


def test_a_captioning_model_is_asked_what_the_specification_says_and_its_question_is_no_part_of_the_answer(captioner: Path) -> None:
    spec = Captioner(model=str(captioner), prompt="a gourd of")
    said = captioning_model(spec)(draw_subject("chimarrao", 1))
    assert not said.startswith("a gourd of")
    assert Captioner(model="./m").identity() == {"model": "./m", "revision": None, "code_version": "2"}


def test_a_captioning_model_describes_and_its_captions_name_the_concept(captioner: Path) -> None:
    describe = captioning_model(Captioner(model=str(captioner)))
    said = describe(draw_subject("chimarrao", 1))
    assert set(said.split()) <= {"a", "gourd", "of", "mate"}
    spec = CurationSpec(captions="model", captioner=Captioner(model=str(captioner)))
    assert caption_by("", spec, "", said).text.startswith(INSTANCE_PROMPT)
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
    assert caption_by("Cuia", spec, "", answers[0]) == Caption(f"{INSTANCE_PROMPT} in the snow at night", "context")
    assert caption_by("Cuia", spec, "na neve", answers[0]).by == "curator"


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
    assert caption_by("", CurationSpec(captions="context", context=CONTEXT), "", "") == Caption(INSTANCE_PROMPT, "prompt")
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
    assert caption_by(title, spec, "", "") == (Caption(named(words), "title") if words else Caption(named(""), "prompt"))


# ------------------------------------------------------------------------------------------ from a catalogue

SPEC = CurationSpec(captions="catalogue", caption_template="{title}, {material}, made by {technique}")


def test_a_caption_says_what_the_catalogue_says_and_leaves_out_what_it_does_not() -> None:
    catalogue = catalogue_of(SPEC)
    assert catalogue.caption("Cuia", {"material": "silver", "technique": "chasing"}) == ("Cuia, silver, made by chasing", [])
    assert catalogue.caption("Cuia", {"material": "silver"}) == ("Cuia, silver", [])
    assert catalogue.caption("IMG_0001.jpg", {"Technique": "chasing"}) == ("made by chasing", [])
    assert catalogue.caption("", {}) == ("", [])


def test_braces_in_a_catalogue_are_no_placeholders() -> None:
    assert catalogue_of(SPEC).caption("{token}", {"material": "{class_noun}"})[0] == "(token), (class_noun)"


def test_portuguese_terms_go_through_the_glossary_and_what_it_does_not_hold_is_told(tmp_path: Path) -> None:
    (tmp_path / "terms.csv").write_text("pt;en\ncouro cru;rawhide\nprata;silver\n", encoding="utf-8")
    keys = {"captions": "catalogue", "caption_template": "{material}, de {origin}", "caption_language": "pt"}
    spec = CurationSpec(**keys, caption_glossary=tmp_path / "terms.csv")
    text, unknown = catalogue_of(spec).caption("", {"material": "prata com couro cru", "origin": "Bagé"})
    assert text == "silver with rawhide, of Bagé"
    assert unknown == ["Bagé"]


def test_a_caption_of_the_catalogue_stands_behind_the_plain_prompt_and_the_curators_word_goes_before_it() -> None:
    assert caption_by("Cuia", SPEC, "", "Cuia, silver") == Caption(f"{INSTANCE_PROMPT}, Cuia, silver", "catalogue")
    assert caption_by("Cuia", SPEC, "", "") == Caption(INSTANCE_PROMPT, "prompt")
    assert caption_by("Cuia", SPEC, "de prata", "Cuia, silver").by == "curator"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"captions": "catalogue"}, "go together"),
        ({"caption_template": "{title}"}, "go together"),
        ({"captions": "catalogue", "caption_template": "{title}", "caption_glossary": "a.csv"}, "caption_language: pt"),
        ({"captions": "title", "caption_language": "pt"}, "goes with captions: catalogue"),
    ],
)
def test_keys_of_a_catalogue_that_do_not_go_together_are_refused(keys: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CurationSpec.model_validate(keys)


@pytest.mark.parametrize(("content", "said"), [(None, "there is no"), ("a,b\n1,2\n", "the columns are pt, en")])
def test_a_glossary_that_is_none_is_told(content: str | None, said: str, tmp_path: Path) -> None:
    if content:
        (tmp_path / "terms.csv").write_text(content, encoding="utf-8")
    keys = {"captions": "catalogue", "caption_template": "{title}", "caption_language": "pt"}
    with pytest.raises(ConfigError, match=said):
        catalogue_of(CurationSpec(**keys, caption_glossary=tmp_path / "terms.csv"))


def test_the_table_of_a_folder_reaches_the_captions(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(4):
        draw_subject("chimarrao", number, side=160).save(photos / f"{number}.png")
    lines = ["file;title;Material", *(f"{number}.png;Cuia {number};{'prata' if number else 'taquara'}" for number in range(4))]
    (tmp_path / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    concept = folder_concept(photos, "dnc", "cup")
    concept["crawl"]["sources"][0]["folder"] |= {"table": str(tmp_path / "table.csv"), "fields": ["Material"]}
    (tmp_path / "terms.csv").write_text("pt,en\nprata,silver\n", encoding="utf-8")
    concept["curation"] = SMALL["curation"] | {
        "captions": "catalogue", "caption_template": "of {material}", "caption_language": "pt", "caption_glossary": "terms.csv",
    }  # fmt: skip
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"cuia": concept}), tmp_path / "data")
    said = [run_stage(project, asset, "cuia", tmp_path / asset).stderr for asset in ("raw_crawl", "curated_set")]
    artifact = project.store.current("curated_set", "cuia")
    assert artifact, said
    captions = sorted(row["caption"] for row in read_table(artifact.folder / "images.jsonl"))
    assert captions == [f"{INSTANCE_PROMPT}, of silver"] * 3 + [f"{INSTANCE_PROMPT}, of taquara"]
    assert "taquara (1)" in said[1]
    assert all("fields" not in row for row in read_table(artifact.folder / "images.jsonl"))


def test_a_column_that_fields_names_and_the_table_lacks_is_told(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("file,title\n0.png,Cuia\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no column 'material', which fields names"):
        read_table_of_rights(tmp_path / "table.csv", "file", ("Material",))
