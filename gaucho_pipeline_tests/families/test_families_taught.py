"""Every family is taught by the one loop: the loss falls, what is saved reads back the same, and pictures change."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.families import FAMILIES, Family
from gaucho_pipeline.families.base import Sampling
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.gallery.generation import Drawer, Settings
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.models.base_models import EMBEDDED_FOLDER, Loaded
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training import validation
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare
from gaucho_pipeline_tests import tiny_models
from gaucho_pipeline_tests.recording import hold
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.tiny_models import new_family

SIDE = 32


def new_trainer(name: str, folder: Path, pipeline: Any = None, **keys: Any) -> Trainer:
    family, rows = new_family(name, pipeline), []
    for index in range(3):
        draw_subject("chimarrao", index, side=64).save(folder / f"{index}.png")
        rows.append(train_image(index, file=f"{index}.png", caption="a photo of {token} {class_noun}" + " on a table" * index))
    plain = {"rank": 4, "alpha": 2, "learning_rate": 0.01, "batch_size": 2, "max_steps": 12, "validation_steps": 12, "resolution": SIDE}
    spec = TrainingSpec.model_validate(plain | {"early_stopping": False, "keep_best": False} | keys).for_family(type(family))
    base = Loaded(family, torch.device("cpu"), torch.float32)
    images = ConceptImages(ConceptWords("chmrr", "drink"), folder, rows[:2], rows[2:])
    encoded, _ = prepare(base, spec, [images], Places(folder / "class_images"), Reporter(None))
    return Trainer(base, spec, encoded)


def predicted(family: Family, trainer: Trainer) -> torch.Tensor:
    with torch.no_grad():
        conditioning = family.collate([trainer.encoded.conditionings[trainer.selection_prompts[0]]])
        return family.predict(trainer.encoded.validation[0].mean[None], torch.tensor([0.5]), conditioning)


def losses(trainer: Trainer) -> float:
    train = trainer.encoded.train
    return sum(
        validation.errors(trainer.model, [views[0]], caption).mean().item()
        for views, caption in zip(train.views, train.captions, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name in FAMILIES for method in METHODS if method == "lora" or FAMILIES[name].denoiser == "unet"]
    + [("FluxPipeline", "dreambooth")],
)
def test_the_loop_teaches_it_and_what_is_stored_reads_back_as_what_was_learned(name: str, method: str, tmp_path: Path) -> None:
    trainer = new_trainer(name, tmp_path, method=method, max_steps=30, learning_rate=0.02 if method == "lora" else 1e-3)
    assert trainer.model.family.pipeline.vae is None  # nothing that is needed no longer stays in memory
    before, untaught = losses(trainer), predicted(trainer.model.family, trainer)
    trainer.run(tmp_path / "training.pt", Reporter(None))
    assert losses(trainer) < before
    learned = predicted(trainer.model.family, trainer)
    assert (learned - untaught).abs().max() > 1e-4

    trainer.model.method.save(tmp_path, CheckpointInfo("chimarrao", "chmrr drink", "CC0-1.0", 2))
    fresh = new_family(name)
    METHODS[method].load(fresh, tmp_path)
    assert (predicted(fresh, trainer) - learned).abs().max() < 1e-5
    if method == "lora" and name not in OTHER_NAMES:
        other = new_family(name)
        other.pipeline.load_lora_weights(tmp_path, weight_name="chimarrao.safetensors")
        assert (predicted(other, trainer) - learned).abs().max() < 5e-3 * learned.abs().max()  # half precision
        assert (predicted(other, trainer) - untaught).abs().max() > 0.5 * (learned - untaught).abs().max()


@pytest.mark.parametrize("name", FAMILIES)
def test_computing_parts_twice_changes_no_gradient(name: str, tmp_path: Path) -> None:
    trainer = new_trainer(name, tmp_path)
    found = []
    for on in (False, True):
        trainer.model.set_gradient_checkpointing(on)
        trainer.objective.loss(trainer.objective.examples(0)).sum().backward()
        found.append([parameter.grad.clone() for parameter in trainer.parameters if parameter.grad is not None])
        trainer.optimizer.zero_grad()
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(*found, strict=True))


OTHER_NAMES = ("Lumina2Pipeline", "WanPipeline")
"""Families whose single files are in their makers' names, for ComfyUI; diffusers reads those of the real geometry only."""


@pytest.mark.parametrize(
    "name", [name for name, family in FAMILIES.items() if family.denoiser == "transformer" and name not in OTHER_NAMES]
)
def test_a_transformers_single_file_is_in_the_names_that_readers_know(name: str, tmp_path: Path) -> None:
    """`transformer.<path>.lora_A/B` with alpha / rank folded in, no alpha beside: ComfyUI takes the strength for 1."""
    trainer = new_trainer(name, tmp_path, max_steps=1)
    file = tmp_path / "x.safetensors"
    trainer.model.method.save(tmp_path, CheckpointInfo("x", "chmrr drink", "CC0-1.0", 2))
    tensors, weights = load_file(file), trainer.model.method.weights()
    assert set(tensors) == set(weights)
    assert all(key.startswith("transformer.") for key in weights)
    assert not any("alpha" in key for key in tensors)
    for key, tensor in weights.items():
        assert torch.equal(tensors[key], tensor * 0.5 if ".lora_B." in key else tensor.half())  # what is folded is not rounded
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["modelspec.architecture"] == f"{FAMILIES[name].architecture}/lora"
    assert not any(key.startswith("ss_") for key in metadata)


@pytest.mark.parametrize(
    ("prediction_type", "is_linear", "name", "is_second"),
    [
        ("epsilon", False, "stable-diffusion-v1", "False"),
        ("v_prediction", False, "stable-diffusion-v1", "False"),
        ("v_prediction", True, "stable-diffusion-v2-768-v", "True"),
        ("epsilon", True, "stable-diffusion-v2-512", "True"),
    ],
)
def test_the_second_generation_and_velocity_are_labelled(prediction_type: str, is_linear: bool, name: str, is_second: str) -> None:
    pipeline = tiny_models.stable_diffusion(prediction_type)
    pipeline.unet.register_to_config(use_linear_projection=is_linear)
    metadata = StableDiffusion(pipeline).file_metadata()
    assert (metadata["modelspec.architecture"], metadata["ss_v2"]) == (f"{name}/lora", is_second)
    is_velocity = prediction_type == "v_prediction"
    assert metadata["modelspec.prediction_type"] == ("v" if is_velocity else "epsilon")
    assert metadata.get("ss_v_parameterization") == ("True" if is_velocity else None)


@pytest.mark.parametrize(
    ("width", "is_linear", "told"), [(768, False, "sd_v1"), (1024, True, "sd_v2"), (128, False, None), (768, True, None)]
)
def test_only_what_has_the_size_of_a_generation_is_called_one(width: int, is_linear: bool, told: str | None) -> None:
    pipeline = tiny_models.stable_diffusion("epsilon")
    pipeline.unet.register_to_config(use_linear_projection=is_linear, cross_attention_dim=width)
    assert StableDiffusion(pipeline).file_metadata().get("ss_base_model_version") == told


@pytest.mark.parametrize("kind", [Embedded, StableDiffusion])  # a copy of it in a folder is read as the second
def test_the_model_that_ships_is_called_none_of_them_under_any_name(kind: type[StableDiffusion]) -> None:
    metadata = kind(StableDiffusionPipeline.from_pretrained(EMBEDDED_FOLDER)).file_metadata()
    assert not metadata.get("ss_base_model_version", "").startswith("sd")


def test_xl_is_labelled_so_that_no_reader_takes_it_for_the_first(tmp_path: Path) -> None:
    metadata = new_family("StableDiffusionXLPipeline").file_metadata()
    assert metadata["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert metadata["ss_base_model_version"].startswith("sdxl_")
    assert "ss_v2" not in metadata


@pytest.mark.parametrize("name", FAMILIES)
def test_pictures_of_every_family_depend_on_their_seed_and_come_at_the_side_asked_for(name: str, tmp_path: Path) -> None:
    settings = Settings(("1", "1"), None, ("cpu", "torch.float32", None), "", 2, 1.0, "", "", SIDE)
    drawer = Drawer(new_family(name), GallerySpec(num_inference_steps=2, guidance_scale=1.0), settings, tmp_path)
    samples = [Sample("a cup", 1), Sample("a cup", 2), Sample("a cup", 1)]
    one, other, again = (picture for _, picture in drawer.draw(samples))
    assert one.size == (SIDE, SIDE)
    assert np.array_equal(np.asarray(one), np.asarray(again))
    assert not np.array_equal(np.asarray(one), np.asarray(other))
    assert list(tmp_path.iterdir()) == []  # nothing waits any more


PIPELINE_KEYS: dict[str, dict[str, Any]] = {
    "Flux2KleinPipeline": {"text_encoder_out_layers": (1,)},
    "SanaPipeline": {"complex_human_instruction": None},
    "WanPipeline": {"num_frames": 1, "output_type": "pil"},
}
"""What pipelines are told beside prompts, where their text encoders are tiny or their defaults are others."""


def drawn_by_the_pipeline(family: Family, negative: str | None, guidance: float, seed: int) -> list[Any]:
    """What the pipeline itself draws of two prompts, with all its parts at once."""
    keys = family.guidance_keys(guidance) | PIPELINE_KEYS.get(type(family.pipeline).__name__, {})
    if negative is not None and family.takes_negative_prompts and "text_encoder_out_layers" not in keys:
        keys |= {"negative_prompt": [family.negative_text(negative)] * 2}
    generators = [torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1)]
    found = family.pipeline(
        prompt=["a cup", "a tree"], num_inference_steps=2, height=SIDE, width=SIDE, generator=generators, return_dict=False, **keys
    )[0]
    return [clip[0] if isinstance(clip, list) else clip for clip in found]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("guidance", "negative"), [(1.0, ""), (4.0, ""), (4.0, "a car")])
def test_parts_in_turn_draw_what_the_pipeline_draws_with_all_of_them(name: str, guidance: float, negative: str) -> None:
    family, asked = new_family(name), list[str]()
    if negative and (not family.takes_negative_prompts or name == "Flux2KleinPipeline"):
        negative = ""  # the first is told none, and klein's pipeline takes it encoded only
    nothing = None if name == "StableDiffusionXLPipeline" else ""  # so that it weighs against nothing
    own = drawn_by_the_pipeline(family, negative or nothing, guidance, 3)
    encode = family.encode_prompt
    family.encode_prompt = lambda prompt: asked.append(prompt) or encode(prompt)  # type: ignore[method-assign,func-returns-value]
    sampling = Sampling(2, guidance, SIDE, negative)
    family.read(["a cup", "a tree"], sampling)
    family.parts.drop(*family.text_encoders)
    vae = family.pipeline.vae
    if name != "Flux2KleinPipeline":  # which ends with its VAE's statistics
        family.parts.drop("vae")
    latents = family.denoise(["a cup", "a tree"], [3, 4], sampling)
    family.parts.drop(family.denoiser)
    family.pipeline.vae = vae
    for one, other in zip(family.decode(latents), own, strict=True):
        assert np.abs(np.asarray(one, float) - np.asarray(other, float)).max() <= 1  # prompts encoded together are rounded otherwise
    assert len(asked) == len(set(asked)) <= 3


def test_what_was_not_to_be_drawn_acts_in_every_family_that_takes_it() -> None:
    for name in FAMILIES:
        family = new_family(name)
        if not family.takes_negative_prompts:
            continue
        one, other = (family.generate(["a cup"], negative, 2, 6.0, [1], SIDE)[0] for negative in ("", "a car on a table in snow"))
        assert not np.array_equal(np.asarray(one), np.asarray(other)), name


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_encoded_is_decoded_as_the_pipelines_own_vae_does(name: str) -> None:
    family = new_family(name)
    pixels = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        vae = family.pipeline.vae
        if name in ("QwenImagePipeline", "WanPipeline", "Krea2Pipeline"):
            own = vae.decode(vae.encode(pixels.unsqueeze(2)).latent_dist.mode()).sample[:, :, 0]
        elif name == "SanaPipeline":
            own = vae.decode(vae.encode(pixels).latent).sample
        else:
            own = vae.decode(vae.encode(pixels).latent_dist.mode()).sample
        found = family.decode(family.encode_images(pixels)[0])[0]
    processor = family.pipeline.video_processor if name == "WanPipeline" else family.pipeline.image_processor
    expected = processor.postprocess(own)[0]
    assert np.abs(np.asarray(found, float) - np.asarray(expected, float)).max() <= 1


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_loses_in_training_what_it_did(name: str, tmp_path: Path) -> None:
    trainer = new_trainer(name, tmp_path)
    lost = [trainer.objective.loss(trainer.objective.examples(step)).sum().item() for step in range(3)]
    file = Path(inspect.getfile(FAMILIES[name])).name
    version = f"{ASSETS['checkpoint'].code_version}+{FAMILIES[name].code_version}"
    hold(f"family/{name}", version, lost, f"gaucho_pipeline/families/{file}", relative=0.005)


def test_sdxl_is_told_each_images_size_and_cut_and_the_sides_of_its_pictures_where_it_draws(tmp_path: Path) -> None:
    trainer = new_trainer("StableDiffusionXLPipeline", tmp_path, resolution=SIDE)  # of images of 64 pixels
    network, told = trainer.model.family.network, list[torch.Tensor]()
    network.register_forward_pre_hook(lambda module, arguments, keys: told.append(keys["added_cond_kwargs"]["time_ids"]), with_kwargs=True)
    trainer.objective.loss(trainer.objective.examples(0))
    validation.errors(trainer.model, trainer.selection, trainer.selection_prompts)
    assert {tuple(row) for ids in told for row in ids.tolist()} == {(64.0, 64.0, 0.0, 0.0, SIDE, SIDE)}
    told.clear()
    family = new_family("StableDiffusionXLPipeline")
    family.network.register_forward_pre_hook(
        lambda module, arguments, keys: told.append(keys["added_cond_kwargs"]["time_ids"]), with_kwargs=True
    )
    family.generate(["a cup"], "", 2, 1.0, [1], SIDE)
    assert {tuple(row) for ids in told for row in ids.tolist()} == {(SIDE, SIDE, 0.0, 0.0, SIDE, SIDE)}


def test_a_negative_prompt_that_does_not_act_is_not_written_into_a_picture(tmp_path: Path) -> None:
    family = new_family("StableDiffusionPipeline")
    assert (family.is_guided(1.0), family.is_guided(1.5)) == (False, True)
    family.pipeline.unet.register_to_config(time_cond_proj_dim=8)  # as of one that was distilled with its guidance
    assert not StableDiffusion(family.pipeline).is_guided(6.0)
