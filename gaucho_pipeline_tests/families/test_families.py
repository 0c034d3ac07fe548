"""Families of base models: each says what its own pipeline says, on tiny random models with the real classes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.families.base import ATTENTION, Family
from gaucho_pipeline_tests import tiny_models
from gaucho_pipeline_tests.tiny_models import TINY, new_family

SIDE = 32
CALLS: dict[str, dict[str, Any]] = {
    "StableDiffusionPipeline": {"guidance_scale": 1.0},
    "StableDiffusionXLPipeline": {"guidance_scale": 1.0},
    "StableDiffusion3Pipeline": {"guidance_scale": 1.0},
    "FluxPipeline": {"guidance_scale": 1.0},
    "Flux2KleinPipeline": {"guidance_scale": 1.0, "text_encoder_out_layers": (1,)},
    "ZImagePipeline": {"guidance_scale": 0.0},
    "QwenImagePipeline": {"true_cfg_scale": 1.0},
    "SanaPipeline": {"guidance_scale": 1.0, "complex_human_instruction": None, "use_resolution_binning": False},
    "Lumina2Pipeline": {"guidance_scale": 1.0},
    "WanPipeline": {"guidance_scale": 1.0, "num_frames": 1},
    "Krea2Pipeline": {"guidance_scale": 0.0},
    "ErnieImagePipeline": {"guidance_scale": 1.0},
    "ChromaPipeline": {"guidance_scale": 1.0},
}
"""How each pipeline is called with its guidance off."""

EXACT = {"ZImagePipeline": 1e-5}
"""How far `predict` may be from the pipeline, where that is not 0: its own packing rounds."""


def unpacked(family: Family, latents: torch.Tensor) -> torch.Tensor:
    """Latents as the pipeline holds them, as a family has them."""
    own, factor = type(family.pipeline), getattr(family.pipeline, "vae_scale_factor", 8)
    if own in (diffusers.FluxPipeline, diffusers.QwenImagePipeline, diffusers.ChromaPipeline):
        found = own._unpack_latents(latents, SIDE, SIDE, factor)
        return found.squeeze(2) if own is diffusers.QwenImagePipeline else found
    if own is diffusers.Krea2Pipeline:
        return family.pipeline._unpack_latents(latents, SIDE, SIDE).squeeze(2)  # type: ignore[no-any-return]
    if own is diffusers.Flux2KleinPipeline:
        side = SIDE // (2 * factor)
        return own._unpack_latents_with_ids(latents, own._prepare_latent_ids(torch.zeros(1, 1, side, side)))  # type: ignore[no-any-return]
    return latents.squeeze(2) if own is diffusers.WanPipeline else latents


def steps_of(family: Family, prompt: str) -> list[tuple[torch.Tensor, float, torch.Tensor]]:
    """What the pipeline hands to its scheduler in each step: what the denoiser saw, the noise level, and what it said."""
    scheduler, seen, scaled = family.pipeline.scheduler, [], []
    step, scale = scheduler.step, getattr(scheduler, "scale_model_input", None)

    def spy_on_input(sample: torch.Tensor, t: Any) -> torch.Tensor:
        scaled.append(scale(sample, t).clone())
        return scaled[-1]  # type: ignore[no-any-return]

    def spy(said: torch.Tensor, t: Any, latents: torch.Tensor, *args: Any, **keys: Any) -> Any:
        seen.append((scaled[-1] if scaled else latents.clone(), float(t) / 1000, said.clone()))
        return step(said, t, latents, *args, **keys)

    scheduler.step = spy
    if scale is not None:
        scheduler.scale_model_input = spy_on_input
    call = CALLS[type(family.pipeline).__name__]
    generator = torch.Generator().manual_seed(3)
    family.pipeline(prompt=[prompt], num_inference_steps=4, generator=generator, height=SIDE, width=SIDE, output_type="latent", **call)
    return seen


def assert_conforms(family: Family, tolerance: float) -> None:
    prompt = "a photo of chmrr tree"
    found = steps_of(family, prompt)
    assert len(found) == 4
    with torch.no_grad():
        conditioning = family.collate([family.encode_prompt(prompt)])
        for latents, t, said in found:
            predicted = family.predict(unpacked(family, latents), torch.tensor([t]), conditioning)
            assert (predicted - unpacked(family, said)).abs().max().item() <= tolerance


@pytest.mark.parametrize("name", FAMILIES)
def test_predict_is_what_the_pipeline_itself_hands_to_its_scheduler(name: str) -> None:
    assert_conforms(new_family(name), EXACT.get(name, 0.0))


def test_velocity_is_predicted_as_epsilon_is() -> None:
    assert_conforms(new_family("StableDiffusionPipeline", tiny_models.stable_diffusion("v_prediction")), 0.0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda family: setattr(family, "predict", lambda noisy, t, c, real=family.predict: -real(noisy, t, c)),
        lambda family: setattr(family, "predict", lambda noisy, t, c, real=family.predict: real(noisy, t * 0.999, c)),
        lambda family: setattr(family, "encode_prompt", lambda prompt, real=family.encode_prompt: real("a cup")),
    ],
    ids=["sign", "time", "prompt"],
)
@pytest.mark.parametrize("name", ["FluxPipeline", "ZImagePipeline", "StableDiffusion3Pipeline"])
def test_a_family_with_a_wrong_sign_time_or_prompt_does_not_conform(name: str, spoil: Callable[[Family], None]) -> None:
    family = new_family(name)
    spoil(family)
    with pytest.raises(AssertionError):
        assert_conforms(family, EXACT.get(name, 0.0))


def test_every_family_has_a_tiny_model_and_every_tiny_model_a_family() -> None:
    assert list(TINY) == list(FAMILIES) == list(CALLS)


@pytest.mark.parametrize("name", FAMILIES)
def test_prompts_of_different_length_make_one_batch_that_says_what_each_alone_says(name: str) -> None:
    family = new_family(name)
    prompts = ["a photo of chmrr tree", "a photo of a cup on a table in snow by day"]
    latents = torch.randn(1, *latents_of(family).shape[1:], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        each = [family.encode_prompt(prompt) for prompt in prompts]
        alone = [family.predict(latents, torch.tensor([0.5]), family.collate([one])) for one in each]
        together = family.predict(latents.repeat(2, 1, 1, 1), torch.tensor([0.5, 0.5]), family.collate(each))
    assert (torch.cat(alone) - together).abs().max() < 1e-4
    assert (alone[0] - alone[1]).abs().max() > 1e-6


def latents_of(family: Family) -> torch.Tensor:
    with torch.no_grad():
        mean, std = family.encode_images(torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2)) * 2 - 1)
    assert mean.shape == std.shape
    assert torch.isfinite(mean).all()
    assert (std >= 0).all()
    return mean


@pytest.mark.parametrize("name", FAMILIES)
def test_every_named_module_is_there(name: str) -> None:
    family = new_family(name)
    modules = [path for path, _ in family.network.named_modules()]
    for names in family.target_modules.values():
        for wanted in names:
            assert any(is_named(path, wanted) for path in modules) or wanted in MAY_BE_ABSENT, wanted
    assert set(family.target_modules["attention"]) < set(family.target_modules["attention_ff"])


def is_named(path: str, target: str) -> bool:
    """Whether a target names a module, as PEFT and `*` do."""
    return re.fullmatch(rf"(.*\.)?{re.escape(target).replace(re.escape('*'), '[0-9]+')}", path) is not None


MAY_BE_ABSENT = {
    *(f"attn2.{name}" for name in ATTENTION),
    "ff_context.net.0.proj",
    "ff_context.net.2",
    "conv_shortcut",
    "downsamplers.0.conv",
    "upsamplers.0.conv",
}
"""Modules that the tiny models are too small to have."""


@pytest.mark.parametrize("name", FAMILIES)
def test_noise_levels_are_shares_and_their_ends_are_picture_and_noise(name: str) -> None:
    family, generator = new_family(name), torch.Generator().manual_seed(1)
    latents = torch.randn(latents_of(family).shape, generator=generator)
    t = family.draw_noise_levels(2000, generator, latents)
    assert t.min() >= 0
    assert t.max() <= 1
    assert 0.3 < t.mean() < 0.9
    assert family.validation_noise_levels(8).diff().min() > 0
    noise = torch.randn(latents.shape, generator=generator)
    nothing, all_ = (family.add_noise(latents, noise, torch.tensor([level])) for level in (0.0, 1.0))
    assert torch.corrcoef(torch.stack([nothing.flatten(), latents.flatten()]))[0, 1] > 0.99
    assert torch.corrcoef(torch.stack([all_.flatten(), noise.flatten()]))[0, 1] > 0.98


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in ("StableDiffusionPipeline", "StableDiffusionXLPipeline")])
def test_a_denoiser_that_says_the_target_is_drawn_to_the_picture_by_the_sampler(name: str) -> None:
    """A target of the wrong sign is learned as well as the right one, and draws nothing."""
    family = new_family(name)
    latents = latents_of(family)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(2))
    scheduler = family.pipeline.scheduler
    dynamic = {"mu": family.mu(latents)} if getattr(scheduler.config, "use_dynamic_shifting", False) else {}
    scheduler.set_timesteps(1, **dynamic)
    t = scheduler.sigmas[:1].float()
    noisy = family.add_noise(latents, noise, t)
    drawn = scheduler.step(family.target(latents, noise, t), scheduler.timesteps[0], noisy).prev_sample
    assert torch.allclose(drawn, latents, atol=1e-4)


def test_flow_is_learned_with_the_samplers_own_shift() -> None:
    t = torch.tensor([0.5])
    three = new_family("StableDiffusion3Pipeline")
    assert three.shift(t, latents_of(three)).item() == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))
    sana = new_family("SanaPipeline")  # a solver that is not for flows alone calls its shift otherwise
    assert sana.shift(t, latents_of(sana)).item() == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))
    dynamic = new_family("FluxPipeline")
    latents = latents_of(dynamic)
    sigmas = torch.tensor([0.5])
    shifted = dynamic.pipeline.scheduler.time_shift(dynamic.mu(latents), 1.0, sigmas)
    assert dynamic.shift(t, latents).item() == pytest.approx(shifted.item())
    assert dynamic.mu(latents) < dynamic.mu(latents.repeat(1, 1, 8, 8))
    tokens, config = latents.shape[-1] * latents.shape[-2] // 4, dynamic.pipeline.scheduler.config
    ends = (config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift)
    assert dynamic.mu(latents) == pytest.approx(calculate_shift(tokens, *ends))


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.recommended.gallery])
def test_pictures_are_drawn_as_the_familys_own_pipeline_does_where_nobody_says_otherwise(name: str) -> None:
    parameters = inspect.signature(getattr(diffusers, name).__call__).parameters
    guidance = "true_cfg_scale" if name == "QwenImagePipeline" else "guidance_scale"
    own = {"num_inference_steps": parameters["num_inference_steps"].default, "guidance_scale": parameters[guidance].default}
    assert FAMILIES[name].recommended.gallery == OWN_PAGES.get(name, own)


OWN_PAGES = {"ChromaPipeline": {"num_inference_steps": 40, "guidance_scale": 3.0}}
"""What a model's own page says, where diffusers' defaults are others (https://huggingface.co/lodestones/Chroma1-HD)."""


@pytest.mark.parametrize(
    ("configs", "reason"),
    [
        ({"transformer_2": {}}, "has two denoisers"),
        ({"vae": {"is_residual": True}}, "has noise that differs from place to place"),
        ({"transformer": {"in_channels": 36, "out_channels": 16}}, "draws clips that begin with an image"),
        ({"transformer": {"image_dim": 1280}}, "draws clips that begin with an image"),
    ],
)
def test_a_wan_that_is_no_model_of_clips_from_words_is_refused(configs: dict[str, Any], reason: str) -> None:
    assert FAMILIES["WanPipeline"].refusal({"transformer": {}, "vae": {}}) is None
    assert reason in (FAMILIES["WanPipeline"].refusal(configs) or "")
