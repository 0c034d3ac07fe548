"""What `gaucho doctor` looks at: the machine, the configuration, the data folder."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gaucho_pipeline.assets.table import GALLERY_SITE
from gaucho_pipeline.commands.planning import memory_plan
from gaucho_pipeline.commands.preflight import problems
from gaucho_pipeline.concepts.concept import Concept
from gaucho_pipeline.concepts.models import EMBEDDED
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.evaluation.verdict import MIN_WORKS_OF_OTHERS
from gaucho_pipeline.gallery.samples import untranslated
from gaucho_pipeline.images.files import images_of
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.glossary import english_noun
from gaucho_pipeline.rights.model_licenses import license_of

_PACKAGES = ("dagster", "torch", "diffusers", "transformers", "peft", "accelerate", "scrapy", "pillow", "pandas")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `fatal` means that a run would fail."""

    what: str
    text: str
    well: bool
    fatal: bool = False


def examine(project: Project) -> list[Finding]:
    """Looks at everything, with what a run looks at before it starts among it; never raises for what it finds, and creates nothing."""
    return [*_machine(), *_configuration(project), *_data(project)]


def _machine() -> Iterator[Finding]:
    yield Finding("python", platform.python_version(), True)
    try:
        yield Finding("packages", ", ".join(f"{name} {version(name)}" for name in _PACKAGES), True)
    except PackageNotFoundError as error:
        yield Finding("packages", _("{name} is not installed; run: make setup", name=error.name), False, fatal=True)
        return
    device = base_models.best_device()
    if device.type == "cuda":
        yield Finding("device", _("a CUDA GPU"), True)
    else:
        yield Finding("device", _("{device}: the embedded model runs on it; every other base model needs a GPU", device=device), False)


def _configuration(project: Project) -> Iterator[Finding]:
    try:
        concepts = project.concepts.concepts
    except GauchoError as error:
        yield Finding("concepts", str(error), False, fatal=True)
        return
    yield Finding("concepts", f"{project.concepts_file}: {', '.join(concepts)}", True)
    trained = {(concept.training.base_model, concept.training.revision or "") for concept in concepts.values()}
    drawing = {(own.base_model, own.revision or "") for concept in concepts.values() if (own := concept.gallery).base_model}
    for model, revision in sorted(trained | drawing):
        with contextlib.suppress(GauchoError):  # it is told below, as a run would tell it
            if base_models.folder_of(model) is None:
                place = f"from a hub at the first run, at {revision}"
            else:
                kind = base_models.family_of(model, None).pipeline_class
                place = "ships with the package; it knows drawn things only" if model == EMBEDDED else f"on this disk, a {kind}"
            found = license_of(model)
            text = _("{model} ({place}); licence {license_of}", model=model, place=place, license_of=found)
            yield Finding(_("base model"), text, not found.forbids_sale)
    for line in memory_plan(project, concepts, None):
        yield Finding(_("a card"), line, "does not fit" not in line)
    for slug in concepts:
        if unknown := _untranslated(project, slug):
            yield Finding(
                "glossary",
                _("{slug}: it does not hold {unknown}; add them to gallery.glossary", slug=slug, unknown=", ".join(unknown)),
                False,
            )
    for problem in problems(project, project.slugs, GALLERY_SITE.name, asks_hub=False):
        yield Finding(_("a run"), str(problem), False, fatal=True)
    yield from _too_few(project)
    yield from _look_alikes(project)
    yield from _words(project)
    if contact := os.environ.get("GAUCHO_CONTACT", "").strip():
        yield Finding("contact", contact, True)
    else:
        yield Finding("contact", _("GAUCHO_CONTACT is not set: no public site will be asked; set it to your e-mail or web page"), False)


def _too_few(project: Project) -> Iterator[Finding]:
    """Concepts that have photographs of one's own and nothing else, and fewer than curation must leave."""
    for slug in project.slugs:
        concept = project.concept(slug)
        folders = [source.folder for source in concept.crawl.sources]
        count = sum(len(images_of(folder.path)) for folder in folders if folder and folder.path.is_dir())
        if all(folders) and 0 < count < concept.curation.min_images:
            text = f"{slug}: {count} stand in its folder, and at least {concept.curation.min_images} must be left; add some"
            yield Finding("photographs", text, False, fatal=True)


def _look_alikes(project: Project) -> Iterator[Finding]:
    """Concepts of one class noun are what might be taken for one another, and none of them is named as such."""
    nouns: dict[str, list[str]] = {}
    for slug, concept in project.concepts.concepts.items():
        nouns.setdefault(concept.class_noun, []).append(slug)
        folder = concept.evaluation.look_alikes.folder if concept.evaluation.look_alikes else None
        if concept.words.is_style and folder and (text := _works_of_others(slug, concept, folder)):
            yield Finding(_("look-alikes"), text, False)
    for slug, concept in project.concepts.concepts.items():
        others = [other for other in nouns[concept.class_noun] if other != slug]
        if others and concept.evaluation.look_alikes is None:
            yield Finding(
                _("look-alikes"),
                _(
                    "{slug}: {others} might be taken for it; write evaluation: {{look_alikes: {{concepts: [{others}]}}}}",
                    slug=slug,
                    others=", ".join(others),
                ),
                True,
            )


def _works_of_others(slug: str, concept: Concept, folder: Path) -> str:
    """What keeps the works of a folder from telling a style; empty where nothing does."""
    own = [source.folder.path.resolve() for source in concept.crawl.sources if source.folder]
    if folder.resolve() in own:
        return _("{slug}: look_alikes: {folder} holds its own works, and no works of others", slug=slug, folder=folder)
    if (count := len(images_of(folder))) < MIN_WORKS_OF_OTHERS:
        return _("{slug}: {count} works of others stand in {folder}, and {needed} are needed", slug=slug, count=count, folder=folder,
                 needed=MIN_WORKS_OF_OTHERS)  # fmt: skip
    return ""


def _words(project: Project) -> Iterator[Finding]:
    """Tokens that mean something already, and nouns that a model which reads English does not know."""
    for slug, concept in project.concepts.concepts.items():
        token, noun = concept.token, concept.class_noun
        if english := english_noun(noun):
            text = _(
                "{slug}: class_noun {noun!r} is Portuguese, and models read English: write {english}", slug=slug, noun=noun, english=english
            )
            yield Finding(_("words"), text, False)
        name = {concept.name.pt.casefold(), (concept.name.en or "").casefold()} if concept.name else set()
        if not token.isascii() or english_noun(token) or token.casefold() in {slug, *name}:
            text = _(
                "{slug}: token {token!r} is a word, and a model may know it already: take one that means nothing, such as chmrr",
                slug=slug,
                token=token,
            )
            yield Finding(_("words"), text, False)


def _untranslated(project: Project, slug: str) -> list[str]:
    """The words of a concept's Portuguese prompts that its base model would read as they are."""
    try:
        return untranslated(project.on_its_base_model(slug).gallery)
    except GauchoError:
        return []  # it is told elsewhere


def _data(project: Project) -> Iterator[Finding]:
    root = project.store.root
    place = next(folder for folder in (root, *root.parents) if folder.exists())  # nothing is created
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            "data", _("{place}: nothing can be written there; name another with --data or GAUCHO_DATA", place=place), False, fatal=True
        )
        return
    free = shutil.disk_usage(place).free
    yield Finding("data", _("{root}, {free:.0f} GB free", root=root, free=free / 1e9), free > 5e9)
