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
    rows: dict[int, torch.Tensor] = {}
    own, stream = [prompt] * len(images) if isinstance(prompt, str) else prompt, Stream.REPORT if for_report else Stream.SELECTION
    for places in _of_one_shape(images):
        latents, noise, t = _noised(model, images, places, stream)
        prompts = [own[place] for place in places for _unused in range(model.noises)]
        predicted = _predicted(model, model.family.add_noise(latents, noise, t), t, prompts, _sizes(model, images, places), tuned)
        squares = (predicted - model.family.target(latents, noise, t)).square()
        for place, part in zip(places, squares.view(len(places), model.noises, *squares.shape[1:]), strict=True):
            mask = images[place].mask
            if mask is not None:
                part = part * area_of((1 - mask if outside else mask)[None, None].to(part), 0.0)
            rows[place] = part.mean(dim=(1, 2, 3)).cpu()
    return torch.stack([rows[place] for place in range(len(images))])


@torch.no_grad()
def prior_change(model: TunedModel, images: Sequence[Posterior], prompts: Sequence[str]) -> tuple[float, float]:
    """Mean squared difference of the prediction, tuned from untouched, on prompts without the token, and the same on the first alone.

    Every other one is the first, the class noun.
    """
    others, squares = prompts[1:], list[torch.Tensor]()
    prompts_by_noise = [others[number // 2 % len(others)] if number % 2 else prompts[0] for number in range(model.noises)]
    for places in _of_one_shape(images):
        latents, noise, t = _noised(model, images, places, Stream.REPORT)
        noisy, sizes = model.family.add_noise(latents, noise, t), _sizes(model, images, places)
        tuned, untouched = (_predicted(model, noisy, t, prompts_by_noise * len(places), sizes, which) for which in (True, False))
        squares.append((tuned - untouched).square().mean(dim=(1, 2, 3)).view(-1, model.noises))
    by_noise = torch.cat(squares).mean(dim=0)
    return by_noise.mean().item(), by_noise[::2].mean().item()


def _predicted(
    model: TunedModel, noisy: torch.Tensor, t: torch.Tensor, prompts: list[str], sizes: list[Size | None], tuned: bool
) -> torch.Tensor:
    """A prediction, of as many at once as memory was found to hold; of one image's where that is not known yet."""
    at_once = model.eval_batch_size or model.noises
    parts = [slice(start, start + at_once) for start in range(0, len(t), at_once)]
    return torch.cat([model.predict(noisy[part], t[part], prompts[part], sizes[part], tuned) for part in parts])


def _of_one_shape(images: Sequence[Posterior]) -> list[list[int]]:
    """The places of images that can be computed together."""
    found: dict[torch.Size, list[int]] = {}
    for place, image in enumerate(images):
        found.setdefault(image.mean.shape, []).append(place)
    return list(found.values())


def _sizes(model: TunedModel, images: Sequence[Posterior], places: Sequence[int]) -> list[Size | None]:
    return [images[place].size for place in places for _unused in range(model.noises)]


def _noised(
    model: TunedModel, images: Sequence[Posterior], places: Sequence[int], stream: Stream
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents of images of one shape under every noise, noises and noise levels, the same every time: (places x noises, …) each."""
    latents, noises = list[torch.Tensor](), list[torch.Tensor]()
    for place in places:
        generator, image = generator_for(0, stream, place), images[place]  # not the spec's seed: two runs are measured alike
        shape = (model.noises, *image.mean.shape)
        noises.append(torch.randn(shape, generator=generator))
        latents.append(image.mean + image.std * torch.randn(shape, generator=generator))
    t = model.family.validation_noise_levels(model.noises).repeat(len(places))
    return torch.cat(latents).to(model.device), torch.cat(noises).to(model.device), t.to(model.device)


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
