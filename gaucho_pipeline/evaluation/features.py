"""What encoders say of a concept's pictures, its real images and their controls: the vectors that scorers and shares are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gaucho_pipeline.assets.rows import Picture
from gaucho_pipeline.evaluation.shares import SubjectVectors
from gaucho_pipeline.images.controls import CONTROLS, in_colours_of
from gaucho_pipeline.models.encoders import Encoder
from gaucho_pipeline.prompts.templates import ConceptWords, class_prompt, prior_prompts
from gaucho_pipeline.scorers import Features
from gaucho_pipeline.scorers.base import Vectors
from gaucho_pipeline.stage.reporter import Reporter

MAX_REAL_IMAGES = 200
"""With more, five controls of each would take hours without a GPU."""
MIN_SHARE_SHOWN, MIN_SHOWN = 0.25, 0.02
"""Of how much more the base model's pictures of the class noun agree with it than with other nouns, as a difference of cosines."""


@dataclass(frozen=True)
class Material:
    """What is scored, and what it is held against."""

    rows: Sequence[Picture]
    """Of pictures.jsonl: the concept's pictures, of the base model; those of the tuned one have the same order."""
    pictures: Mapping[str, Sequence[Image.Image]]
    """Of the concept's prompts, by model."""
    class_pictures: Mapping[str, Sequence[Image.Image]]
    training: Sequence[Image.Image]
    validation: Sequence[Image.Image]
    look_alikes: Sequence[Image.Image]
    """Empty: what the base model draws of the class noun."""
    masked: Sequence[Image.Image] = ()
    """Validation images that have a mask, with what it leaves out in grey."""

    def count(self, is_style: bool) -> int:
        """Pictures that an encoder looks at; of a style no controls are made."""
        drawn, real = [*self.pictures.values(), *self.class_pictures.values()], len(self.real())
        kinds = 0 if is_style else len(CONTROLS) + bool(self.pictures["base"])
        return sum(map(len, drawn)) + real + kinds * len(held_against(real)) + len(self.look_alikes) + len(self.masked)

    def real(self) -> list[Image.Image]:
        """Images of the subject, those of training first."""
        return [*self.training, *self.validation]


def held_against(count: int) -> NDArray[np.intp]:
    """The numbers of the real images that shares are held against: all, or as many as make them no surer, spread over all."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_REAL_IMAGES)).round().astype(np.intp))


@dataclass(frozen=True)
class Seen:
    """What an encoder says: the features that scorers look at (`base`, `tuned`, `real`, `shuffled`), and what shares are made of.

    A style has no `shuffled`.
    """

    features: dict[str, Features]
    subject: SubjectVectors
    unfollowed: tuple[str, ...] = ()
    """Prompts whose pictures by the base model do not show the class noun, to an encoder that knows words."""
    masked: Vectors = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    """Of validation images with what their masks leave out in grey, (m, width); m may be 0."""

    def only(self, keep: NDArray[np.bool_]) -> Seen:
        """The same without some of the concept's pictures, of both models."""
        features = dict(self.features)
        for model in ("base", "tuned"):
            own = features[model]
            texts = None if own.texts is None else own.texts[keep]
            features[model] = replace(own, pictures=own.pictures[keep], prompts=own.prompts[keep], texts=texts)
        return replace(self, features=features, subject=replace(self.subject, base=self.subject.base[keep], tuned=self.subject.tuned[keep]))


def embed(encoder: Encoder, material: Material, words: ConceptWords, reporter: Reporter) -> Seen:
    """What an encoder says of pictures, real images and controls; of a style, of works of others: tiles in another order have it, too."""
    progress = reporter.progress(f"embedding by {encoder.backbone}", material.count(words.is_style), "pictures")
    prompts = {prompt: number for number, prompt in enumerate(dict.fromkeys(row.without_token for row in material.rows))}
    numbers = np.array([prompts[row.without_token] for row in material.rows], np.intp)
    texts = encoder.embed_texts(list(prompts))[numbers] if encoder.reads_words and prompts else None

    def embedded(pictures: Sequence[Image.Image]) -> Vectors:
        return encoder.embed_images(pictures, progress.advance)

    images, training, alike = embedded(material.validation), embedded(material.training), embedded(material.look_alikes)
    of_class = {model: embedded(pictures) for model, pictures in material.class_pictures.items()}
    alike = alike if len(alike) else of_class["base"]
    found = {
        model: Features(embedded(pictures), numbers, texts, of_class[model], images, alike) for model, pictures in material.pictures.items()
    }
    places = held_against(len(training) + len(images))
    controls = [] if words.is_style else [embedded(pictures) for pictures in _controls(material, places)]
    for name, vectors in (("real", training), *(("shuffled", control[places < len(training)]) for control in controls[:1])):
        found[name] = Features(vectors, np.zeros(len(vectors), np.intp), None, of_class["base"][:0], images, alike)
    together = np.concatenate([each for each in (training, images) if len(each)])[places] if len(places) else training
    unfollowed: tuple[str, ...] = ()
    if encoder.reads_words and len(of_class["base"]) and not words.is_style:
        nouns = encoder.embed_texts([class_prompt(words), *prior_prompts(words)[2:]])
        missed = unfollowed_prompts(found["base"], nouns)
        unfollowed = tuple(dict.fromkeys(row.prompt for row, number in zip(material.rows, numbers, strict=True) if number in missed))
    others = alike if words.is_style else None
    subject = SubjectVectors(together, controls, found["base"].pictures, found["tuned"].pictures, others)
    return Seen(found, subject, unfollowed, embedded(material.masked))


def _controls(material: Material, places: NDArray[np.intp]) -> Iterator[list[Image.Image]]:
    """The controls of each kind, one for each real image of `places`; the last in the base model's pictures, where it drew any."""
    real, drawn = material.real(), material.pictures["base"]
    chosen = [real[number] for number in places]
    for make in CONTROLS:
        yield [make(image, seed) for seed, image in enumerate(chosen)]
    if drawn:
        yield [in_colours_of(drawn[number % len(drawn)], image) for number, image in enumerate(chosen)]


def unfollowed_prompts(base: Features, nouns: Vectors) -> set[int]:
    """The numbers of prompts whose pictures by the base model do not show the class noun: less than a quarter as much as of the noun alone.

    `nouns`: the class noun and other nouns in words, (n, width). None where the base model's pictures of the noun alone do not show it, or
    no prompt's do: then it is not the prompts.
    """

    def shown(pictures: Vectors) -> float:
        return float((pictures @ nouns[0]).mean() - (pictures @ nouns[1:].T).mean())

    alone = shown(base.class_pictures)
    missed = {int(number) for number in np.unique(base.prompts) if shown(base.pictures[base.prompts == number]) < MIN_SHARE_SHOWN * alone}
    return missed if alone > MIN_SHOWN and len(missed) < len(np.unique(base.prompts)) else set()
