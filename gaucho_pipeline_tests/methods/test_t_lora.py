"""T-LoRA: which ranks learn at which noise level, for each image of a step, and that all of them are measured, stored and drawn with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft.tuners.lora import LoraLayer
from safetensors import safe_open
from safetensors.torch import load_file

from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.adapter_file import ADAPTER, DIFFUSERS_FILE
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.t_lora import rank_masks
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training import validation
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline_tests.families.test_families_taught import new_trainer as new_trainer_of
from gaucho_pipeline_tests.trainers import copied, disturb, new_trainer, same


def gradients_at(trainer: Trainer, *noise_levels: float) -> list[torch.Tensor]:
    """How much each rank of each module has learned from images of these noise levels: (rank,) for each."""
    examples = [replace(each, t=torch.tensor(t)) for each, t in zip(trainer.objective.examples(0), noise_levels, strict=False)]
    trainer.model.backward(trainer.objective.loss(examples).sum())
    found = []
    for module in trainer.model.family.network.modules():
        if isinstance(module, LoraLayer):
            down, up = module.lora_A["default"].weight.grad, module.lora_B["default"].weight.grad
            if down is not None:  # the last block of some says nothing on the text that anybody hears
                found.append(down.flatten(1).abs().sum(1) + up.reshape(*up.shape[:2], -1).abs().sum((0, 2)))
    trainer.optimizer.zero_grad()
    return found


@pytest.mark.parametrize(
    ("rank", "levels", "learning"),
    [(8, (0.0, 0.3, 0.5, 0.99, 1.0), (8, 6, 6, 4, 4)), (1, (0.0, 1.0), (1, 1)), (3, (0.0, 1.0), (3, 1)), (256, (0.25,), (224,))],
)
def test_the_more_noise_the_fewer_ranks_learn_down_to_half(rank: int, levels: tuple[float, ...], learning: tuple[int, ...]) -> None:
    masks = rank_masks(torch.tensor(levels), rank)
    assert masks.shape == (len(levels), rank)
    assert masks.sum(1).tolist() == list(learning)
    assert all(torch.equal(mask, mask.sort(descending=True).values) for mask in masks)  # the first ones


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_from_pure_noise_half_of_the_ranks_learn_and_from_none_all(targets: str) -> None:
    trainer = new_trainer(method="t_lora", rank=8, target_modules=targets, prior_loss_weight=0)
    disturb(trainer, 0.05)
    for module in gradients_at(trainer, 1.0):
        assert module[:4].gt(0).all()
        assert not module[4:].any()
    assert all(module.gt(0).all() for module in gradients_at(trainer, 0.0))


def test_a_lora_learns_in_all_of_its_ranks_at_every_noise_level() -> None:
    trainer = new_trainer(method="lora", rank=8, prior_loss_weight=0)
    disturb(trainer, 0.05)
    assert all(module.gt(0).all() for module in gradients_at(trainer, 1.0))


def test_each_image_of_a_step_has_the_ranks_of_its_own_noise_level() -> None:
    trainer = new_trainer(method="t_lora", rank=8, batch_size=2, prior_loss_weight=0)
    disturb(trainer, 0.05)
    noisy, clean = trainer.objective.examples(0)
    one, other = replace(noisy, t=torch.tensor(1.0)), replace(clean, t=torch.tensor(0.0))
    together = trainer.objective.loss([one, other])
    assert torch.allclose(together, torch.cat([trainer.objective.loss([one]), trainer.objective.loss([other])]), atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_keeps_the_images_of_a_step_apart(name: str, tmp_path: Path) -> None:
    """Whichever dimension of what a module is given the images lie in, and computed once or twice."""
    trainer = new_trainer_of(name, tmp_path, method="t_lora", rank=4, prior_loss_weight=0.0)
    disturb(trainer, 0.2)
    noisy, clean = (replace(each, t=torch.tensor(t)) for each, t in zip(trainer.objective.examples(0), (0.95, 0.05), strict=True))
    alone = torch.cat([trainer.objective.loss([each]) for each in (noisy, clean)])
    assert torch.allclose(trainer.objective.loss([noisy, clean]), alone, rtol=2e-5)
    plain = new_trainer_of(name, tmp_path, method="lora", rank=4, prior_loss_weight=0.0)
    disturb(plain, 0.2)
    assert not torch.allclose(plain.objective.loss([noisy]), alone[:1], rtol=1e-4)  # the mask is felt at all
    found = []
    for on in (False, True):
        trainer.model.set_gradient_checkpointing(on)
        found.append(gradients_at(trainer, 0.9, 0.1))
    assert all(torch.allclose(one, other, rtol=1e-3, atol=1e-6) for one, other in zip(*found, strict=True))


def test_a_model_that_lays_images_together_is_refused_by_name() -> None:
    trainer = new_trainer(method="t_lora", rank=4)
    trainer.model.method.learn_at(torch.tensor([0.1, 0.9, 0.5]))
    with pytest.raises(
        ConfigError, match=r"training\.method: t_lora is not for a base model that does not keep the images of a step apart"
    ):
        trainer.model.family.network(torch.zeros(2, 4, 16, 16), torch.tensor([1, 1]), torch.zeros(2, 4, 128))


def test_it_is_measured_and_drawn_with_all_that_it_learned_also_right_after_a_step(tmp_path: Path) -> None:
    trainer = new_trainer(method="t_lora", rank=8)
    disturb(trainer, 0.05)
    image, prompt = trainer.encoded.validation[0], trainer.selection_prompts[0]
    before = validation.errors(trainer.model, [image], prompt)
    gradients_at(trainer, 1.0)
    assert trainer.model.method._mask is None  # pictures while it trains ask the denoiser without `predict`
    trainer.model.method.learn_at(torch.ones(1))
    assert torch.equal(validation.errors(trainer.model, [image], prompt), before)
    whole = new_trainer(method="lora", rank=8)
    whole.model.method.set_weights(copied(trainer))
    assert torch.allclose(validation.errors(whole.model, [image], prompt), before, atol=1e-6)


def test_a_plain_lora_of_the_same_weights_is_what_is_stored(tmp_path: Path) -> None:
    trainer, plain = new_trainer(method="t_lora", rank=8), new_trainer(method="lora", rank=8)
    assert same(copied(trainer), copied(plain))  # the same seed begins with the same weights
    disturb(trainer, 0.05)
    plain.model.method.set_weights(copied(trainer))
    info = CheckpointInfo("x", "mtl tree", "CC0-1.0", 3)
    for name, each in (("masked", trainer), ("plain", plain)):
        each.model.method.save(tmp_path / name, info)
    for file in (f"{ADAPTER}/{DIFFUSERS_FILE}", "x.safetensors"):
        with safe_open(tmp_path / "masked" / file, "pt") as masked, safe_open(tmp_path / "plain" / file, "pt") as other:
            assert masked.metadata() == other.metadata()
        assert same(load_file(tmp_path / "masked" / file), load_file(tmp_path / "plain" / file))


def test_it_learns_otherwise_than_a_lora_of_the_same_seed(tmp_path: Path) -> None:
    found = {}
    for method in ("lora", "t_lora"):
        trainer = new_trainer(method=method, rank=8, max_steps=3, learning_rate=1e-3)
        (tmp_path / method).mkdir()
        trainer.run(tmp_path / method / "training.pt", Reporter(None))
        found[method] = copied(trainer)
    assert not same(found["lora"], found["t_lora"])


def test_it_is_an_adapter_as_any_other_by_name() -> None:
    assert METHODS["t_lora"].is_adapter
    assert METHODS["t_lora"].title == "T-LoRA"
