"""Models that were distilled to few steps: they are known as such, drawn with as such, and taught only where that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.commands.preflight import problems
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families import DISTILLED, FAMILIES, member_of
from gaucho_pipeline.families.chroma import Chroma, ChromaFlash
from gaucho_pipeline.families.ernie_image import ErnieImage, ErnieImageTurbo
from gaucho_pipeline.families.flux import Flux, FluxSchnell
from gaucho_pipeline.families.flux2_klein import Flux2Klein, Flux2KleinDistilled
from gaucho_pipeline.families.krea2 import Krea2, Krea2Turbo
from gaucho_pipeline.families.stable_diffusion import StableDiffusion, StableDiffusionDistilled, StableDiffusionLCM
from gaucho_pipeline.families.stable_diffusion_xl import StableDiffusionXL, StableDiffusionXLDistilled, StableDiffusionXLLCM
from gaucho_pipeline.families.z_image import ZImage, ZImageTurbo
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.spec import JsonObject
from gaucho_pipeline_tests.tiny_models import new_family


@pytest.mark.parametrize(
    ("family", "name", "index", "config", "expected"),
    [
        (Flux, "FLUX.1-dev", {}, {"guidance_embeds": True}, Flux),
        (Flux, "FLUX.1-schnell", {}, {"guidance_embeds": False}, FluxSchnell),
        (Flux, "a copy", {}, {"guidance_embeds": False}, FluxSchnell),
        (Flux, "FLUX.1-dev", {}, {}, Flux),  # of a lock file that knows no more
        (Flux2Klein, "FLUX.2-klein-base-4B", {"is_distilled": False}, {}, Flux2Klein),
        (Flux2Klein, "FLUX.2-klein-4B", {"is_distilled": True}, {}, Flux2KleinDistilled),
        (Krea2, "Krea-2-Raw", {}, {}, Krea2),
        (Krea2, "Krea-2-Turbo", {"is_distilled": True}, {}, Krea2Turbo),
        (Krea2, "Krea-2-Turbo", {}, {}, Krea2Turbo),
        (Chroma, "Chroma1-Flash", {}, {}, ChromaFlash),
        (Chroma, "Chroma1-HD", {}, {}, Chroma),
        (ErnieImage, "ERNIE-Image-Turbo", {}, {}, ErnieImageTurbo),
        (ZImage, "Z-Image", {}, {}, ZImage),
        (ZImage, "Z-Image-Turbo", {}, {}, ZImageTurbo),
        (StableDiffusionXL, "stable-diffusion-xl-base-1.0", {}, {}, StableDiffusionXL),
        (StableDiffusionXL, "sdxl-turbo", {}, {}, StableDiffusionXLDistilled),
        (StableDiffusionXL, "SDXL-Lightning", {}, {}, StableDiffusionXLDistilled),
        (StableDiffusionXL, "mine", {}, {"time_cond_proj_dim": 256}, StableDiffusionXLLCM),
        (StableDiffusion, "LCM_Dreamshaper_v7", {}, {"time_cond_proj_dim": 256}, StableDiffusionLCM),
        (StableDiffusion, "sd-turbo", {}, {}, StableDiffusionDistilled),
    ],
)
def test_a_distilled_model_is_known_by_what_it_says_of_itself_or_by_its_name(
    family: Any, name: str, index: dict[str, Any], config: dict[str, Any], expected: Any
) -> None:
    assert member_of(family, name, JsonObject(index), JsonObject(config)) is expected


@pytest.mark.parametrize("family", DISTILLED)
def test_teaching_one_is_refused_in_one_line_that_names_what_to_teach(family: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        TrainingSpec().for_family(family)
    assert "\n" not in str(raised.value)
    assert family.taught_instead in str(raised.value)
    assert TrainingSpec(allow_distilled=True).for_family(family).rank
    assert FAMILIES[family.pipeline_class].taught_instead == ""


@pytest.mark.parametrize("family", DISTILLED)
def test_it_is_drawn_in_few_steps(family: Any) -> None:
    found = GallerySpec().for_family(family)
    assert found.num_inference_steps <= 9
    is_told_its_guidance = family in (StableDiffusionLCM, StableDiffusionXLLCM)
    assert 3 <= found.guidance_scale <= 13 if is_told_its_guidance else found.guidance_scale <= 1


@pytest.mark.parametrize("family", [Flux, FluxSchnell, Flux2KleinDistilled])
def test_what_knows_no_negative_prompt_is_given_none(family: Any) -> None:
    with pytest.raises(ConfigError, match=r"gallery\.negative_prompt: the guidance of this \w+ was distilled into it"):
        GallerySpec(negative_prompt="a car").for_family(family)


def test_a_folder_is_asked_itself_and_a_hub_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = new_family("FluxPipeline").pipeline
    pipeline.transformer.register_to_config(guidance_embeds=False)
    pipeline.save_pretrained(tmp_path / "model")
    assert base_models.family_of(str(tmp_path / "model"), None) is FluxSchnell
    asked = list[str]()

    def hf_hub_download(name: str, file: str, revision: str, local_files_only: bool) -> str:
        asked.append(file)
        return str(tmp_path / "model" / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", hf_hub_download)
    lock = LockFile(tmp_path / "lock.json")
    for _ in range(2):
        assert base_models.family_of("owner/name", "b" * 40, lock) is FluxSchnell
    assert asked[:2] == ["model_index.json", "transformer/config.json"]
    assert len(asked) == 6  # and what its parts are, whether it can be taught at all
    kept = json.loads((tmp_path / "lock.json").read_text(encoding="utf-8"))["names"][f"base model: owner/name@{'b' * 40}"]
    assert (kept["id"], kept["guidance_embeds"]) == ("FluxPipeline", False)


CONCEPTS = """
concepts:
  x:
    token: chmrr
    class_noun: drink
    crawl: {{sources: [{{folder: {{path: ., license: cc0, author: A, source: S}}}}]}}
    training: {{base_model: ./taught}}
    gallery: {{base_model: ./{drawing}}}
"""


def test_a_sibling_draws_in_its_own_few_steps_and_one_of_another_shape_is_refused(tmp_path: Path) -> None:
    taught, drawing, other = (new_family("FluxPipeline").pipeline for _ in range(3))
    drawing.transformer.register_to_config(guidance_embeds=False)
    other.transformer.register_to_config(num_layers=7)
    for name, pipeline in (("taught", taught), ("drawing", drawing), ("other", other)):
        pipeline.save_pretrained(tmp_path / name)
    new_family("StableDiffusionPipeline").pipeline.save_pretrained(tmp_path / "stranger")
    (tmp_path / "concepts.yaml").write_text(CONCEPTS.format(drawing="drawing"), encoding="utf-8")
    concept = load_concepts(tmp_path / "concepts.yaml").concepts["x"]
    assert concept.gallery.base_model == str(tmp_path / "drawing")
    families = [base_models.family_of(model, None) for model in (concept.training.base_model, concept.gallery.base_model)]
    found = concept.for_family(*families)
    assert (found.gallery.num_inference_steps, found.training.rank) == (4, 32)
    taught_folder = str(tmp_path / "taught")
    base_models.check_sibling(taught_folder, None, str(tmp_path / "drawing"), None)
    older = tmp_path / "drawing" / "transformer" / "config.json"  # of a version that wrote fewer keys, and one that is gone
    config = json.loads(older.read_text(encoding="utf-8"))
    older.write_text(json.dumps({key: value for key, value in config.items() if key != "patch_size"} | {"gone": 1}), encoding="utf-8")
    base_models.check_sibling(taught_folder, None, str(tmp_path / "drawing"), None)
    with pytest.raises(ConfigError, match=r"gallery\.base_model: it has num_layers 7, and the model that was taught 1: what was learned"):
        base_models.check_sibling(taught_folder, None, str(tmp_path / "other"), None)
    stranger = base_models.family_of(str(tmp_path / "stranger"), None)
    with pytest.raises(ConfigError, match=r"gallery\.base_model: it is a StableDiffusionPipeline, and what is taught a FluxPipeline"):
        concept.for_family(families[0], stranger)


def test_all_weights_of_a_model_cannot_be_drawn_with_by_another(tmp_path: Path) -> None:
    for name in ("taught", "drawing"):
        new_family("FluxPipeline").pipeline.save_pretrained(tmp_path / name)
    text = CONCEPTS.format(drawing="drawing").replace("./taught}", "./taught, method: dreambooth}")
    (tmp_path / "concepts.yaml").write_text(text, encoding="utf-8")
    found = [str(each) for each in problems(Project(tmp_path / "concepts.yaml", tmp_path / "data"), ["x"], "sample_gallery")]
    assert any(
        "gallery.base_model: all weights of the taught model were learned, and no other can draw with them" in each for each in found
    )


def test_a_hub_model_that_is_distilled_by_its_makers_name_stays_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`_name_or_path` tells it: the second run reads the lock file, and one of an older version asks again."""
    pipeline = new_family("StableDiffusionXLPipeline").pipeline
    pipeline.save_pretrained(tmp_path / "model")
    index = tmp_path / "model" / "model_index.json"
    index.write_text(
        json.dumps(json.loads(index.read_text(encoding="utf-8")) | {"_name_or_path": "stabilityai/sdxl-turbo"}), encoding="utf-8"
    )
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda name, file, revision, local_files_only: str(tmp_path / "model" / file))
    lock = LockFile(tmp_path / "lock.json")
    for _ in range(2):
        assert base_models.family_of("someone/painter", "a" * 40, lock) is StableDiffusionXLDistilled
    older = LockFile(tmp_path / "older.json")
    older.add("base model", f"someone/painter@{'a' * 40}", "https://huggingface.co", JsonObject(id="StableDiffusionXLPipeline"))
    assert base_models.family_of("someone/painter", "a" * 40, older) is StableDiffusionXLDistilled


def test_noise_levels_are_shifted_in_training_as_the_family_says_and_not_as_the_sampler_does() -> None:
    """With a sampler's shift of 6 some 4 % of Z-Image's draws would be below half noise."""
    import torch

    family = new_family("ZImagePipeline")
    family.pipeline.scheduler.register_to_config(shift=6.0)
    levels = family.draw_noise_levels(4000, torch.Generator().manual_seed(1), torch.zeros(1, 16, 4, 4))
    assert 0.2 < (levels < 0.5).float().mean() < 0.28
