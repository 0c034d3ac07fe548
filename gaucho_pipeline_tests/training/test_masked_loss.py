"""The loss of images that have a mask: what is outside the subject counts for as much as was asked, and for nothing at weight 0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gaucho_pipeline.concepts.training import MaskedLoss, TrainingSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.prompts.templates import instance_prompt
from gaucho_pipeline.training import validation
from gaucho_pipeline.training.examples import View, views_of
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.objective import MIN_AREA, area_of
from gaucho_pipeline.training.posteriors import FirstViews, MaskedViews, SizedViews
from gaucho_pipeline.training.preparing import ConceptImages, _masks
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.trainers import WORDS, disturb, encoded, new_trainer, posteriors

LEFT = torch.cat([torch.ones(16, 8), torch.zeros(16, 8)], dim=1)
"""The subject is in the left half."""


def new_with(keys: dict[str, Any] | None, mask: torch.Tensor | None = LEFT) -> Trainer:
    """A trainer whose images have a mask, with the key `mask`."""
    views = [[replace(each, mask=mask)] for each in posteriors(3, 1)]
    trainer = new_trainer(encoded(views=views), mask=keys)
    disturb(trainer)
    return trainer


def loss(trainer: Trainer) -> torch.Tensor:
    return trainer.objective.loss(trainer.objective.examples(0))


def by_latent(trainer: Trainer, target: torch.Tensor | None = None) -> torch.Tensor:
    """Squared errors of the first step's examples at each latent, (examples, height, width)."""
    examples, family = trainer.objective.examples(0), trainer.model.family
    latents, noise, t = (torch.stack([getattr(each, name) for each in examples]) for name in ("latents", "noise", "t"))
    with torch.no_grad():
        predicted = trainer.model.predict(family.add_noise(latents, noise, t), t, [each.prompt for each in examples])
    wanted = family.target(latents, noise, t) if target is None else target
    return (predicted - wanted).square().mean(dim=1)


def untouched(trainer: Trainer) -> torch.Tensor:
    examples, family = trainer.objective.examples(0), trainer.model.family
    latents, noise, t = (torch.stack([getattr(each, name) for each in examples]) for name in ("latents", "noise", "t"))
    with torch.no_grad():
        return trainer.model.predict(family.add_noise(latents, noise, t), t, [each.prompt for each in examples], tuned=False)


def test_without_a_key_for_masks_the_loss_is_that_of_the_whole_image_to_the_bit() -> None:
    assert torch.equal(loss(new_with(None)), loss(new_with(None, None)))
    assert torch.equal(loss(new_with({"weight": 0.1}, None)), loss(new_with(None, None)))


def test_at_weight_0_it_is_the_error_of_the_subject_alone() -> None:
    trainer = new_with({"weight": 0.0})
    expected = by_latent(trainer)[:, :, :8].mean(dim=(1, 2)) / 2
    assert torch.allclose(loss(trainer), expected, rtol=1e-5)


def test_in_between_the_rest_counts_for_its_weight() -> None:
    trainer = new_with({"weight": 0.25})
    errors = by_latent(trainer)
    expected = (errors[:, :, :8].sum(dim=(1, 2)) + 0.25 * errors[:, :, 8:].sum(dim=(1, 2))) / (128 + 0.25 * 128) / 2
    assert torch.allclose(loss(trainer), expected, rtol=1e-5)


def test_at_weight_1_it_is_that_of_the_whole_image() -> None:
    assert torch.allclose(loss(new_with({"weight": 1.0})), loss(new_with(None, None)), rtol=1e-6)


def test_the_gradient_by_what_is_predicted_outside_is_exactly_zero_at_weight_0() -> None:
    trainer, seen = new_with({"weight": 0.0}), list[torch.Tensor]()
    predict = trainer.model.predict

    def watched(*arguments: Any, **keys: Any) -> torch.Tensor:
        found = predict(*arguments, **keys).detach().requires_grad_()
        seen.append(found)
        return found

    trainer.model.predict = watched  # type: ignore[method-assign]
    loss(trainer).sum().backward()
    gradient = seen[-1].grad
    assert gradient is not None
    assert not gradient[..., 8:].any()
    assert gradient[..., :8].abs().min() > 0


def test_with_prior_what_the_base_model_draws_is_what_is_to_be_drawn_outside() -> None:
    trainer = new_with({"weight": 0.5, "prior": True})
    inside, outside = by_latent(trainer)[:, :, :8], by_latent(trainer, untouched(trainer))[:, :, 8:]
    expected = (inside.sum(dim=(1, 2)) + 0.5 * outside.sum(dim=(1, 2))) / (128 + 64) / 2
    assert torch.allclose(loss(trainer), expected, rtol=1e-4)


def test_a_model_that_has_learned_nothing_loses_nothing_outside_with_prior() -> None:
    views = [[replace(each, mask=torch.zeros(16, 16))] for each in posteriors(3, 1)]
    trainer = new_trainer(encoded(views=views), mask={"weight": 0.5, "prior": True})
    assert loss(trainer).abs().max() < 1e-10


def test_small_subjects_count_as_large_ones_down_to_a_twentieth() -> None:
    def share(shown: int) -> float:
        mask = torch.zeros(1, 1, 16, 16)
        mask.view(-1)[:shown] = 1
        return float(area_of(mask, 0.0).mean())

    assert share(256) == pytest.approx(1)
    assert share(26) == pytest.approx(1)
    assert share(3) == pytest.approx(3 / 256 / MIN_AREA)
    assert share(0) == 0


def test_images_without_a_mask_are_learned_whole_among_others_that_have_one() -> None:
    views = [[replace(each, mask=LEFT if number else None)] for number, each in enumerate(posteriors(3, 1))]
    trainer = new_trainer(encoded(views=views), mask={"weight": 0.0}, batch_size=3)
    disturb(trainer)
    examples, errors = trainer.objective.examples(0), by_latent(trainer)
    expected = [(errors[place] if example.mask is None else errors[place][:, :8]).mean() / 3 for place, example in enumerate(examples)]
    assert torch.allclose(loss(trainer), torch.stack(expected), rtol=1e-5)
    assert sum(example.mask is None for example in examples) == 1


def test_the_prior_of_the_class_is_kept_on_the_whole_image() -> None:
    keys = {"prior_loss_weight": 1.0, "batch_size": 2}
    views = [[replace(each, mask=torch.zeros(16, 16))] for each in posteriors(3, 1)]
    trainer = new_trainer(encoded(views=views), mask={"weight": 0.0}, **keys)
    disturb(trainer)
    assert loss(trainer).sum() > 1e-6  # nothing of the images, all of the prior


def test_what_is_measured_is_the_subject_and_the_rest_apart() -> None:
    trainer, image = new_with({"weight": 0.0}), posteriors(1, 9)[0]
    prompt = instance_prompt(WORDS)
    whole, inside, outside = (
        validation.errors(trainer.model, [each], prompt, outside=out)
        for each, out in ((image, False), (replace(image, mask=LEFT), False), (replace(image, mask=LEFT), True))
    )
    assert torch.allclose((inside + outside) / 2, whole, rtol=1e-5)
    assert not torch.allclose(inside, outside, rtol=1e-2)


# ------------------------------------------------------------------------------------------ masks of views


def picture(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def test_a_mask_is_made_small_by_area() -> None:
    view = View((0, 0, 64, 64), (64, 64), False)
    found = view.mask_of(picture((64, 64), (0, 0, 34, 64)), (8, 8))
    assert torch.allclose(found[0], torch.tensor([1, 1, 1, 1, 0.25, 0, 0, 0]), atol=0.01)


def test_a_mirrored_view_has_a_mirrored_mask() -> None:
    whole = View((0, 0, 64, 64), (64, 64), False)
    mask = picture((64, 64), (0, 0, 20, 40))
    assert torch.equal(whole._replace(is_mirrored=True).mask_of(mask, (8, 8)), whole.mask_of(mask, (8, 8)).flip(1))


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (100, 70), (64, 64)])
def test_the_mask_of_every_view_lies_where_the_subject_lies_in_it(size: tuple[int, int]) -> None:
    box = (20, 10, 50, 40)
    shown = Image.new("RGB", size)
    shown.paste((255, 255, 255), box)
    spec = TrainingSpec(crops=4, random_flip=True, aspect_buckets=True)
    for view in views_of(size, "a", spec, 64, 8):
        seen = np.asarray(view.of(shown).convert("L"), np.float32) / 255
        latents = (view.size[1] // 4, view.size[0] // 4)
        by_area = torch.nn.functional.adaptive_avg_pool2d(torch.tensor(seen)[None], latents)[0]
        assert (view.mask_of(picture(size, box), latents) - by_area).abs().max() < 0.2
        assert (view.mask_of(picture(size, box), latents) - by_area).abs().mean() < 0.02


def test_masks_stay_with_their_views_through_sizes_and_slices() -> None:
    views = MaskedViews(posteriors(3, 1), [torch.full((16, 16), float(number)) for number in range(3)])
    sized = SizedViews(views, [(1, 1, 0, 0, 1, 1)] * 3)
    assert [float(each.mask.mean()) for each in sized[1:] if each.mask is not None] == [1, 2]
    first = FirstViews([views, views])[1]
    assert first.mask is not None
    assert float(first.mask.mean()) == 0


# ------------------------------------------------------------------------------------------ configuration


def test_a_prior_outside_at_weight_0_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="weight above 0"):
        MaskedLoss(weight=0, prior=True)


def test_masks_that_nobody_made_are_told_before_anything_is_encoded(tmp_path: Path) -> None:
    rows = [train_image(1), train_image(2)]
    with pytest.raises(ConfigError, match=r"training\.mask: no image has a mask"):
        _masks([ConceptImages(WORDS, tmp_path, rows, rows)])


def test_the_key_changes_the_version_and_its_absence_does_not() -> None:
    assert "mask" not in TrainingSpec().identity()
    assert TrainingSpec(mask=MaskedLoss()).identity()["mask"] == {"weight": 0.1, "prior": False}
