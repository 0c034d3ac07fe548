"""Base models: what tells one from another, and that a pinned one is loaded as pinned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import huggingface_hub
import pytest
import torch
import transformers

from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.concepts.models import check_pinned
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import EMBEDDED_FOLDER, Loading
from gaucho_pipeline_tests.tiny_models import TINY


def test_another_byte_makes_another_model(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED_FOLDER / "scheduler", tmp_path / "model" / "scheduler")
    (tmp_path / "model" / "model_index.json").write_text('{"a": 1}')
    before = base_models.identity(str(tmp_path / "model"), None)
    (tmp_path / "model" / "model_index.json").write_text('{"a": 2}')
    after = base_models.identity(str(tmp_path / "model"), None)
    assert before["id"] == after["id"] == "model"
    assert before["digest"] != after["digest"]


def test_a_model_of_a_hub_is_reported_by_its_commit_without_asking_anybody() -> None:
    assert base_models.identity("owner/name", "a" * 40) == {"id": "owner/name", "revision": "a" * 40, "digest": None}


def test_a_folder_without_a_model_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no model"):
        base_models.identity(str(tmp_path), None)


def test_a_model_of_a_hub_is_loaded_at_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of it, its configuration and the pipeline around them."""
    asked: list[tuple[str, Any]] = []

    def elsewhere(cls: Any, method: str) -> None:
        real = getattr(cls, method).__func__

        def of_the_hub(own: Any, name: str, *, revision: str | None = None, **keys: Any) -> Any:
            if name != str(EMBEDDED_FOLDER):  # where the one before has led
                asked.append((name, revision))
            assert method != "from_pretrained" or keys["use_safetensors"] is True
            return real(own, str(EMBEDDED_FOLDER), **keys)

        monkeypatch.setattr(cls, method, classmethod(of_the_hub))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", recorded_hub(asked))
    for cls in (diffusers.StableDiffusionPipeline, diffusers.UNet2DConditionModel, diffusers.AutoencoderKL, transformers.CLIPTextModel):
        elsewhere(cls, "from_pretrained")
    for cls in (diffusers.UNet2DConditionModel, diffusers.AutoencoderKL):
        elsewhere(cls, "load_config")
    loaded = base_models.load("owner/name", "b" * 40, torch.device("cpu"))
    assert loaded.pipeline.unet
    assert len(asked) >= 8
    assert set(asked) == {("owner/name", "b" * 40)}


def recorded_hub(asked: list[tuple[str, Any]]) -> Callable[..., str]:
    """A hub that has one model, the embedded one."""

    def hf_hub_download(name: str, file: str, revision: str, local_files_only: bool) -> str:
        asked.append((name, revision))
        return str(EMBEDDED_FOLDER / file)

    return hf_hub_download


def test_a_hub_is_asked_once_what_a_model_is_and_the_answer_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", recorded_hub(asked))
    lock_file = LockFile(tmp_path / "concepts.lock.json")
    assert not base_models.is_recognised("owner/name", "b" * 40, lock_file)
    for _ in range(3):
        assert base_models.family_of("owner/name", "b" * 40, LockFile(tmp_path / "concepts.lock.json")) is StableDiffusion
    assert asked == [("owner/name", "b" * 40)] * 5  # its index, and what its parts are
    assert base_models.is_recognised("owner/name", "b" * 40, LockFile(tmp_path / "concepts.lock.json"))
    assert not base_models.is_recognised("owner/name", "c" * 40, LockFile(tmp_path / "concepts.lock.json"))


def test_a_hub_that_cannot_be_asked_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(GauchoError, match="owner/name cannot be asked for: "):
        base_models.family_of("owner/name", "b" * 40)


@pytest.mark.parametrize("content", ["[]", "{}", "nothing", '{"_class_name": 7}'])
def test_a_model_index_that_is_none_is_reported(content: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(content)
    with pytest.raises(ConfigError, match="model_index"):
        base_models.family_of(str(tmp_path), None)


def saved(pipeline: Any, folder: Path, **keys: Any) -> Path:
    pipeline.save_pretrained(folder, **keys)
    return folder


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_recognised_and_loaded_from_its_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(TINY[name](), tmp_path / "model")
    if name == "Flux2KleinPipeline":
        monkeypatch.setattr(FAMILIES[name], "hidden_layers", (1,))  # the tiny text encoder has two layers
    loaded = base_models.load(str(folder), None, torch.device("cpu"))
    assert type(loaded.family) is FAMILIES[name]
    assert loaded.family.network.dtype == torch.float32


def test_a_model_that_is_published_in_half_precision_only_is_loaded(tmp_path: Path) -> None:
    folder = saved(TINY["StableDiffusionPipeline"]().to(torch.float16), tmp_path / "model", variant="fp16")
    assert (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").is_file()
    assert base_models.load(str(folder), None, torch.device("cpu")).family.network.dtype == torch.float32


def edited(folder: Path, part: str, **changes: Any) -> Path:
    path = next((folder / part).glob("*config.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_a_model_for_inpainting_and_one_that_predicts_pictures_are_refused_by_name(tmp_path: Path) -> None:
    pipeline = TINY["StableDiffusionPipeline"]()
    config = {key: value for key, value in pipeline.unet.config.items() if not key.startswith("_")} | {"in_channels": 9}
    pipeline.unet = diffusers.UNet2DConditionModel.from_config(config)
    with pytest.raises(GauchoError, match="takes 9 channels for 4 of a picture: it is made for inpainting"):
        base_models.load(str(saved(pipeline, tmp_path / "inpaint")), None, torch.device("cpu"))
    folder = edited(saved(TINY["StableDiffusionPipeline"](), tmp_path / "sample"), "scheduler", prediction_type="sample")
    with pytest.raises(GauchoError, match="predicts 'sample'; what can be taught predicts epsilon or v_prediction"):
        base_models.load(str(folder), None, torch.device("cpu"))


@pytest.mark.parametrize(("size", "resolution"), [(None, 128), ([8, 8], 16), (16, 32)])
def test_a_size_that_is_not_said_or_a_pair_is_understood(size: Any, resolution: int, tmp_path: Path) -> None:
    folder = edited(saved(TINY["StableDiffusionPipeline"](), tmp_path / "model"), "unet", sample_size=size)
    assert base_models.load(str(folder), None, torch.device("cpu")).resolution == resolution


def test_weights_that_are_cut_off_are_reported_in_one_line(tmp_path: Path) -> None:
    folder = saved(TINY["StableDiffusionPipeline"](), tmp_path / "model")
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(
        GauchoError, match=r"unet/diffusion_pytorch_model\.safetensors is damaged: it has [\d,]+ bytes of [\d,]+; fetch it again"
    ) as caught:
        base_models.load(str(folder), None, torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_weights_that_are_missing_are_reported_as_such_and_not_as_those_of_a_variant(tmp_path: Path) -> None:
    folder = saved(TINY["StableDiffusionPipeline"](), tmp_path / "model")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(GauchoError, match=r"unet holds no weights \(no \.safetensors\); fetch them") as caught:
        base_models.load(str(folder), None, torch.device("cpu"))
    assert "fp16" not in str(caught.value)


@pytest.mark.parametrize("name", ["owner/na--me", "owner/-name", "owner/name.git"])
def test_a_name_that_no_hub_has_is_reported(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is no name that a hub has"):
        base_models.family_of(name, "b" * 40)


def test_what_is_no_stable_diffusion_is_refused_by_its_class(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "KandinskyPipeline"}')
    with pytest.raises(GauchoError, match="is a KandinskyPipeline; what can be taught: StableDiffusionPipeline"):
        base_models.load(str(tmp_path), None, torch.device("cpu"))


def test_the_embedded_model_computes_in_float32_on_a_cpu() -> None:
    base = base_models.load("embedded", None, torch.device("cpu"))
    assert base.pipeline.unet.dtype == torch.float32
    assert (base.resolution, type(base.family)) == (64, Embedded)


def test_four_bits_are_refused_where_they_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"training\.quantization: nf4 needs the extra: pip install 'gaucho-pipeline\[bitsandbytes\]'"):
        base_models.load("embedded", None, torch.device("cpu"), Loading("nf4"))
    monkeypatch.setattr(base_models, "find_spec", lambda name: object())
    with pytest.raises(ConfigError, match=r"training\.quantization: nf4 needs a CUDA GPU"):
        base_models.load("embedded", None, torch.device("cpu"), Loading("nf4"))


def test_four_bits_are_asked_of_the_denoiser_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dict[str, Any]()

    def as_asked(cls: Any) -> Any:
        real = cls.from_pretrained.__func__

        def from_pretrained(own: Any, name: str, *, quantization_config: Any = None, **keys: Any) -> Any:
            asked[keys["subfolder"]] = quantization_config
            return real(own, name, **keys)

        monkeypatch.setattr(cls, "from_pretrained", classmethod(from_pretrained))

    monkeypatch.setattr(base_models, "_four_bits", lambda device, dtype: "in four bits")
    for cls in (diffusers.UNet2DConditionModel, diffusers.AutoencoderKL, transformers.CLIPTextModel):
        as_asked(cls)
    assert base_models.load("embedded", None, torch.device("cpu"), Loading("nf4")).pipeline
    assert asked == {"unet": "in four bits", "vae": None, "text_encoder": None}


@pytest.mark.parametrize("name", ["dreamshaper_8.safetensors", "models/dreamshaper_8.safetensors", "./dreamshaper_8.ckpt"])
def test_a_single_file_is_answered_with_the_command_wherever_it_is_said_to_be(name: str) -> None:
    check_pinned(name, None)
    with pytest.raises(ConfigError, match="is a single file; diffusers makes a folder of it: python -c"):
        base_models.model_index(name, None)


def test_a_single_file_is_told_what_makes_a_folder_of_it(tmp_path: Path) -> None:
    file = tmp_path / "dreamshaper_8.safetensors"
    file.write_bytes(b"x")
    expected = r"dreamshaper_8\.safetensors is a single file; diffusers makes a folder of it: python -c .*\('dreamshaper_8\.safetensors'\)"
    for ask in (base_models.identity, base_models.family_of, base_models.check_folder):
        with pytest.raises(ConfigError, match=expected):
            ask(str(file), None)


def test_the_command_that_makes_a_folder_of_a_single_file_is_python(tmp_path: Path) -> None:
    """It is run as it stands on another machine; here it is read."""
    command = base_models._CONVERTS.format(file="x.safetensors")
    code = command.split('"')[1]
    compile(code, "command", "exec")
    assert hasattr(diffusers.StableDiffusionPipeline, "from_single_file")


LATER: dict[str, tuple[str, dict[str, Any], str]] = {
    "layers": ("unet", {"layers_per_block": 90_000}, "asks for more than 50,000 layers, which no model has"),
    "of the VAE": ("vae", {"layers_per_block": 90_000}, "makes no vae: its configuration asks for more than 50,000 layers"),
    "of the text encoder": ("text_encoder", {"num_hidden_layers": 90_000}, "makes no text_encoder: its configuration asks for more than"),
    "weights that no file has": ("text_encoder", {"num_hidden_layers": 900}, r"it would have [\d,]+ weights, and its files hold [\d,]+"),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("attack", LATER)
def test_a_configuration_of_more_than_its_files_hold_is_one_error(attack: str, tmp_path: Path) -> None:
    part, changes, message = LATER[attack]
    folder = edited(Path(shutil.copytree(EMBEDDED_FOLDER, tmp_path / "model")), part, **changes)
    with pytest.raises(ConfigError, match=message) as caught:
        _ = base_models.load(str(folder), None, torch.device("cpu")).pipeline
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{}", '{"a":' * 50_000 + "1" + "}" * 50_000])
@pytest.mark.parametrize("file", ["tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"])
def test_whatever_a_library_raises_of_a_folder_is_one_error(file: str, content: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDED_FOLDER, tmp_path / "model"))
    (folder / file).write_text(content)
    if (file, content) == ("tokenizer/tokenizer_config.json", "{}"):
        return  # which is one
    with pytest.raises(GauchoError, match=r"training\.base_model: .* cannot be loaded: pipeline: ") as caught:
        base_models.load(str(folder), None, torch.device("cpu"))
    assert len(str(caught.value).splitlines()) == 1


def test_pictures_that_are_not_square_are_called_so(tmp_path: Path) -> None:
    folder = edited(saved(TINY["StableDiffusionPipeline"](), tmp_path / "model"), "unet", sample_size=[24, 16])
    with pytest.raises(ConfigError, match="draws pictures that are not square"):
        base_models.check_folder(str(folder), None)
    assert base_models.check_folder(str(edited(folder, "unet", sample_size=[16, 16])), None)


def test_a_hubs_model_that_cannot_be_taught_is_refused_when_it_is_asked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a crawl that it would be for."""
    folder = saved(TINY["Flux2KleinPipeline"](), tmp_path / "model")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file, revision, local_files_only: str(folder / file))
    with pytest.raises(ConfigError, match="owner/name has a text encoder of 2 layers, of which number 27 is read"):
        base_models.family_of("owner/name", "b" * 40, LockFile(tmp_path / "concepts.lock.json"))
    assert not base_models.is_recognised("owner/name", "b" * 40, LockFile(tmp_path / "concepts.lock.json"))


def test_every_text_encoder_of_which_layers_are_read_has_them(tmp_path: Path) -> None:
    folder = saved(TINY["Krea2Pipeline"](), tmp_path / "model")
    assert base_models.check_folder(str(folder), None)
    index = json.loads((folder / "model_index.json").read_text())
    for layers, last in ((None, 35), ([1, 7], 7)):
        (folder / "model_index.json").write_text(json.dumps(index | {"text_encoder_select_layers": layers}))
        with pytest.raises(ConfigError, match=f"has a text encoder of 2 layers, of which number {last} is read"):
            base_models.check_folder(str(folder), None)


def test_a_hub_that_does_not_answer_is_asked_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each look at each concept would wait for half a minute."""
    tried: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], timeout: float) -> None:
        tried.append(address)
        raise OSError

    monkeypatch.setattr("socket.create_connection", create_connection)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    base_models.hub_answers.cache_clear()
    assert [base_models.hub_answers(7), base_models.hub_answers(7)] == [False, False]
    assert tried == [("127.0.0.1", 9)]
    base_models.hub_answers(8)
    assert len(tried) == 2
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    base_models.hub_answers.cache_clear()
    assert base_models.hub_answers(8)  # it is not for this machine to tell
    base_models.hub_answers.cache_clear()
