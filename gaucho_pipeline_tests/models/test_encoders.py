"""Encoders: small models with the real classes of CLIP, SigLIP and DINOv2, from folders in the hub's own layout, without torchvision."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from gaucho_pipeline.concepts.models import EncoderSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.models.encoders import CopyDetector, Encoder
from gaucho_pipeline_tests.tiny_models import tokenizer

SIDE = 32
VISION = {
    "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8,
}  # fmt: skip
TEXT = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZE = {"height": SIDE, "width": SIDE}


def _clip(folder: Path) -> None:
    text = TEXT | {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 1, "max_position_embeddings": 77}
    config = transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)
    transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIZE).save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def _siglip(folder: Path) -> None:
    config = transformers.SiglipConfig(text_config=TEXT | {"max_position_embeddings": 77}, vision_config=VISION)
    transformers.SiglipModel(config).save_pretrained(folder)
    transformers.SiglipImageProcessorPil(size=SIZE).save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def _dinov2(folder: Path) -> None:
    transformers.Dinov2Model(transformers.Dinov2Config(**(VISION | {"image_size": 64}))).save_pretrained(folder)
    transformers.BitImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIZE).save_pretrained(folder)


def _vit(folder: Path) -> None:
    transformers.ViTModel(transformers.ViTConfig(**VISION), add_pooling_layer=False).save_pretrained(folder)
    transformers.ViTImageProcessorPil(size=SIZE).save_pretrained(folder)


KINDS = {"clip": (_clip, True), "siglip": (_siglip, True), "dinov2": (_dinov2, False), "dino": (_vit, False)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    found = {}
    for name, (make, _) in KINDS.items():
        found[name] = tmp_path_factory.mktemp(name)
        make(found[name])
    return found


def encoder(folder: Path | str) -> Encoder:
    return Encoder("clip", EncoderSpec(model=str(folder)))


@pytest.mark.parametrize("name", KINDS)
def test_pictures_become_unit_vectors_whatever_their_number_and_shape(name: str, folders: dict[str, Path]) -> None:
    model = encoder(folders[name])
    pictures = [draw_subject("araucaria", index, side=48) for index in range(3)]
    found = model.embed_images([*pictures, pictures[0].resize((90, 48))])
    assert found.shape[0] == 4
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert found[0] == pytest.approx(model.embed_images(pictures[:1])[0], abs=1e-5)
    assert not np.allclose(found[0], found[1], atol=1e-3)
    assert (model.reads_words, f"at {SIDE} px" in model.backbone) == (KINDS[name][1], True)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_words_become_vectors_of_the_same_width(name: str, folders: dict[str, Path]) -> None:
    model = encoder(folders[name])
    texts = model.embed_texts(["a photo of a tree", "a cup"])
    assert texts.shape == (2, model.embed_images([draw_subject("araucaria", 0)]).shape[1])
    assert np.linalg.norm(texts, axis=1) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(texts[0], texts[1], atol=1e-3)


def test_what_is_embedded_is_what_the_model_itself_says(folders: dict[str, Path]) -> None:
    picture = draw_subject("araucaria", 0, side=SIDE)
    model = transformers.Dinov2Model.from_pretrained(folders["dinov2"]).eval()
    mean, deviation = (
        torch.tensor(values)[:, None, None] for values in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    )
    pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)
    with torch.no_grad():
        own = model(((pixels - mean) / deviation)[None]).last_hidden_state[0, 0]
    assert encoder(folders["dinov2"]).embed_images([picture])[0] == pytest.approx((own / own.norm()).numpy(), abs=1e-5)


def test_the_embedded_one_prefers_pictures_of_what_the_words_say() -> None:
    model = encoder("embedded")
    trees, cups = (model.embed_images([draw_subject(name, index) for index in range(3)]) for name in ("araucaria", "chimarrao"))
    tree, cup = model.embed_texts(["a photo of a tree", "a photo of a cup"])
    assert (trees @ tree).mean() > (cups @ tree).mean()
    assert (cups @ cup).mean() > (trees @ cup).mean()
    assert model.backbone == "embedded scorer, middle square at 64 px"


def test_nothing_to_embed_is_nothing() -> None:
    assert len(encoder("embedded").embed_images([])) == 0


def test_one_that_cannot_be_had_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        GauchoError,
        match=f"evaluation.dinov2: facebook/dinov2-base cannot be had: .*hf download facebook/dinov2-base --revision {'a' * 40}",
    ):
        Encoder("dinov2", EncoderSpec(model="facebook/dinov2-base", revision="a" * 40))
    with pytest.raises(GauchoError, match="cannot be loaded"):
        encoder(tmp_path)


def test_what_a_hub_gave_before_is_taken_without_asking_it(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    revision = "a" * 40
    snapshot = tmp_path / "models--museum--dino" / "snapshots" / revision
    snapshot.parent.mkdir(parents=True)
    shutil.copytree(folders["dinov2"], snapshot)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setattr(huggingface_hub.constants, name, str(tmp_path), raising=False)
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path), raising=False)
    looked_up: list[object] = []
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **keys: (looked_up.append(host), resolve(host, *rest, **keys))[1])
    found = Encoder("dinov2", EncoderSpec(model="museum/dino", revision=revision), offline=True)
    assert looked_up == []
    assert found.backbone == "museum/dino @ aaaaaaaaaaaa, middle square at 32 px"


def test_weights_that_are_not_safetensors_are_not_loaded(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["dino"], tmp_path / "dino")
    (tmp_path / "dino" / "model.safetensors").rename(tmp_path / "dino" / "pytorch_model.bin")
    with pytest.raises(GauchoError, match="cannot be loaded"):
        encoder(tmp_path / "dino")


def test_broken_weights_are_reported(folders: dict[str, Path], tmp_path: Path) -> None:
    model = transformers.Dinov2Model.from_pretrained(folders["dinov2"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    model.save_pretrained(tmp_path)
    transformers.BitImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIZE).save_pretrained(tmp_path)
    with pytest.raises(GauchoError, match="gives no numbers"):
        encoder(tmp_path).embed_images([draw_subject("araucaria", 0)])


class _Mean(torch.nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(pixels, 96).flatten(1)


def test_a_copy_detector_is_a_file_of_the_users_own(tmp_path: Path) -> None:
    torch.jit.script(_Mean()).save(str(tmp_path / "copies.pt"))  # type: ignore[no-untyped-call]
    found = CopyDetector(tmp_path / "copies.pt").embed_images([Image.new("RGB", (20, 20), "red"), draw_subject("araucaria", 1)])
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    (tmp_path / "none.pt").write_text("x")
    with pytest.raises(GauchoError, match=r"evaluation.copy_detector: .*none.pt does not load"):
        CopyDetector(tmp_path / "none.pt")
