"""Holds what the concepts file says against the world before any work starts. Light: no crawler, no model is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from gaucho_pipeline import base_models
from gaucho_pipeline.assets import ASSETS, RAW_CRAWL
from gaucho_pipeline.concepts_file import error_at
from gaucho_pipeline.crawl.contact import user_agent
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.pipeline import Project


def check_configuration(project: Project, slugs: Sequence[str], select: str, asks_anyway: bool = False) -> None:
    """Looks at what the concepts name. `asks_anyway`: whether sources will be asked although the crawl is fresh.

    Raises ConfigError, with the line and the key, for a folder, a table or a base model that is not there, or a contact that is missing.
    """
    for slug in slugs:
        concept = project.concept(slug)
        for number, source in enumerate(concept.crawl.sources):
            if problem := source.spec.problem():
                key, text = problem
                raise error_at(project.concepts_file, ("concepts", slug, "crawl", "sources", number, source.kind, key), text)
        if asks_anyway or project.state(RAW_CRAWL.name, slug).state != "fresh":
            user_agent(host for source in concept.crawl.sources for host in source.spec.hosts)
        if ASSETS[select].on_base_model or not ASSETS[select].is_partitioned:
            try:
                base_models.identity(concept.training.base_model, concept.training.revision)
                project.recognise(slug)
                project.on_its_base_model(slug)
            except ConfigError as error:
                raise error_at(project.concepts_file, ("concepts", slug, "training", "base_model"), str(error)) from None
