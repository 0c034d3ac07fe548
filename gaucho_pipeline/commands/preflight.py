"""Holds what the concepts file says against the world before any work starts, for a run and for `gaucho doctor` alike.

Light: no crawler is started, and of a model only the headers of its files are read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from gaucho_pipeline.assets.table import ASSETS, CHECKPOINT, COLLECTION, RAW_CRAWL
from gaucho_pipeline.concepts.collection import TaughtTogether
from gaucho_pipeline.concepts.concept import Concept
from gaucho_pipeline.concepts.file import error_at
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.crawl.contact import user_agent
from gaucho_pipeline.curation.overrides import read_overrides
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.images.files import images_of
from gaucho_pipeline.methods import ADAPTER_METHODS, METHODS
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.provenance.signing import signer_from_environment

_LARGE = 300_000_000
"""Weights beyond which a model is taught on a CPU only if that is meant."""
_BYTES_PER_WEIGHT, _WEIGHTS_PER_SECOND_AND_CORE = 9, 4e9
"""Bytes for each weight at the peak of a LoRA, and weights that a core moves through in a second at 64 x 64 latents, there and back:
both from Stable Diffusion 1.5 at 512 px (docs/results.md)."""


def check_configuration(project: Project, slugs: Sequence[str], select: str, asks_anyway: bool = False, is_meant: bool = False) -> None:
    """Looks at what the concepts and the environment name, and raises the first of `problems`."""
    for problem in problems(project, slugs, select, asks_anyway, is_meant):
        raise problem


def problems(
    project: Project, slugs: Sequence[str], select: str, asks_anyway: bool = False, is_meant: bool = False, asks_hub: bool = True
) -> Iterator[GauchoError]:
    """For what a run of these concepts up to an asset would fail, with the line and the key.

    `asks_anyway`: whether sources will be asked although the crawl is fresh. `is_meant`: whether a large model may be taught on a CPU.
    `asks_hub`: whether a hub is asked what a model is, and its answer kept.
    """
    yield from _raised(signer_from_environment)
    told = set[str]()
    for slug in slugs:
        checks: list[Callable[[], None]] = [partial(project.check_consent, slug)]
        if slug in project.slugs:
            checks += [*_checks_of_sources(project, slug, asks_anyway), partial(_check_overrides, project, slug)]
            checks += [partial(_check_evaluation, project, slug), partial(_check_sequence, project, slug)]
        if ASSETS[select].on_base_model or not ASSETS[select].is_partitioned:
            checks.append(partial(_check_base_model, project, slug, is_meant, asks_hub))
        for problem in (problem for check in checks for problem in _raised(check)):
            if str(problem) not in told:  # what the defaults say is wrong once
                told.add(str(problem))
                yield problem


def _raised(check: Callable[[], Any]) -> Iterator[GauchoError]:
    try:
        check()
    except GauchoError as error:
        yield error


def _checks_of_sources(project: Project, slug: str, asks_anyway: bool) -> Iterator[Callable[[], None]]:
    for number in range(len(project.concept(slug).crawl.sources)):
        yield partial(_check_source, project, slug, number)
    if asks_anyway or project.state(RAW_CRAWL.name, slug).state != "fresh":
        yield partial(_check_contact, project, slug)


def _check_source(project: Project, slug: str, number: int) -> None:
    source = project.concept(slug).crawl.sources[number]
    if problem := source.spec.problem():
        key, text = problem
        raise error_at(project.concepts_file, ("concepts", slug, "crawl", "sources", number, source.kind, key), text)


def _check_contact(project: Project, slug: str) -> None:
    user_agent(host for source in project.concept(slug).crawl.sources for host in source.spec.hosts)


def _check_overrides(project: Project, slug: str) -> None:
    try:
        read_overrides(project.concept(slug).curation.overrides)
    except ConfigError as error:
        raise error_at(project.concepts_file, ("concepts", slug, "curation", "overrides"), str(error)) from None


def _check_sibling(training: TrainingSpec, gallery: GallerySpec) -> None:
    """Raises ConfigError if the model that draws is not whole, or what is learned would not fit it; asks nobody."""
    assert gallery.base_model
    if not METHODS[training.method].is_adapter:
        raise ConfigError(
            _("gallery.base_model: all weights of the taught model were learned, and no other can draw with them; leave it out")
        )
    base_models.identity(gallery.base_model, gallery.revision)
    base_models.check_folder(gallery.base_model, gallery.revision)
    if base_models.folder_of(training.base_model) and base_models.folder_of(gallery.base_model):
        base_models.check_sibling(training.base_model, training.revision, gallery.base_model, gallery.revision)


def _check_base_model(project: Project, slug: str, is_meant: bool, asks_hub: bool) -> None:
    """Raises GauchoError if the base model is not there, is not whole, cannot be taught, or is more than this machine can."""
    subject = project.subject(slug)
    training, gallery = subject.training, subject.gallery if isinstance(subject, Concept) else None
    try:
        base_models.identity(training.base_model, training.revision)
        if asks_hub:
            project.recognise(slug)
        elif not base_models.is_recognised(training.base_model, training.revision, LockFile(project.lock_file)):
            return  # nothing is known of it yet, and nobody is asked
        spec = project.training_of(slug)
        count = base_models.check_folder(training.base_model, training.revision)
        if gallery and gallery.base_model:
            _check_sibling(training, gallery)
        if (images := training.class_images) and images.folder and not images_of(images.folder):
            raise ConfigError(_("training.class_images: {folder} holds no image", folder=images.folder))
    except ConfigError as error:
        raise _error_at_base_model(project, slug, str(error)) from None
    if count is None or count <= _LARGE or is_meant or isinstance(training, TaughtTogether):
        return
    if base_models.has_gpu():
        _check_card(project, slug, spec)
        return
    if not _is_taught(project, slug):
        most = subject.max_images
        (seconds, needed), free = training_cost(spec, count, most), psutil.virtual_memory().available
        raise ConfigError(
            _(
                "training.base_model: {base_model} has {count:.1f} billion weights, and there is no GPU "
                "here: about {needed:.0f} GB of memory ({free:.0f} are free) and {seconds:.0f} hours for "
                "up to {steps} steps of {slug}; if that is meant, run again with --yes",
                base_model=training.base_model,
                count=count / 1e9,
                needed=needed / 1e9,
                free=free / 1e9,
                seconds=seconds / 3600,
                steps=_steps(spec, most),
                slug=slug,
            )
        )


def _check_card(project: Project, slug: str, spec: TrainingSpec) -> None:
    """Raises ConfigError with the line to add if the card here does not hold what is to be taught, however it is computed."""
    size = base_models.card_memory_gb()
    if size is None or _is_taught(project, slug):
        return
    from gaucho_pipeline.models.footprint import how_it_fits, model_to_train

    fits, text = how_it_fits(model_to_train(spec), size)
    if not fits:
        raise _error_at_base_model(project, slug, text)


def _error_at_base_model(project: Project, slug: str, text: str) -> ConfigError:
    kind = "collections" if slug in project.concepts.collections else "concepts"
    return error_at(project.concepts_file, (kind, slug, "training", "base_model"), text)


def _is_taught(project: Project, slug: str) -> bool:
    """Whether a concept's checkpoint, or a collection, is up to date."""
    asset = COLLECTION if slug in project.concepts.collections else CHECKPOINT
    return project.state(asset.name, slug).state == "fresh"


def _steps(spec: TrainingSpec, images: int) -> int:
    return spec.max_steps or math.ceil(spec.epochs * images / spec.batch_size)


def training_cost(spec: TrainingSpec, weights: int, images: int) -> tuple[float, int]:
    """About how many seconds a training of so many images takes on this machine's cores, and how many bytes of memory."""
    share = ((spec.resolution or 512) / 512) ** 2
    seconds = _steps(spec, images) * spec.batch_size * weights / (_WEIGHTS_PER_SECOND_AND_CORE * (os.cpu_count() or 1)) * share
    return seconds, weights * _BYTES_PER_WEIGHT


def _check_evaluation(project: Project, slug: str) -> None:
    """Raises ConfigError if an evaluation names a folder, a file or a concept that is not there."""
    spec, place = project.concept(slug).evaluation, ("concepts", slug, "evaluation")
    named: dict[tuple[str, ...], Path] = {
        (kind, "model"): folder for kind, own in spec.encoders().items() if own and (folder := base_models.encoder_folder(own.model))
    }
    named |= {("copy_detector",): spec.copy_detector} if spec.copy_detector else {}
    alike = spec.look_alikes
    named |= {("look_alikes", "folder"): alike.folder} if alike and alike.folder else {}
    for key, path in named.items():
        if not path.exists():
            raise error_at(project.concepts_file, (*place, *key), f"{path} is not there")
    for other in alike.concepts if alike else ():
        if other not in project.slugs or other == slug:
            raise error_at(project.concepts_file, (*place, "look_alikes", "concepts"), f"{other!r} is no other concept of this file")


def _check_sequence(project: Project, slug: str) -> None:
    """Raises ConfigError if a story names a concept that does not go with this one, or a model that is not there."""
    spec, place = project.concept(slug).sequence, ("concepts", slug, "sequence")
    if spec is None:
        return
    named = spec.encoders() | {"motion_adapter": spec.motion_adapter}
    for key, own in named.items():
        if own and (folder := base_models.encoder_folder(own.model)) and not folder.exists():
            raise error_at(project.concepts_file, (*place, key, "model"), f"{folder} is not there")
    training = project.concept(slug).training
    is_at_once = spec.method == "animatediff" or (spec.method is None and spec.motion_adapter is not None)
    for number, story in enumerate(spec.stories):
        strengths = [beat.strengths(slug) for beat in story.beats]
        if not METHODS[training.method].is_adapter and any(each != {slug: 1.0} for each in strengths):
            text = f"{story.name}: only a concept taught by {' or '.join(ADAPTER_METHODS)} has a strength, and goes with others"
            raise error_at(project.concepts_file, (*place, "stories", number), text)
        if is_at_once and any(each != strengths[0] for each in strengths):
            text = f"{story.name}: animatediff draws all beats at once; give each the same concepts, as strong"
            raise error_at(project.concepts_file, (*place, "stories", number), text)
        for other in story.others(slug):
            where = (*place, "stories", number)
            if other not in project.slugs:
                raise error_at(project.concepts_file, where, f"{story.name} shows {other!r}, which is no concept of this file")
            its = project.concept(other).training
            if (its.base_model, its.revision) != (training.base_model, training.revision):
                raise error_at(project.concepts_file, where, f"{story.name} shows {other}, which is taught on another base model")
            if not METHODS[its.method].is_adapter:
                methods = " or ".join(ADAPTER_METHODS)
                raise error_at(project.concepts_file, where, f"{story.name} shows {other}: only concepts taught by {methods} go together")
