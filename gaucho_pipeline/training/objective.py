"""What a step learns from, and its loss: DreamBooth's (arXiv 2208.12242) with min-SNR weighting (arXiv 2303.09556).

What keeps the rest as it was is the base model's own prediction on prompts without the token, or images of the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.prompts.templates import prior_prompts
from gaucho_pipeline.training.examples import Encoded, Example, ImageSet, Stream, Turns, generator_for, images_of_step
from gaucho_pipeline.training.tuned import TunedModel

MIN_AREA = 0.05
"""Of an image that shows less of its subject, as a cut may, errors count for less: few latents say little."""


class Objective:
    """The loss of a training, step by step."""

    def __init__(self, model: TunedModel, spec: TrainingSpec, encoded: Encoded) -> None:
        self.model, self.spec, self.encoded = model, spec, encoded
        self._prior_prompts = [prior_prompts(member.words) for member in encoded.members]
        self._owners = [turn for turn, member in enumerate(encoded.members) for _unused in member.train]
        """Of each training image, which concept it is of."""
        self._turns = Turns(encoded.members) if len(encoded.members) > 1 else None

    def examples(self, step: int) -> list[Example]:
        """What step number `step` learns from: a function of the seed and the step alone."""
        spec, train, count = self.spec, self.encoded.train, self.spec.batch_size
        first, chosen = step * count, self._images_of_step(step)
        found = [self._example(train, index, first + place, Stream.EXAMPLE, 1 / count) for place, index in enumerate(chosen)]
        if not spec.prior_loss_weight:
            return found
        prior_count = -(-count // 2)  # staying the base model needs fewer examples than learning the concept
        share = spec.prior_loss_weight / prior_count
        if spec.prior == "class_images" and (class_images := self.encoded.class_images):
            of_class = images_of_step(step, prior_count, len(class_images), spec.seed)
            first = step * prior_count
            return found + [self._example(class_images, index, first + n, Stream.CLASS_IMAGE, share) for n, index in enumerate(of_class)]
        prompts = self.prior_prompts_of(step, [self._owners[index] for index in chosen[:prior_count]])
        kept = [replace(each, prior_prompt=prompt, prior_share=share) for each, prompt in zip(found, prompts, strict=False)]
        return kept + found[prior_count:]

    def _images_of_step(self, step: int) -> list[int]:
        batch, seed = self.spec.batch_size, self.spec.seed
        return self._turns.images_of_step(step, batch, seed) if self._turns else images_of_step(step, batch, len(self.encoded.train), seed)

    def _example(self, images: ImageSet, index: int, number: int, stream: Stream, share: float) -> Example:
        generator, views = generator_for(self.spec.seed, stream, number), images.views[index]
        view, is_silent = torch.rand(2, generator=generator).tolist()
        drawn = views[int(view * len(views))]
        latents = drawn.sample(generator)
        noise = torch.randn(latents.shape, generator=generator)
        t = self.model.family.draw_noise_levels(1, generator, latents[None])[0]
        prompt = "" if is_silent < self.spec.caption_dropout else images.captions[index]
        return Example(images.names[index], latents, noise, t, prompt, share, size=drawn.size, mask=drawn.mask)

    def prior_prompts_of(self, step: int, owners: Sequence[int]) -> list[str]:
        """A prompt for each of some examples, half of them their class, the rest drawn from the others. `owners`: their concepts."""
        generator, prompts = generator_for(self.spec.seed, Stream.PRIOR_PROMPT, step), [self._prior_prompts[owner] for owner in owners]
        others = torch.randint(1, min(map(len, prompts)), (len(owners),), generator=generator)
        return [own[0] if i % 2 == step % 2 else own[int(others[i])] for i, own in enumerate(prompts)]

    def micro_batches(self, examples: list[Example], size: int) -> list[list[Example]]:
        """A step's examples in parts that are computed at once: of one shape, and at most `size` of them."""
        by_shape: dict[torch.Size, list[Example]] = {}
        for example in examples:
            by_shape.setdefault(example.latents.shape, []).append(example)
        return [alike[start : start + size] for alike in by_shape.values() for start in range(0, len(alike), size)]

    def loss(self, examples: list[Example]) -> torch.Tensor:
        """What examples of one shape add to their step's loss, each one by itself, (len(examples),)."""
        device, family = self.model.device, self.model.family
        latents = torch.stack([example.latents for example in examples]).to(device)
        noise = torch.stack([example.noise for example in examples]).to(device)
        t = torch.stack([example.t for example in examples]).to(device)
        noisy, target = family.add_noise(latents, noise, t), family.target(latents, noise, t)
        weights, prompts = family.loss_weights(t, self.spec.min_snr_gamma), [example.prompt for example in examples]
        shares = weights * weights.new_tensor([example.share for example in examples])
        places = [place for place, example in enumerate(examples) if example.prior_prompt is not None]
        sizes = [example.size for example in examples]
        area = self._area(examples, target)
        if area is not None and self.spec.mask and self.spec.mask.prior:
            with torch.no_grad():
                untouched = self.model.predict(noisy, t, prompts, sizes, tuned=False)
            inside = _masks(examples, target)
            target = inside * target + (1 - inside) * untouched.to(target)
        if not places:
            return shares * _errors(self.model.predict(noisy, t, prompts, sizes, learning=True), target, area)
        prior_prompts = [prompt for example in examples if (prompt := example.prior_prompt) is not None]
        with torch.no_grad():
            prior_sizes = [sizes[place] for place in places]
            prior_target = self.model.predict(noisy[places], t[places], prior_prompts, prior_sizes, tuned=False)
        both = self.model.predict(
            torch.cat([noisy, noisy[places]]), torch.cat([t, t[places]]), prompts + prior_prompts, sizes + prior_sizes, learning=True
        )
        prior_shares = weights[places] * weights.new_tensor([examples[place].prior_share for place in places])
        loss = shares * _errors(both[: len(examples)], target, area)
        return loss.index_add(0, torch.tensor(places, device=device), prior_shares * _errors(both[len(examples) :], prior_target))

    def _area(self, examples: list[Example], like: torch.Tensor) -> torch.Tensor | None:
        """What each latent's error counts for; None where images are learned whole."""
        if self.spec.mask is None or all(example.mask is None for example in examples):
            return None
        return area_of(_masks(examples, like), self.spec.mask.weight)


def _masks(examples: list[Example], like: torch.Tensor) -> torch.Tensor:
    """How much of each latent is the subject, (examples, 1, height, width): all of it where an image has no mask."""
    whole = torch.ones(like.shape[-2:])
    return torch.stack([whole if example.mask is None else example.mask for example in examples])[:, None].to(like)


def area_of(masks: torch.Tensor, weight: float) -> torch.Tensor:
    """What each latent's error counts for, with a mean of 1 over an image: small subjects count as large ones do, down to MIN_AREA.

    `masks`: (images, 1, height, width), 0 to 1; `weight`: what an error outside counts for.
    """
    area = masks + weight * (1 - masks)
    return area / area.mean(dim=(1, 2, 3), keepdim=True).clamp(min=MIN_AREA)


def _errors(predicted: torch.Tensor, target: torch.Tensor, area: torch.Tensor | None = None) -> torch.Tensor:
    squares = (predicted - target.float()).square()
    return (squares if area is None else squares * area).mean(dim=(1, 2, 3))
