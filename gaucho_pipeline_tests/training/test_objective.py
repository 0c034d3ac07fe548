"""What a step learns from, and every term of its loss, held against the same by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler

from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.prompts.templates import class_prompt, prior_prompts
from gaucho_pipeline.training.examples import Example, ImageSet
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline_tests import tiny_models
from gaucho_pipeline_tests.trainers import TOKEN, WORDS, disturb, encoded, new_trainer, posteriors

OTHER_CAPTION = "a photo of mtl tree in the snow at night"


def loss_of(trainer: Trainer, step: int, size: int = 99) -> float:
    """The loss of a whole step, computed in parts of a size."""
    examples = trainer.objective.examples(step)
    with torch.no_grad():
        return sum(trainer.objective.loss(part).sum().item() for part in trainer.objective.micro_batches(examples, size))


class ByHand:
    """A step's predictions, by diffusers' own classes."""

    def __init__(self, trainer: Trainer, number: int = 0) -> None:
        self.trainer, self.examples = trainer, trainer.objective.examples(number)
        self.scheduler = DDPMScheduler.from_config(trainer.model.family.pipeline.scheduler.config)
        self.timesteps = torch.tensor([round(example.t.item() * 1000) for example in self.examples])
        latents, noise = (torch.stack([getattr(example, name) for example in self.examples]) for name in ("latents", "noise"))
        self.noisy = self.scheduler.add_noise(latents, noise, self.timesteps)
        self.target = self.scheduler.get_velocity(latents, noise, self.timesteps)

    @torch.no_grad()
    def predict(self, prompts: list[str], count: int | None = None) -> torch.Tensor:
        embeds = torch.stack([self.trainer.encoded.conditionings[prompt]["embeds"] for prompt in prompts])
        network = self.trainer.model.family.network
        return network(self.noisy[:count], self.timesteps[:count], embeds).sample  # type: ignore[no-any-return]

    def errors(self) -> torch.Tensor:
        predicted = self.predict([example.prompt for example in self.examples])
        return (predicted - self.target).square().mean(dim=(1, 2, 3))


def test_the_loss_is_the_squared_error_of_the_velocity_with_each_images_own_caption() -> None:
    captions = ["a photo of mtl tree on the beach by day", OTHER_CAPTION, "a photo of mtl tree on a table by day"]
    trainer = new_trainer(encoded(captions))
    disturb(trainer)
    for number in (0, 3):
        step = ByHand(trainer, number)
        assert [example.prompt for example in step.examples] == [captions[int(example.name[0])] for example in step.examples]
        assert loss_of(trainer, number) == pytest.approx(step.errors().mean().item(), rel=1e-5)


def test_captions_of_the_curated_set_reach_the_model() -> None:
    assert loss_of(new_trainer(), 0) != pytest.approx(loss_of(new_trainer(encoded([OTHER_CAPTION] * 3)), 0), rel=1e-3)


def test_a_share_of_the_images_is_shown_without_a_caption_where_that_is_asked_for() -> None:
    def silent(**keys: float) -> int:
        trainer = new_trainer(**keys)
        return sum(example.prompt == "" for step in range(100) for example in trainer.objective.examples(step))

    assert silent() == 0
    assert 40 < silent(caption_dropout=0.3) < 80


def test_the_prior_loss_is_how_far_what_was_learned_moves_prompts_without_the_token_times_its_weight() -> None:
    plain, once, twice = (new_trainer(prior_loss_weight=weight) for weight in (0.0, 1.0, 2.0))
    assert loss_of(once, 0) == pytest.approx(loss_of(plain, 0), rel=1e-5)  # a fresh adapter has moved nothing
    for trainer in (plain, once, twice):
        disturb(trainer)
    step = ByHand(once)
    (prompt,) = once.objective.prior_prompts_of(0, [0])
    moved = step.predict([prompt], 1)
    with once.model.method.disable_adapter():
        prior = (moved - step.predict([prompt], 1)).square().mean().item()
    assert prior > 1e-4
    assert loss_of(once, 0) - loss_of(plain, 0) == pytest.approx(prior, rel=1e-3)
    assert loss_of(twice, 0) - loss_of(plain, 0) == pytest.approx(2 * prior, rel=1e-3)


def test_half_of_the_prior_prompts_name_the_class_and_the_rest_others() -> None:
    objective = new_trainer(prior_loss_weight=1.0).objective
    drawn = [prompt for step in range(20) for prompt in objective.prior_prompts_of(step, [0, 0])]
    assert drawn.count(class_prompt(WORDS)) == 20
    assert set(drawn) <= set(prior_prompts(WORDS))
    assert len(set(drawn)) > 3
    assert not any(TOKEN in prompt for prompt in drawn)


def test_images_of_the_class_are_learned_from_under_the_class_prompt_times_the_priors_weight() -> None:
    of_class = ImageSet(["c0", "c1"], [class_prompt(WORDS)] * 2, [[each] for each in posteriors(2, 9)])
    trainer = new_trainer(encoded(class_images=of_class), prior="class_images", prior_loss_weight=0.5)
    disturb(trainer)
    step = ByHand(trainer, 1)
    assert [example.name[0] == "c" for example in step.examples] == [False, False, True]
    assert step.examples[2].prompt == class_prompt(WORDS)
    errors = step.errors()
    assert loss_of(trainer, 1) == pytest.approx((errors[:2].mean() + 0.5 * errors[2]).item(), rel=1e-5)
    of_class = [trainer.objective.examples(number)[2] for number in range(6)]
    assert {example.name for example in of_class} == {"c0", "c1"}
    assert len({example.noise[0, 0, 0].item() for example in of_class}) == 6  # each time under another noise


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
    step = ByHand(trainer)
    weights = trainer.model.family.loss_weights(step.timesteps / 1000, 2.0)
    assert weights.unique().numel() == 2
    assert loss_of(trainer, 0) == pytest.approx((weights * step.errors()).mean().item(), rel=1e-5)


def test_the_prior_is_weighted_as_its_image_is() -> None:
    trainer = new_trainer(min_snr_gamma=2.0, prior_loss_weight=1.0)
    disturb(trainer)
    step = ByHand(trainer)
    weights = trainer.model.family.loss_weights(step.timesteps / 1000, 2.0)
    assert weights[0] != 1
    prompt = step.examples[0].prior_prompt
    assert prompt
    moved = step.predict([prompt], 1)
    with trainer.model.method.disable_adapter():
        prior = (moved - step.predict([prompt], 1)).square().mean()
    expected = (weights * step.errors()).mean() + weights[0] * prior
    assert loss_of(trainer, 0) == pytest.approx(expected.item(), rel=1e-5)


def test_a_step_depends_on_the_seed_and_its_number_alone() -> None:
    one, again, other = new_trainer(), new_trainer(), new_trainer(seed=8)
    assert loss_of(one, 3) == loss_of(again, 3)
    assert loss_of(one, 3) != loss_of(one, 4)
    assert loss_of(one, 3) != loss_of(other, 3)


@pytest.mark.parametrize("keys", [{"prior_loss_weight": 1.0}, {"prior_loss_weight": 0.0}])
def test_how_a_step_is_divided_changes_its_loss_by_rounding_only(keys: dict[str, Any]) -> None:
    trainer = new_trainer(batch_size=4, **keys)
    disturb(trainer)
    whole = loss_of(trainer, 2)
    for size in (1, 2, 3):
        assert loss_of(trainer, 2, size) == pytest.approx(whole, rel=1e-5)


def test_images_of_other_shapes_are_computed_apart_in_the_same_step() -> None:
    views = [[each] for each in (*posteriors(2, 1), *posteriors(1, 2, height=12, width=20))]
    trainer = new_trainer(encoded(views=views), batch_size=3)
    examples = trainer.objective.examples(0)
    parts = trainer.objective.micro_batches(examples, 99)
    assert sorted(len(part) for part in parts) == [1, 2]
    errors = []
    for example in examples:
        with torch.no_grad():
            errors.append(trainer.objective.loss([example]).item())
    assert loss_of(trainer, 0) == pytest.approx(sum(errors), rel=1e-5)
    assert {example.name for part in parts for example in part} == {"0.png", "1.png", "2.png"}


def test_a_view_of_each_image_is_drawn_again_every_time() -> None:
    views = [[*posteriors(2, index)] for index in range(3)]
    trainer = new_trainer(encoded(views=views), batch_size=3)

    def view_of(example: Example) -> int:
        own = views[int(example.name[0])]
        return min((0, 1), key=lambda number: (example.latents - own[number].mean).abs().mean().item())

    drawn = [view_of(example) for step in range(30) for example in trainer.objective.examples(step)]
    assert 25 < sum(drawn) < 65
