"""Everything that is encoded before the first step: images by the VAE, prompts by the text encoders, which then leave memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from gaucho_pipeline.assets.rows import ClassImage, TrainImage
from gaucho_pipeline.concepts.training import ClassImages, TrainingSpec
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families.base import Conditioning
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import Loaded
from gaucho_pipeline.prompts.templates import ConceptWords, class_prompt, fill_in, instance_prompt, prior_prompts
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training.class_images import generated_images, own_images, sampling_of
from gaucho_pipeline.training.examples import Encoded, ImageSet, encode_files
from gaucho_pipeline.training.posteriors import FirstViews, PosteriorCache

OTHER_TOKEN = "xqv"
"""A word that means nothing, to see whether the concept answers to its own token only."""


@dataclass(frozen=True)
class ImagePaths:
    """Where a training's images are: rows of the curated set, relative to its folder."""

    curated: Path
    train: Sequence[TrainImage]
    validation: Sequence[TrainImage]
    class_images: Path
    """Where the user's own images of the class are put, decoded."""
    data: Path | None = None
    """The data folder, where posteriors and generated class images are kept; None: nowhere."""


def prepare(
    base: Loaded, spec: TrainingSpec, words: ConceptWords, images: ImagePaths, reporter: Reporter
) -> tuple[Encoded, list[ClassImage]]:
    """All images and prompts of a training encoded; and the credits of the user's own images of the class.

    Raises GauchoError if an image cannot be read or has no finite latents.
    """
    family, side = base.family, spec.resolution or base.resolution
    with base.peaks.phase("text encoders"):
        conditionings = _encode_prompts(base, spec, words, images.train)
    with base.peaks.phase("class images"):
        class_files, class_rows = _class_files(base, spec, words.class_noun, images, reporter)
    with base.peaks.phase("images"):
        family.vae.to(torch.float32)  # half precision spoils posteriors
        whole = spec.model_copy(update={"crops": 1, "random_flip": False, "further_resolutions": ()})
        wanted = [(_files(images, images.train), spec), (_files(images, images.validation), whole), (class_files, whole)]
        cache = _cache(base, spec, images)
        progress = reporter.progress("encoding", sum(len(files) for files, _ in wanted), "images")
        masks = _masks(images) if spec.mask else {}
        train, validation, of_class = (encode_files(family, files, how, side, cache, progress.advance, masks) for files, how in wanted)
        family.parts.drop("vae")
    captions = [fill_in(row.caption, words) for row in images.train]
    names = [Path(row.file).name for row in images.train]
    class_prompts = [class_prompt(words.class_noun)] * len(of_class)
    encoded = Encoded(
        train=ImageSet(names, captions, train),
        validation=FirstViews(validation),
        conditionings=conditionings,
        class_images=ImageSet([file.name for file in class_files], class_prompts, of_class) if of_class else None,
    )
    return encoded, class_rows


def _encode_prompts(base: Loaded, spec: TrainingSpec, words: ConceptWords, rows: Sequence[TrainImage]) -> dict[str, Conditioning]:
    """What the denoiser is told of every prompt of a training; the text encoders leave memory then, unless they learn."""
    family, noun = base.family, words.class_noun
    captions = [fill_in(row.caption, words) for row in rows]
    prompts = [instance_prompt(words), instance_prompt(words._replace(token=OTHER_TOKEN)), *prior_prompts(noun), *captions]
    found = family.encode_prompts(prompts)
    trials = [trial for _, trial in spec.trials()]
    for wanted in (trial.class_images or ClassImages() for trial in trials if trial.prior == "class_images" and trial.prior_loss_weight):
        family.read([class_prompt(noun)], sampling_of(wanted, spec.resolution or base.resolution))
    if not any(trial.train_text_encoder for trial in trials):
        family.parts.drop(*family.text_encoders)
    return found


def _files(images: ImagePaths, rows: Sequence[TrainImage]) -> Mapping[Path, str]:
    return {images.curated / row.file: row.pixels for row in rows}


def _masks(images: ImagePaths) -> Mapping[Path, Path]:
    """The masks of the images that have one. Raises ConfigError where none has."""
    rows = [*images.train, *images.validation]
    found = {images.curated / row.file: images.curated / row.mask for row in rows if row.mask}
    if not found:
        raise ConfigError(_("training.mask: no image has a mask; say under curation: masks: {{}} where they come from"))
    return found


def _cache(base: Loaded, spec: TrainingSpec, images: ImagePaths) -> PosteriorCache:
    if images.data is None:
        return PosteriorCache(None)
    model = {**base_models.identity(spec.base_model, spec.revision), "code": base.family.code_version}
    return PosteriorCache(images.data / ".posteriors", model, base.device.type)


def _class_files(
    base: Loaded, spec: TrainingSpec, class_noun: str, images: ImagePaths, reporter: Reporter
) -> tuple[Mapping[Path, str], list[ClassImage]]:
    """The images of the class, where the prior is made of them, and the credits of the user's own."""
    tried = [trial for _, trial in spec.trials() if trial.prior == "class_images" and trial.prior_loss_weight]
    if not tried:
        return {}, []
    wanted = tried[0].class_images or ClassImages()
    if wanted.folder:
        rows = own_images(wanted, wanted.folder, images.class_images, reporter)
        return {images.class_images.parent / row.file: row.pixels for row in rows}, rows
    root = images.data / ".class_images" if images.data else images.class_images
    return generated_images(base, spec, wanted, class_noun, root, reporter), []
