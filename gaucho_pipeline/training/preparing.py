"""Everything that is encoded before the first step: images by the VAE, prompts by the text encoders, which then leave memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from gaucho_pipeline.assets.rows import ClassImage, TrainImage
from gaucho_pipeline.concepts.training import ClassImages, TrainingSpec
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families.base import Conditioning
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import Loaded
from gaucho_pipeline.prompts.templates import ConceptWords, class_prompt, fill_in, instance_prompt, prior_prompts
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.training.class_images import generated_images, own_images, sampling_of
from gaucho_pipeline.training.examples import Encoded, ImageSet, Member, encode_files
from gaucho_pipeline.training.posteriors import FirstViews, PosteriorCache
from gaucho_pipeline.training.samples import sample_prompts
from gaucho_pipeline.training.samples import sampling_of as samples_sampling

OTHER_TOKEN = "xqv"
"""A word that means nothing, to see whether the concept answers to its own token only."""


@dataclass(frozen=True)
class ConceptImages:
    """A concept that is taught, alone or with others: what it is called, and its images, rows of a curated set relative to its folder."""

    words: ConceptWords
    curated: Path
    train: Sequence[TrainImage]
    validation: Sequence[TrainImage]
    weight: float = 1.0
    """How often it is shown, beside the others'."""


@dataclass(frozen=True)
class Places:
    """Where a training keeps images that it makes itself."""

    class_images: Path
    """Where the user's own images of the class are put, decoded."""
    data: Path | None = None
    """The data folder, where posteriors and generated class images are kept; None: nowhere."""
    forgotten: Path | None = None
    """The file that names images which must not come back."""


def prepare(
    base: Loaded, spec: TrainingSpec, concepts: Sequence[ConceptImages], places: Places, reporter: Reporter
) -> tuple[Encoded, list[ClassImage]]:
    """All images and prompts of a training encoded, concept by concept; and the credits of the user's own images of the class.

    Raises GauchoError if an image cannot be read or has no finite latents.
    """
    family, side = base.family, spec.resolution or base.resolution
    with base.peaks.phase("text encoders"):
        conditionings = _encode_prompts(base, spec, concepts)
    with base.peaks.phase("class images"):
        words = concepts[0].words  # several concepts have no images of their classes
        class_files, class_rows = _class_files(base, spec, words, places, reporter)
    with base.peaks.phase("images"):
        family.vae.to(torch.float32)  # half precision spoils posteriors
        whole = spec.model_copy(update={"crops": 1, "random_flip": False, "further_resolutions": ()})
        wanted = [(_files(concepts, "train"), spec), (_files(concepts, "validation"), whole), (class_files, whole)]
        cache = _cache(base, spec, places)
        progress = reporter.progress("encoding", sum(len(files) for files, _ in wanted), "images")
        masks = _masks(concepts) if spec.mask else {}
        train, validation, of_class = (encode_files(family, files, how, side, cache, progress.advance, masks) for files, how in wanted)
        family.parts.drop("vae")
    rows = [(each.words, row) for each in concepts for row in each.train]
    captions, names = [fill_in(row.caption, own) for own, row in rows], [Path(row.file).name for _own, row in rows]
    encoded = Encoded(
        train=ImageSet(names, captions, train),
        validation=FirstViews(validation),
        conditionings=conditionings,
        members=_members(concepts),
        class_images=ImageSet([file.name for file in class_files], [class_prompt(words)] * len(of_class), of_class) if of_class else None,
    )
    return encoded, class_rows


def _members(concepts: Sequence[ConceptImages]) -> list[Member]:
    """The concepts with the places of their images among those of all."""
    found, train, validation = list[Member](), 0, 0
    for each in concepts:
        ends = train + len(each.train), validation + len(each.validation)
        found.append(Member(each.words, range(train, ends[0]), range(validation, ends[1]), each.weight))
        train, validation = ends
    return found


def _encode_prompts(base: Loaded, spec: TrainingSpec, concepts: Sequence[ConceptImages]) -> dict[str, Conditioning]:
    """What the denoiser is told of every prompt of a training; the text encoders leave memory then, unless they learn."""
    family, prompts = base.family, list[str]()
    for words, rows in ((each.words, each.train) for each in concepts):
        prompts += [instance_prompt(words), instance_prompt(words._replace(token=OTHER_TOKEN)), *prior_prompts(words)]
        prompts += [fill_in(row.caption, words) for row in rows]
    found = family.encode_prompts(prompts)
    if spec.samples:
        drawn = sample_prompts(spec.samples, [each.words for each in concepts])
        family.read([prompt for prompt, _seed in drawn], samples_sampling(spec.samples, spec, type(family), base.resolution))
    trials = [trial for _, trial in spec.trials()]
    for wanted in (trial.class_images or ClassImages() for trial in trials if trial.prior == "class_images" and trial.prior_loss_weight):
        family.read([class_prompt(concepts[0].words)], sampling_of(wanted, spec.resolution or base.resolution))
    if not any(trial.train_text_encoder for trial in trials):
        family.parts.drop(*family.text_encoders)
    return found


def _files(concepts: Sequence[ConceptImages], which: Literal["train", "validation"]) -> Mapping[Path, str]:
    """Images of all concepts, with the hash of each one's pixels."""
    return {each.curated / row.file: row.pixels for each in concepts for row in getattr(each, which)}


def _masks(concepts: Sequence[ConceptImages]) -> Mapping[Path, Path]:
    """The masks of the images that have one. Raises ConfigError where none has."""
    rows = [(each.curated, row) for each in concepts for row in (*each.train, *each.validation)]
    found = {curated / row.file: curated / row.mask for curated, row in rows if row.mask}
    if not found:
        raise ConfigError(_("training.mask: no image has a mask; say under curation: masks: {} where they come from"))
    return found


def _cache(base: Loaded, spec: TrainingSpec, places: Places) -> PosteriorCache:
    if places.data is None:
        return PosteriorCache(None)
    model = {**base_models.identity(spec.base_model, spec.revision), "code": base.family.code_version}
    return PosteriorCache(places.data / ".posteriors", model, base.device.type)


def _class_files(
    base: Loaded, spec: TrainingSpec, words: ConceptWords, places: Places, reporter: Reporter
) -> tuple[Mapping[Path, str], list[ClassImage]]:
    """The images of the class, where the prior is made of them, and the credits of the user's own."""
    tried = [trial for _, trial in spec.trials() if trial.prior == "class_images" and trial.prior_loss_weight]
    if not tried:
        return {}, []
    wanted = tried[0].class_images or ClassImages()
    if wanted.folder:
        rows = own_images(wanted, wanted.folder, places.class_images, Forgotten(places.forgotten), reporter)
        return {places.class_images.parent / row.file: row.pixels for row in rows}, rows
    root = places.data / ".class_images" if places.data else places.class_images
    return generated_images(base, spec, wanted, words, root, reporter), []
