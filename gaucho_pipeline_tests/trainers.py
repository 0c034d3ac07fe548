"""Trainers in this process, on the embedded model and on noise for images: for tests of what is learned from, measured and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.families import Family
from gaucho_pipeline.families.base import Conditioning
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.models import base_models
from gaucho_pipeline.prompts.templates import ConceptWords, instance_prompt, prior_prompts
from gaucho_pipeline.training.examples import Encoded, ImageSet, Member
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.posteriors import Posterior
from gaucho_pipeline.training.preparing import OTHER_TOKEN

WORDS = ConceptWords("mtl", "tree")
TOKEN, NOUN = WORDS.token, WORDS.class_noun
PLAIN = {
    "target_modules": "attention", "rank": 4, "batch_size": 2, "min_snr_gamma": None, "prior_loss_weight": 0.0, "early_stopping": False,
    "validation_noises": 2,
}  # fmt: skip
"""Nothing but the error of the prediction, to its last step."""


def posteriors(count: int, seed: int, height: int = 16, width: int = 16) -> list[Posterior]:
    generator = torch.Generator().manual_seed(seed)

    def drawn() -> torch.Tensor:
        return torch.randn(4, height, width, generator=generator)

    return [Posterior(drawn(), drawn().abs() * 0.1) for _ in range(count)]


def encoded(captions: Sequence[str] = (), views: Sequence[Sequence[Posterior]] = (), **keys: Any) -> Encoded:
    """Three images of noise under a caption each, and two others to measure with."""
    captions = captions or [instance_prompt(WORDS)] * 3
    prompts = [instance_prompt(WORDS), instance_prompt(ConceptWords(OTHER_TOKEN, NOUN)), *prior_prompts(WORDS), *captions]
    train = ImageSet([f"{index}.png" for index in range(len(captions))], captions, views or [[each] for each in posteriors(3, 1)])
    members = [Member(WORDS, range(len(train)), range(2))]
    return Encoded(train, posteriors(2, 3), {prompt: _encoded(prompt) for prompt in prompts}, members, **keys)


def measured_on_itself() -> Encoded:
    """Images of noise, measured on themselves: what is learned of noise is they alone."""
    found = encoded()
    members = [Member(WORDS, range(len(found.train)), range(len(found.train)))]
    return Encoded(found.train, [views[0] for views in found.train.views], found.conditionings, members)


@lru_cache(maxsize=64)
def _encoded(prompt: str) -> Conditioning:
    return _reader().encode_prompts([prompt])[prompt]


@lru_cache(maxsize=1)
def _reader() -> Family:
    """A model that is never taught."""
    return base_models.load("embedded", None, torch.device("cpu")).family


def new_trainer(images: Encoded | None = None, **keys: Any) -> Trainer:
    base = base_models.load("embedded", None, torch.device("cpu"))
    spec = TrainingSpec.model_validate(PLAIN | keys).for_family(StableDiffusion)
    return Trainer(base, spec, images or encoded(), "images")


def disturb(trainer: Trainer, size: float = 0.05) -> None:
    """Gives what learns other weights, so that it changes predictions."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in trainer.parameters:
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))


def copied(trainer: Trainer) -> dict[str, torch.Tensor]:
    """What is learned, as it is now."""
    return {name: tensor.clone() for name, tensor in trainer.model.method.weights().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
