"""The trainer, in this process: every term of its loss, what it measures, which weights it keeps, and how it goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import Artifact
from gaucho_pipeline.asset_checks import sound_weights
from gaucho_pipeline.concepts import TrainingSpec
from gaucho_pipeline.embedded.demo_subjects import draw_subject
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.prompts import class_prompt, instance_prompt, prior_prompts
from gaucho_pipeline.stage import Reporter
from gaucho_pipeline.training import adapter
from gaucho_pipeline.training.__main__ import data_version, measure, prepare, reload_difference
from gaucho_pipeline.training.curve import draw_curve
from gaucho_pipeline.training.examples import ImageSet, Posteriors, encode_images, encode_prompts, generator_for, images_of_step
from gaucho_pipeline.training.learned import verdict
from gaucho_pipeline.training.loop import Trainer, lr_factor
from gaucho_pipeline_tests import tiny_models
from gaucho_pipeline_tests.standing import METRICS

TOKEN, NOUN = "mtl", "tree"
PLAIN = {"target_modules": "attention", "rank": 4, "batch_size": 2, "min_snr_gamma": None, "prior_loss_weight": 0.0}
OTHER_CAPTION = "a photo of mtl tree in the snow at night"


def posteriors(count: int, seed: int) -> Posteriors:
    generator = torch.Generator().manual_seed(seed)
    return Posteriors(torch.randn(count, 4, 16, 16, generator=generator), torch.rand(count, 4, 16, 16, generator=generator) * 0.1)


def new_trainer(captions: list[str] | None = None, mirrored: bool = False, **keys: Any) -> Trainer:
    base = base_models.load("embedded", None, torch.device("cpu"))
    spec = TrainingSpec.model_validate(PLAIN | keys).for_family(StableDiffusion)
    captions = captions or [instance_prompt(TOKEN, NOUN)] * 3
    conditionings = encode_prompts(base.family, [instance_prompt(TOKEN, NOUN), *prior_prompts(NOUN), *captions])
    train = ImageSet(posteriors(3, 1), captions, posteriors(3, 2) if mirrored else None)
    return Trainer(base, spec, TOKEN, NOUN, conditionings, train, posteriors(2, 3))


def disturb(trainer: Trainer, size: float = 0.05) -> None:
    """Gives the adapter weights, so that it changes predictions."""
    generator = torch.Generator().manual_seed(5)
    weights = adapter.weights_of(trainer.network)
    adapter.set_weights(trainer.network, {k: v + size * torch.randn(v.shape, generator=generator) for k, v in weights.items()})


class Step:
    """The draws of a step and its predictions, by hand."""

    def __init__(self, trainer: Trainer, number: int, sample: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> None:
        generator = generator_for(trainer.spec.seed, 2, number)
        self.chosen = images_of_step(number, trainer.spec.batch_size, len(trainer.train), trainer.spec.seed)
        self.latents = sample(self.chosen, generator)
        noise = torch.randn(self.latents.shape, generator=generator)
        self.timesteps = torch.randint(0, 1000, (len(self.chosen),), generator=generator)
        scheduler = DDPMScheduler.from_config(trainer.base.pipeline.scheduler.config)
        self.noisy = scheduler.add_noise(self.latents, noise, self.timesteps)
        self.target = scheduler.get_velocity(self.latents, noise, self.timesteps)
        self._trainer = trainer

    @torch.no_grad()
    def predict(self, prompts: list[str], count: int | None = None) -> torch.Tensor:
        embeds = torch.stack([self._trainer.conditionings[prompt]["embeds"] for prompt in prompts])
        return self._trainer.network(self.noisy[:count], self.timesteps[:count], embeds).sample  # type: ignore[no-any-return]


def by_hand(trainer: Trainer, number: int = 0) -> Step:
    return Step(trainer, number, trainer.train.posteriors.sample)


# ------------------------------------------------------------------------------------------ the loss


def test_the_loss_is_the_squared_error_of_the_velocity_with_each_images_own_caption() -> None:
    captions = ["a photo of mtl tree on the beach by day", OTHER_CAPTION, "a photo of mtl tree on a table by day"]
    trainer = new_trainer(captions)
    disturb(trainer)
    for number in (0, 3):
        step = by_hand(trainer, number)
        predicted = step.predict([captions[i] for i in step.chosen.tolist()])
        assert trainer.loss(number).item() == pytest.approx((predicted - step.target).square().mean().item(), rel=1e-5)


def test_captions_of_the_curated_set_reach_the_model() -> None:
    assert new_trainer().loss(0).item() != pytest.approx(new_trainer([OTHER_CAPTION] * 3).loss(0).item(), rel=1e-3)


def test_the_prior_loss_is_how_far_the_adapter_moves_prompts_without_the_token_times_its_weight() -> None:
    plain, once, twice = (new_trainer(prior_loss_weight=weight) for weight in (0.0, 1.0, 2.0))
    assert once.loss(0).item() == pytest.approx(plain.loss(0).item(), rel=1e-5)  # a fresh adapter has moved nothing
    for trainer in (plain, once, twice):
        disturb(trainer)
    step = by_hand(once)
    (prompt,) = once._prior_prompts_of(0, 1)
    moved = step.predict([prompt], 1)
    once.network.disable_adapters()
    prior = (moved - step.predict([prompt], 1)).square().mean().item()
    once.network.enable_adapters()
    assert prior > 1e-4
    assert once.loss(0).item() - plain.loss(0).item() == pytest.approx(prior, rel=1e-3)
    assert twice.loss(0).item() - plain.loss(0).item() == pytest.approx(2 * prior, rel=1e-3)


def test_half_of_the_prior_prompts_name_the_class_and_the_rest_others() -> None:
    trainer = new_trainer(prior_loss_weight=1.0)
    drawn = [prompt for step in range(20) for prompt in trainer._prior_prompts_of(step, 2)]
    assert drawn.count(class_prompt(NOUN)) == 20
    assert set(drawn) <= set(prior_prompts(NOUN))
    assert len(set(drawn)) > 3
    assert not any(TOKEN in prompt for prompt in drawn)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_min_snr_caps_the_weight_of_little_noise(prediction_type: str) -> None:
    family = StableDiffusion(tiny_models.stable_diffusion(prediction_type))
    timesteps = torch.tensor([1, 300, 900])
    snr = [(a / (1 - a)).item() for a in family.noise_scheduler.alphas_cumprod[timesteps]]
    assert snr[0] > 5 > snr[2]
    over = 1 if prediction_type == "v_prediction" else 0
    assert family.loss_weights(timesteps / 1000, 5.0).tolist() == pytest.approx([min(s, 5.0) / (s + over) for s in snr], rel=1e-5)
    assert family.loss_weights(timesteps / 1000, None).tolist() == [1, 1, 1]


def test_the_loss_is_weighted_image_by_image() -> None:
    trainer = new_trainer(min_snr_gamma=2.0)
    step = by_hand(trainer)
    error = (step.predict([instance_prompt(TOKEN, NOUN)] * 2) - step.target).square().mean(dim=(1, 2, 3))
    weights = trainer.family.loss_weights(step.timesteps / 1000, 2.0)
    assert weights.unique().numel() == 2
    assert trainer.loss(0).item() == pytest.approx((weights * error).mean().item(), rel=1e-5)


def test_the_loss_depends_on_the_seed_and_the_step_alone() -> None:
    one, same, other = new_trainer(), new_trainer(), new_trainer(seed=8)
    assert one.loss(3).item() == same.loss(3).item()
    assert one.loss(3).item() != one.loss(4).item()
    assert one.loss(3).item() != other.loss(3).item()


def test_latents_are_drawn_anew_around_their_mean() -> None:
    found = Posteriors(torch.full((2, 4, 8, 8), 3.0), torch.full((2, 4, 8, 8), 0.5))
    one, other = (found.sample(torch.tensor([0, 1]), torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert not torch.equal(one, other)
    assert one.mean().item() == pytest.approx(3.0, abs=0.1)
    assert one.std().item() == pytest.approx(0.5, abs=0.1)


def test_gradients_are_clipped_to_a_norm_of_one(tmp_path: Path) -> None:
    trainer, norms = new_trainer(max_steps=2, validation_steps=9), []
    real, step = trainer.loss, trainer.optimizer.step
    trainer.loss = lambda number: 1e4 * real(number)  # type: ignore[method-assign]

    def observed(*args: Any) -> Any:
        grads = [p.grad for p in trainer.network.parameters() if p.grad is not None]
        norms.append(torch.stack([grad.norm() for grad in grads]).norm().item())
        return step(*args)

    trainer.optimizer.step = observed
    trainer.run(tmp_path / "training.pt", Reporter(None))
    assert norms == pytest.approx([1.0, 1.0], rel=1e-3)


# ------------------------------------------------------------------------------------------ flips


def test_about_half_of_the_images_are_shown_mirrored_where_that_is_asked_for() -> None:
    trainer = new_trainer(mirrored=True, random_flip=True, batch_size=4)
    flips = torch.cat([trainer._flips(step, 4) for step in range(50)])
    assert 70 < flips.sum() < 130
    assert not new_trainer()._flips(0, 4).any()


def test_a_flipped_image_is_learned_from_its_mirror_images_latents() -> None:
    trainer = new_trainer(mirrored=True, random_flip=True)
    number = next(step for step in range(50) if trainer._flips(step, 2).tolist() == [True, True])
    assert trainer.train.mirrored
    step = Step(trainer, number, trainer.train.mirrored.sample)
    predicted = step.predict([instance_prompt(TOKEN, NOUN)] * 2)
    assert trainer.loss(number).item() == pytest.approx((predicted - step.target).square().mean().item(), rel=1e-5)


def test_a_mirrored_encoding_is_that_of_the_mirrored_picture(tmp_path: Path) -> None:
    family = base_models.load("embedded", None, torch.device("cpu")).family
    picture = draw_subject("chimarrao", 1, side=128)
    picture.save(tmp_path / "a.png")
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.png")
    plain, other = encode_images(family, [tmp_path / "a.png"], 64), encode_images(family, [tmp_path / "b.png"], 64)
    mirrored = encode_images(family, [tmp_path / "a.png"], 64, mirrored=True)
    assert torch.allclose(mirrored.mean, other.mean, atol=1e-4)
    assert not torch.allclose(mirrored.mean, plain.mean, atol=1e-2)


def test_the_stage_encodes_what_the_set_says(tmp_path: Path) -> None:
    rows = []
    for index in range(3):
        draw_subject("chimarrao", index, side=128).save(tmp_path / f"{index}.png")
        rows.append({"file": f"{index}.png", "caption": f"a photo of {{token}} {{class_noun}}, cuia {index}"})
    base = base_models.load("embedded", None, torch.device("cpu"))
    spec = TrainingSpec.model_validate(PLAIN | {"random_flip": True}).for_family(StableDiffusion)
    trainer = prepare(base, spec, TOKEN, NOUN, rows[:2], rows[2:], tmp_path)
    assert list(trainer.train.captions) == ["a photo of mtl tree, cuia 0", "a photo of mtl tree, cuia 1"]
    files = [tmp_path / "0.png", tmp_path / "1.png"]
    assert torch.equal(trainer.train.posteriors.mean, encode_images(base.family, files, 64).mean)
    assert trainer.train.mirrored
    assert torch.equal(trainer.train.mirrored.mean, encode_images(base.family, files, 64, mirrored=True).mean)
    assert torch.equal(trainer.validation.mean, encode_images(base.family, [tmp_path / "2.png"], 64).mean)
    assert {instance_prompt(TOKEN, NOUN), *prior_prompts(NOUN), *trainer.train.captions} <= set(trainer.conditionings)


def test_latents_are_scaled_as_the_pipeline_scales_them(tmp_path: Path) -> None:
    family = base_models.load("embedded", None, torch.device("cpu")).family
    pipeline = family.pipeline
    draw_subject("chimarrao", 1, side=64).save(tmp_path / "a.png")
    found = encode_images(family, [tmp_path / "a.png"], 64)
    with torch.no_grad():
        back = pipeline.vae.decode(found.mean / pipeline.vae.config.scaling_factor).sample
    with Image.open(tmp_path / "a.png") as image:
        pixels = torch.tensor(np.asarray(image.convert("RGB"), np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    assert (back - pixels).square().mean() < 0.02


# ------------------------------------------------------------------------------------------ measuring, and what is kept


def test_the_validation_loss_is_measured_with_the_adapter_or_without() -> None:
    trainer = new_trainer()
    prompt = instance_prompt(TOKEN, NOUN)
    before = trainer.errors(trainer.validation, prompt)
    assert before.shape == (2, 8)
    assert torch.allclose(trainer.errors(trainer.validation, prompt, with_adapter=False), before)
    disturb(trainer, 0.2)
    assert trainer.validation_loss(trainer.validation, prompt) != pytest.approx(before.mean().item(), rel=1e-3)
    assert torch.allclose(trainer.errors(trainer.validation, prompt, with_adapter=False), before)


def test_what_is_reported_is_measured_under_noises_that_chose_no_weights() -> None:
    trainer, prompt = new_trainer(), instance_prompt(TOKEN, NOUN)
    chose, reported = (trainer.errors(trainer.validation, prompt, for_report=report) for report in (False, True))
    assert not torch.isclose(chose, reported).any()
    assert torch.equal(trainer.errors(trainer.validation, prompt, for_report=True), reported)


def test_of_four_images_two_choose_the_weights_and_two_others_are_reported_on() -> None:
    four, three = posteriors(4, 1), posteriors(3, 1)
    chose, reported = four.halves()
    assert torch.equal(chose.mean, four.mean[[0, 2]])
    assert torch.equal(reported.std, four.std[[1, 3]])
    assert three.halves() == (three, three)


def test_how_far_the_model_moved_is_measured_without_the_token() -> None:
    trainer = new_trainer()
    assert trainer.moved(trainer.validation) == 0
    disturb(trainer, 0.02)
    little = trainer.moved(trainer.validation)
    disturb(trainer, 0.2)
    assert 0 < little < trainer.moved(trainer.validation)
    del trainer.conditionings[trainer.instance_prompt]  # it is asked about nothing that names the token
    assert trainer.moved(trainer.validation) > 0


def test_two_runs_of_other_seeds_are_measured_alike() -> None:
    prompt = instance_prompt(TOKEN, NOUN)
    one, other = new_trainer(seed=1), new_trainer(seed=2)
    assert one.validation_loss(one.validation, prompt) == other.validation_loss(other.validation, prompt)


@pytest.mark.parametrize(("learning_rate", "expected"), [(1e-9, "no"), (3e-3, "yes")])
def test_a_run_that_learned_nothing_is_told_from_one_that_did(learning_rate: float, expected: str, tmp_path: Path) -> None:
    trainer = new_trainer(learning_rate=learning_rate, max_steps=40, validation_steps=10, rank=8)
    trainer.selection = trainer.reported = trainer.train.posteriors  # what is learned of noise is these three alone
    trainer.run(tmp_path / "training.pt", Reporter(None))
    losses, change = measure(trainer, trainer.prior_prompts[1])
    assert verdict(losses.validation.token.base, change, trainer.state.best_step) == expected
    assert change[0] <= losses.validation.token.tuned - losses.validation.token.base <= change[1]


def test_the_best_weights_are_kept_and_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = new_trainer(max_steps=3, validation_steps=1, learning_rate=0.01)
    losses, seen = iter([1.0, 0.5, 0.7, 0.6]), []

    def measured(self: Trainer, *_: Any) -> float:
        seen.append(adapter.weights_of(self.network))
        return next(losses)

    monkeypatch.setattr(Trainer, "validation_loss", measured)
    trainer.run(tmp_path / "training.pt", Reporter(None))
    kept = adapter.weights_of(trainer.network)
    assert (trainer.state.best_step, trainer.state.best_loss) == (1, 0.5)
    assert all(torch.equal(kept[name], seen[1][name]) for name in kept)
    assert not all(torch.equal(kept[name], seen[3][name]) for name in kept)
    assert [row["step"] for row in trainer.state.curve] == [0, 1, 2, 3]


def test_the_rate_rises_and_falls_and_is_what_the_optimiser_gets(tmp_path: Path) -> None:
    assert [lr_factor(step, 100) for step in (0, 4, 5)] == [0.2, 1.0, 1.0]
    assert lr_factor(99, 100) == pytest.approx(0.1, abs=0.001)
    assert lr_factor(52, 100) == pytest.approx(0.55, abs=0.02)
    trainer = new_trainer(max_steps=4, learning_rate=0.01)
    trainer.run(tmp_path / "training.pt", Reporter(None))
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * lr_factor(3, 4))


def test_epochs_are_how_often_each_image_is_seen_and_max_steps_wins() -> None:
    assert new_trainer(epochs=5).max_steps == math.ceil(5 * 3 / 2)
    assert new_trainer(epochs=5, max_steps=2).max_steps == 2


def test_alpha_over_rank_is_the_adapters_strength() -> None:
    for keys, strength in (({"rank": 4}, 1.0), ({"rank": 4, "alpha": 8}, 2.0), ({"rank": 8, "alpha": 2}, 0.25)):
        unet = new_trainer(**keys).network
        scalings = {module.scaling["default"] for module in unet.modules() if hasattr(module, "scaling")}
        assert scalings == {strength}
        assert (
            adapter.to_kohya(adapter.weights_of(unet), 2.0)[
                "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q.alpha"
            ].item()
            == 2.0
        )


def test_only_the_named_modules_are_adapted_and_only_they_learn() -> None:
    trainer = new_trainer(target_modules=("to_q",))
    names = {name.rsplit(".lora_", 1)[0].rpartition(".")[2] for name in adapter.weights_of(trainer.network)}
    assert names == {"to_q"}
    assert all(("lora_" in name) == parameter.requires_grad for name, parameter in trainer.network.named_parameters())
    assert all(parameter.dtype == torch.float32 for parameter in trainer.network.parameters() if parameter.requires_grad)


def test_every_name_of_modules_adapts_what_it_says() -> None:
    adapted = {}
    for name in ("attention", "attention_ff", "all"):
        weights = adapter.weights_of(new_trainer(target_modules=name).network)
        adapted[name] = {key.rsplit(".lora_", 1)[0] for key in weights}
    assert adapted["attention"] < adapted["attention_ff"] < adapted["all"]
    assert any(".ff.net.2" in name for name in adapted["attention_ff"] - adapted["attention"])
    more = adapted["all"] - adapted["attention_ff"]
    assert any(name.endswith(".conv1") for name in more)
    assert any(name.endswith(".time_emb_proj") for name in more)


def test_modules_that_are_not_there_are_told() -> None:
    with pytest.raises(ConfigError, match=r"training\.target_modules: the base model has none of nonsense, more"):
        new_trainer(target_modules=["nonsense", "more"])


def test_the_same_seed_begins_with_the_same_adapter() -> None:
    one, same, other = (adapter.weights_of(new_trainer(seed=seed).network) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_weights_that_are_not_finite_fail_the_check(tmp_path: Path) -> None:
    manifest = METRICS["checkpoint"]
    for name, value, passed in (("good", 1.0, True), ("bad", math.nan, False), ("endless", math.inf, False)):
        folder = tmp_path / name
        folder.mkdir()
        save_file({"a": np.array([1.0, value], np.float32)}, folder / "adapter.safetensors")
        assert sound_weights(Artifact(folder, None), manifest).passed is passed  # type: ignore[arg-type]


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    trainer = new_trainer(max_steps=20)
    trainer.train.posteriors.mean[:] = math.nan
    with pytest.raises(GauchoError, match="the loss is not finite at step 0"):
        trainer.run(tmp_path / "training.pt", Reporter(None))


def test_weights_that_give_no_finite_validation_loss_stop_the_run(tmp_path: Path) -> None:
    trainer = new_trainer(max_steps=20)
    trainer.validation.mean[:] = math.nan
    with pytest.raises(GauchoError, match="the weights are not finite at step 0"):
        trainer.run(tmp_path / "training.pt", Reporter(None))


# ------------------------------------------------------------------------------------------ what is written


def test_an_adapter_that_reads_back_as_something_else_is_refused(tmp_path: Path) -> None:
    trainer = new_trainer(alpha=8)
    disturb(trainer, 0.2)
    file = adapter.save_diffusers(trainer.family, tmp_path)
    assert reload_difference(trainer, trainer.spec, file) < 1e-4
    tensors = load_file(file)
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, file)  # other weights, and without their alpha
    with pytest.raises(GauchoError, match="the adapter that was read back predicts something else"):
        reload_difference(trainer, trainer.spec, file)
    file.write_bytes(b"nothing")
    with pytest.raises(GauchoError, match="does not load back"):
        reload_difference(trainer, trainer.spec, file)


def test_kohyas_file_keeps_alpha_rank_and_the_trigger_words(tmp_path: Path) -> None:
    trainer = new_trainer(alpha=8)
    weights, spec = adapter.weights_of(trainer.network), trainer.spec.model_copy(update={"resolution": 64})
    adapter.save_single_file(tmp_path / "x.safetensors", trainer.family, spec, "x", "mtl tree", "CC0-1.0", 3)
    tensors = load_file(tmp_path / "x.safetensors")
    assert {tensor.item() for name, tensor in tensors.items() if name.endswith(".alpha")} == {8.0}
    with safe_open(tmp_path / "x.safetensors", "np") as file:
        metadata = file.metadata()
    assert (metadata["ss_network_alpha"], metadata["ss_network_dim"]) == ("8.0", "4")
    assert metadata["modelspec.trigger_phrase"] == "mtl tree"
    for name, tensor in weights.items():
        path, side = name.removesuffix(".weight").rsplit(".", 1)
        key = f"lora_unet_{path.replace('.', '_')}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"
        assert np.array_equal(tensors[key], tensor.numpy())


def test_weights_and_credits_make_the_data_version() -> None:
    trainer = new_trainer()
    weights, spec = adapter.weights_of(trainer.network), trainer.spec
    row = {"sha256": "1", "title": "t", "author": "João", "source": "s", "license": "CC0-1.0", "license_url": "u"}
    version = data_version(weights, spec, [row])
    assert version == data_version(dict(reversed(weights.items())), spec, [row | {"caption": "another"}])
    assert version != data_version(weights, spec, [row | {"author": "Ana"}])
    assert data_version(weights, spec, [row, row]) != data_version(weights, spec, [row, row | {"author": "Ana"}])
    assert version != data_version(weights, spec.model_copy(update={"alpha": 9.0}), [row])
    assert version != data_version({name: tensor + 1 for name, tensor in weights.items()}, spec, [row])


def test_the_curve_shows_the_validation_loss_and_the_step_that_was_kept(tmp_path: Path) -> None:
    rows = [{"step": 0, "validation": 1.0, "train": 0.5}, {"step": 5, "validation": 0.7, "train": 0.4}]

    def drawn(curve: list[dict[str, float]], best: int) -> bytes:
        draw_curve(curve, best, tmp_path / "losses.png")
        return (tmp_path / "losses.png").read_bytes()

    assert drawn(rows, 5) == drawn([row | {"train": 0.1} for row in rows], 5)
    assert drawn(rows, 5) != drawn([row | {"validation": 0.9} for row in rows], 5)
    assert drawn(rows, 5) != drawn(rows, 0)


# ------------------------------------------------------------------------------------------ going on


def test_a_resumed_run_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    keys = {"max_steps": 4, "validation_steps": 2, "learning_rate": 0.01}
    whole = new_trainer(**keys)
    whole.run(tmp_path / "whole.pt", Reporter(None))
    killed = new_trainer(**keys)
    real, count = killed.loss, 0

    def failing(step: int) -> torch.Tensor:
        if step == 3:
            raise KeyboardInterrupt
        return real(step)

    killed.loss = failing  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        killed.run(tmp_path / "state.pt", Reporter(None))
    resumed = new_trainer(**keys)
    count = resumed.run(tmp_path / "state.pt", Reporter(None))
    assert count == 2
    one, other = adapter.weights_of(whole.network), adapter.weights_of(resumed.network)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert resumed.state == whole.state


def test_a_state_of_another_specification_is_refused_by_name(tmp_path: Path) -> None:
    new_trainer(max_steps=1).run(tmp_path / "state.pt", Reporter(None))
    with pytest.raises(GauchoError, match=r"state\.pt: is of a training with another seed; remove it to begin anew"):
        new_trainer(max_steps=1, seed=8).run(tmp_path / "state.pt", Reporter(None))
    with pytest.raises(GauchoError, match="with another rank, learning_rate"):
        new_trainer(max_steps=1, rank=2, learning_rate=0.5e-4).run(tmp_path / "state.pt", Reporter(None))


def test_a_key_that_is_gone_makes_it_another_training_too(tmp_path: Path) -> None:
    new_trainer(max_steps=1).run(tmp_path / "state.pt", Reporter(None))
    with pytest.raises(GauchoError, match="another max_steps;"):
        new_trainer().run(tmp_path / "state.pt", Reporter(None))
