"""Masks by a model of CLIPSeg's kind, on one with the same classes and file layout, so small that it knows nothing."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from gaucho_pipeline.assets.rows import TrainImage, read_rows
from gaucho_pipeline.concepts.curation import CurationSpec, Segmenter
from gaucho_pipeline.curation.segmenting import segmenting_model
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.clip_vocabulary import clip_tokenizer
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("clipseg")
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2, "projection_dim": 16}
    text = layers | {"vocab_size": 49408, "max_position_embeddings": 77, "eos_token_id": 49407, "bos_token_id": 49406}
    vision = layers | {"image_size": 64, "patch_size": 16}
    sizes = {
        "projection_dim": 16,
        "reduce_dim": 16,
        "extract_layers": [0, 1, 2],
        "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 32,
    }
    config = CLIPSegConfig(text_config=text, vision_config=vision, **sizes)
    CLIPSegForImageSegmentation(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    return folder


def test_a_picture_becomes_a_mask_of_black_and_white(segmenter: Path) -> None:
    find = segmenting_model(Segmenter(model=str(segmenter)), "cup")
    answer = find(draw_subject("chimarrao", 1))
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer))))
    assert mask.shape == (64, 64)
    assert set(np.unique(mask)) <= {0, 255}
    assert find(draw_subject("chimarrao", 1)) == answer


def test_what_is_asked_and_how_sure_it_must_be_change_the_mask(segmenter: Path) -> None:
    picture = draw_subject("chimarrao", 1)

    def shown(**keys: object) -> float:
        answer = segmenting_model(Segmenter.model_validate({"model": str(segmenter)} | keys), "cup")(picture)
        return float(np.asarray(Image.open(io.BytesIO(base64.b64decode(answer)))).mean()) / 255

    shares = [shown(threshold=threshold) for threshold in (0.01, 0.3, 0.5, 0.7, 0.99)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
    assert shown(prompt="cup") == shown()
    assert shown(prompt="a tree by the sea at night", threshold=0.5) != shown(prompt="cup", threshold=0.5)


def test_a_model_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "sam2", "architectures": ["Sam2Model"]}')
    with pytest.raises(ConfigError, match="is a sam2; models of CLIPSeg's kind"):
        segmenting_model(Segmenter(model=str(tmp_path)), "cup")
    with pytest.raises(GauchoError, match=r"curation\.segmenter: .* cannot be loaded"):
        segmenting_model(Segmenter(model=str(tmp_path / "none")), "cup")


def test_a_segmenter_goes_with_masks_and_is_in_no_version_without_one() -> None:
    with pytest.raises(ValidationError, match="segmenter goes with masks"):
        CurationSpec(segmenter=Segmenter(model="./clipseg"))
    assert "segmenter" not in CurationSpec().identity()


def test_images_that_have_no_other_mask_get_the_models(segmenter: Path, tmp_path: Path) -> None:
    photos = draw_folder(tmp_path / "photos", "chimarrao", 5)
    own = tmp_path / "masks"
    own.mkdir()
    mask = Image.new("L", (128, 128))
    mask.paste(255, (0, 0, 64, 128))
    mask.save(own / "00.png")
    masks = {"folder": str(own), "alpha": False, "backdrop": False}
    curation = {"masks": masks, "segmenter": {"model": str(segmenter), "threshold": 0.45}}
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup") | {"curation": curation}})
    project = Project(tmp_path / "concepts.yaml", tmp_path / "data")
    gaucho(tmp_path, "run", "--select", "curated_set")
    made = project.store.current("curated_set", "chimarrao")
    assert made
    rows = read_rows(made.folder / "images.jsonl", TrainImage)
    by = {row.title: row.mask_by for row in rows}
    assert by["00"] == "folder"
    assert {by[title] for title in by if title != "00"} == {"segmenter"}
    assert made.manifest.metrics.masks == {"segmenter": len(rows) - 1, "folder": 1}  # type: ignore[attr-defined]
    for row in rows:
        assert row.mask
        with Image.open(made.folder / row.file) as picture, Image.open(made.folder / row.mask) as written:
            assert picture.size == written.size
