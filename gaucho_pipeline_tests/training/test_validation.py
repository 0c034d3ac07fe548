"""Measuring: the same noises every time, tuned and untouched, on other images than chose the weights, at a bounded cost."""

from __future__ import annotations

import math

import pytest
import torch

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.prompts.templates import instance_prompt, prior_prompts
from gaucho_pipeline.training import validation
from gaucho_pipeline.training.examples import Encoded, ImageSet, Member
from gaucho_pipeline_tests.trainers import WORDS, disturb, new_trainer, posteriors

PROMPT = instance_prompt(WORDS)


def test_errors_are_measured_tuned_or_untouched_for_each_image_and_noise() -> None:
    trainer = new_trainer(validation_noises=8)
    model, images = trainer.model, trainer.encoded.validation
    before = validation.errors(model, images, PROMPT)
    assert before.shape == (2, 8)
    assert torch.allclose(validation.errors(model, images, PROMPT, tuned=False), before)
    disturb(trainer, 0.2)
    assert validation.errors(model, images, PROMPT).mean() != pytest.approx(before.mean().item(), rel=1e-3)
    assert torch.allclose(validation.errors(model, images, PROMPT, tuned=False), before)


def test_each_image_has_noises_of_its_own() -> None:
    trainer = new_trainer(validation_noises=4)
    one, other = validation.errors(trainer.model, [trainer.encoded.validation[0]] * 2, PROMPT)
    assert not torch.isclose(one, other).any()


def test_errors_are_those_of_the_target_from_little_noise_to_much() -> None:
    trainer = new_trainer(validation_noises=8)
    found = validation.errors(trainer.model, trainer.encoded.validation, PROMPT).mean(dim=0)
    assert found[0] > found[-1]  # the velocity of a nearly clean picture is its noise, which is not to be seen


def test_what_is_reported_is_measured_under_noises_that_chose_no_weights() -> None:
    trainer = new_trainer(validation_noises=8)
    images = trainer.encoded.validation
    chose, reported = (validation.errors(trainer.model, images, PROMPT, for_report=report) for report in (False, True))
    assert not torch.isclose(chose, reported).any()
    assert torch.equal(validation.errors(trainer.model, images, PROMPT, for_report=True), reported)


def test_of_four_images_two_choose_the_weights_and_two_others_are_reported_on() -> None:
    four, three, two = posteriors(4, 1), posteriors(3, 1), posteriors(2, 1)
    assert list(validation.selection_of(four)) == [four[0], four[2]]
    assert list(validation.reported_of(four)) == [four[1], four[3]]
    assert (list(validation.selection_of(three)), list(validation.reported_of(three))) == ([three[1]], [three[0], three[2]])
    five = posteriors(5, 1)
    assert (list(validation.selection_of(five)), list(validation.reported_of(five))) == ([five[1], five[3]], five[::2])
    assert list(validation.selection_of(two)) == list(validation.reported_of(two)) == two
    assert [validation.is_reported_apart(each) for each in (four, three, two)] == [True, True, False]


def test_of_many_images_some_are_measured_spread_over_all() -> None:
    many = posteriors(100, 1, 2, 2)
    assert len(validation.selection_of(many)) == 12
    assert len(validation.reported_of(many)) == 24
    member, nothing = Member(WORDS, range(100), range(0)), ImageSet([], [], [[each, many[0]] for each in many])
    measured = validation.measured_of(Encoded(nothing, [], {}, [member]), member)
    assert [next(i for i, each in enumerate(many) if each is one) for one in measured] == [0, 25, 50, 75]


def test_how_far_the_model_moved_is_measured_without_the_token() -> None:
    trainer, prompts = new_trainer(validation_noises=8), prior_prompts(WORDS)
    images = trainer.encoded.validation
    assert validation.prior_change(trainer.model, images, prompts) == (0, 0)
    disturb(trainer, 0.02)
    little = validation.prior_change(trainer.model, images, prompts)
    disturb(trainer, 0.2)
    much = validation.prior_change(trainer.model, images, prompts)
    assert 0 < little[0] < much[0]
    assert 0 < little[1] < much[1]
    assert little[0] != little[1]  # all prompts, and the class noun alone


def test_two_runs_of_other_seeds_are_measured_alike() -> None:
    one, other = new_trainer(seed=1), new_trainer(seed=2)
    assert torch.equal(
        validation.errors(one.model, one.encoded.validation, PROMPT), validation.errors(other.model, other.encoded.validation, PROMPT)
    )


@pytest.mark.parametrize("images", [20, 60, 200, 1000, 10_000])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_measuring_takes_at_most_a_tenth_of_the_training_at_any_size(images: int, weight: float) -> None:
    spec = TrainingSpec(epochs=120, prior_loss_weight=weight)
    validated = posteriors(images // 5, 1, 1, 1)
    train = images - len(validated)
    steps = math.ceil(spec.epochs * train / spec.batch_size)
    selected, reported = len(validation.selection_of(validated)), len(validation.reported_of(validated))
    measured = validation.steps_to_measure(spec, steps, selected, reported, 4)
    of_a_step = 3 * 4 + (2 * 1 + 2 * 3 if weight else 0)  # two examples of the prior: untouched, then with a gradient
    passes = (len(measured) + 1) * selected * 8  # the untouched model is measured first
    passes += 8 * (6 * (reported + 4) + 2 * reported)
    assert passes <= 0.1 * steps * of_a_step
    assert len(measured) >= 5


def test_a_third_and_the_last_step_are_always_measured() -> None:
    spec = TrainingSpec()
    for steps in (1, 2, 7, 30, 1000):
        measured = validation.steps_to_measure(spec, steps, 2, 2, 4)
        assert {math.ceil(steps / 3), steps} <= set(measured)
        assert measured == sorted(set(measured))
        assert min(measured) >= 1
        assert max(measured) == steps
    assert validation.steps_to_measure(TrainingSpec(validation_steps=10), 25, 2, 2, 4) == [9, 10, 20, 25]


def test_images_of_several_shapes_are_measured_together_and_each_as_if_alone() -> None:
    trainer = new_trainer(validation_noises=4)
    disturb(trainer)
    images = [*posteriors(2, 5), *posteriors(1, 6, 8, 16), *posteriors(2, 7)]
    prompts = [instance_prompt(WORDS), *list(trainer.encoded.conditionings)[1:4], instance_prompt(WORDS)]
    together = validation.errors(trainer.model, images, prompts)
    assert together.shape == (5, 4)
    for place, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
        before = [posteriors(1, 0, *image.mean.shape[1:])[0]] * place  # so that it has the noises of its place
        alone = validation.errors(trainer.model, [*before, image], [prompt] * (place + 1))[-1]
        assert torch.allclose(together[place], alone, atol=1e-6)


@pytest.mark.parametrize(("at_once", "most"), [(0, 4), (3, 3), (64, 12)])
def test_no_more_is_computed_at_once_than_memory_was_found_to_hold(at_once: int, most: int) -> None:
    trainer, counts = new_trainer(validation_noises=4), list[int]()
    trainer.model.eval_batch_size = at_once
    trainer.model.family.network.register_forward_pre_hook(lambda _module, given: counts.append(len(given[0])))
    validation.errors(trainer.model, posteriors(3, 5), instance_prompt(WORDS))
    validation.prior_change(trainer.model, posteriors(3, 5), prior_prompts(WORDS))
    assert max(counts) == most
    assert sum(counts) == 3 * 12
