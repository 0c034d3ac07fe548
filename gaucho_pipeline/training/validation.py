"""Measuring: the error of the prediction on images, under noises and noise levels that are the same every time, tuned and untouched.

What measuring costs is bounded here as well: a tenth of the training's time, in passes through the denoiser.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.training.examples import Encoded, Member, Stream, generator_for
from gaucho_pipeline.training.objective import area_of
from gaucho_pipeline.training.posteriors import Posterior, Size
from gaucho_pipeline.training.tuned import TunedModel

MEASURING_SHARE = 0.1
"""The share of a training's time that measuring may take."""
MAX_IMAGES = {"selection": 12, "reported": 24, "train": 4}
"""Images that are measured, at most: more make it no surer, and slower."""
MAX_MEASUREMENTS = 40


def selection_of(validation: Sequence[Posterior]) -> Sequence[Posterior]:
    """The images that choose the best weights: every other one, the smaller half; all where there are fewer than three."""
    return _at_most(validation[_first(validation) :: 2] if is_reported_apart(validation) else validation, "selection")


def reported_of(validation: Sequence[Posterior]) -> Sequence[Posterior]:
    """The images that are reported on: others than those that choose, where there are three or more."""
    return _at_most(validation[1 - _first(validation) :: 2] if is_reported_apart(validation) else validation, "reported")


def by_member(encoded: Encoded, choose: Callable[[Sequence[Posterior]], Sequence[Posterior]]) -> list[tuple[Member, Sequence[Posterior]]]:
    """Some of the validation images of each concept that is learned, such as `selection_of` or `reported_of` chooses."""
    return [(member, choose(encoded.validation[member.validation.start : member.validation.stop])) for member in encoded.members]


def _first(validation: Sequence[Posterior]) -> int:
    """The first that chooses: of an odd number, the larger half is reported on, because an interval is of these."""
    return len(validation) % 2


def is_reported_apart(validation: Sequence[object]) -> bool:
    """Whether the images that are reported on are others than those that choose the best weights."""
    return len(validation) >= 3


def measured_of(encoded: Encoded, member: Member) -> Sequence[Posterior]:
    """The training images of a concept that are reported on, each whole and unmirrored."""
    return _at_most([encoded.train.views[place][0] for place in member.train], "train")


def _at_most(images: Sequence[Posterior], what: str) -> Sequence[Posterior]:
    most = MAX_IMAGES[what]
    return images if len(images) <= most else [images[place * len(images) // most] for place in range(most)]


@torch.no_grad()
def errors(
    model: TunedModel,
    images: Sequence[Posterior],
    prompt: str | Sequence[str],
    tuned: bool = True,
    for_report: bool = False,
    outside: bool = False,
) -> torch.Tensor:
    """Squared error for each image and noise, (images, noises), from little noise to much. `prompt`: of all images, or of each.

    What is reported is measured under noises that chose no weights. Of an image with a mask the error is that of the subject alone, or with
    `outside` that of the rest.
    """
    rows, prompts = [], [prompt] * len(images) if isinstance(prompt, str) else prompt
    for index, (image, own) in enumerate(zip(images, prompts, strict=True)):
        latents, noise, t = _noised(model, image, index, Stream.REPORT if for_report else Stream.SELECTION)
        predicted = _predicted(model, model.family.add_noise(latents, noise, t), t, [own] * len(t), image.size, tuned)
        squares = (predicted - model.family.target(latents, noise, t)).square()
        if image.mask is not None:
            shown = 1 - image.mask if outside else image.mask
            squares = squares * area_of(shown[None, None].to(squares), 0.0)
        rows.append(squares.mean(dim=(1, 2, 3)).cpu())
    return torch.stack(rows)


@torch.no_grad()
def prior_change(model: TunedModel, images: Sequence[Posterior], prompts: Sequence[str]) -> tuple[float, float]:
    """Mean squared difference of the prediction, tuned from untouched, on prompts without the token, and the same on the first alone.

    Every other one is the first, the class noun.
    """
    others, squares = prompts[1:], list[torch.Tensor]()
    prompts_by_noise = [others[number // 2 % len(others)] if number % 2 else prompts[0] for number in range(model.noises)]
    for index, image in enumerate(images):
        latents, noise, t = _noised(model, image, index, Stream.REPORT)
        noisy = model.family.add_noise(latents, noise, t)
        tuned, untouched = (_predicted(model, noisy, t, prompts_by_noise, image.size, which) for which in (True, False))
        squares.append((tuned - untouched).square().mean(dim=(1, 2, 3)))
    by_noise = torch.stack(squares).mean(dim=0)
    return by_noise.mean().item(), by_noise[::2].mean().item()


def _predicted(
    model: TunedModel, noisy: torch.Tensor, t: torch.Tensor, prompts: list[str], shown: Size | None, tuned: bool
) -> torch.Tensor:
    """A prediction, of as many at once as memory was found to hold."""
    size = model.eval_batch_size or len(t)
    parts = [slice(start, start + size) for start in range(0, len(t), size)]
    return torch.cat([model.predict(noisy[part], t[part], prompts[part], [shown] * len(t[part]), tuned) for part in parts])


def _noised(model: TunedModel, image: Posterior, index: int, stream: Stream) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents of an image, noises and noise levels, the same every time."""
    generator = generator_for(0, stream, index)  # not the spec's seed: two runs are measured alike
    shape = (model.noises, *image.mean.shape)
    noise, drawn = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
    t, device = model.family.validation_noise_levels(model.noises), model.device
    return (image.mean + image.std * drawn).to(device), noise.to(device), t.to(device)


def steps_to_measure(spec: TrainingSpec, max_steps: int, selected: int, reported: int, trained: int) -> list[int]:
    """The steps after which the validation loss is measured: the last, the one at a third, and as many others as MEASURING_SHARE allows.

    `selected`, `reported`, `trained`: how many images of each kind are measured. A pass through the denoiser costs one, its gradient two.
    """
    if spec.validation_steps:
        spread = range(spec.validation_steps, max_steps, spec.validation_steps)
    else:
        of_the_prior = {"self": 4, "class_images": 3}[spec.prior] if spec.prior_loss_weight else 0
        of_a_step = 3 * spec.batch_size + of_the_prior * -(-spec.batch_size // 2)
        report = spec.validation_noises * (6 * (reported + trained) + 2 * reported)
        affordable = (MEASURING_SHARE * max_steps * of_a_step - report) / (
            spec.validation_noises * selected
        ) - 2  # the first, and the one at a third
        count = int(min(max(affordable, 1), MAX_MEASUREMENTS))
        spread = range(0, max_steps, math.ceil(max_steps / count))
    return sorted({*spread, math.ceil(max_steps / 3), max_steps} - {0})
