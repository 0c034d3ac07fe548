"""Holds what the concepts file says against the world before any work starts. Light: no crawler, no model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gaucho_pipeline import base_models
from gaucho_pipeline.assets import ASSETS, RAW_CRAWL
from gaucho_pipeline.concepts_file import error_at
from gaucho_pipeline.crawl.contact import user_agent
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline.signing import signer_from_environment


def check_configuration(project: Project, slugs: Sequence[str], select: str, asks_anyway: bool = False) -> None:
    """Looks at what the concepts and the environment name. `asks_anyway`: whether sources will be asked although the crawl is fresh.

    Raises ConfigError, with the line and the key, for a folder, a table or a base model that is not there, a contact that is missing, or
    half a configuration of signatures.
    """
    signer_from_environment()
    for slug in slugs:
        concept = project.concept(slug)
        for number, source in enumerate(concept.crawl.sources):
            if problem := source.spec.problem():
                key, text = problem
                raise error_at(project.concepts_file, ("concepts", slug, "crawl", "sources", number, source.kind, key), text)
        if asks_anyway or project.state(RAW_CRAWL.name, slug).state != "fresh":
            user_agent(host for source in concept.crawl.sources for host in source.spec.hosts)
        _check_evaluation(project, slug)
        if ASSETS[select].on_base_model or not ASSETS[select].is_partitioned:
            try:
                base_models.identity(concept.training.base_model, concept.training.revision)
                project.recognise(slug)
                project.on_its_base_model(slug)
            except ConfigError as error:
                raise error_at(project.concepts_file, ("concepts", slug, "training", "base_model"), str(error)) from None


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
