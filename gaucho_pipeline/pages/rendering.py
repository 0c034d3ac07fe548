"""Templates to pages. What came from the web or from a concepts file is escaped by the templates, and no page asks another host."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gaucho_pipeline.assets.rows import Picture, read_rows
from gaucho_pipeline.concepts.concept import AboutSite
from gaucho_pipeline.design.web import content_security_policy, style_sheet
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.language.bilingual import LANGUAGES, Language
from gaucho_pipeline.pages.card import with_pictures
from gaucho_pipeline.pages.collection_content import CollectionFolders, collection_content
from gaucho_pipeline.pages.content import ConceptFolders, card_content, concept_content
from gaucho_pipeline.pages.corrections import corrected_attribution, corrected_card, corrections_of, write_corrected
from gaucho_pipeline.pages.front import NOT_SHARED, SharedContent, front_content, shared_content
from gaucho_pipeline.pages.words import PAGE, other, words
from gaucho_pipeline.store.manifest import read_manifest

_HERE = Path(__file__).parent


def write_site(
    folder: Path,
    concepts: Sequence[ConceptFolders],
    with_weights: bool = True,
    approvals: Mapping[str, Mapping[str, str]] | None = None,
    about: AboutSite | None = None,
    collections: Sequence[CollectionFolders] = (),
) -> None:
    """Writes the pages of all concepts and collections into a folder that any static host can serve, with all that they show.

    `approvals`: who approved each concept for publication, and when, by slug. `about`: whose the site is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        cards = [card_content(each, language) for each in concepts]
        picture = next((card.files["tuned"] for card in cards if card.files), "")
        content = front_content(about, [read_manifest(each.gallery).made_at for each in concepts], language)
        shared = shared_content(about, "", picture, content.about, language)
        trained = [collection_content(each, language, with_weights) for each in collections]
        page = render("site.html", language, "", shared, cards=cards, front=content, collections=trained)
        write_atomically(folder / PAGE[language], page)
    for each in concepts:
        write_concept(folder / each.slug, each, with_weights, (approvals or {}).get(each.slug), about)
    for each_collection in collections:
        _write_collection(folder / each_collection.slug, each_collection, concepts, with_weights, about)


def _write_collection(
    folder: Path, collection: CollectionFolders, concepts: Sequence[ConceptFolders], with_weights: bool, about: AboutSite | None
) -> None:
    """Writes the pages of a collection, with its one file, its card and the credits of all that it learned from.

    `concepts`: those of the site, of which the collection's own are shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = [each for each in concepts if each.slug in collection.about.concepts]
    for language in LANGUAGES:
        content = collection_content(collection, language, with_weights)
        shared = shared_content(about, collection.slug, "", content.reason, language)
        cards = [card_content(each, language) for each in own]
        page = render("collection.html", language, f"../{PAGE[language]}", shared, c=content, cards=cards)
        write_atomically(folder / PAGE[language], page)
    card, table = (collection.collection / name for name in ("README.md", "ATTRIBUTION.csv"))
    agreed = "; ".join(filter(None, (each.about.agreed for each in own)))
    write_corrected(folder, card.read_text(encoding="utf-8"), table, corrections_of(collection.corrected), agreed)
    for name in ("losses.png", *([content.weights] if content.weights else [])):
        shutil.copyfile(collection.collection / name, folder / name)


def write_concept(
    folder: Path,
    concept: ConceptFolders,
    with_weights: bool,
    approved: Mapping[str, str] | None = None,
    about: AboutSite | None = None,
) -> None:
    """Writes the pages of a concept, with its pictures, the training images in small, the credits and the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    corrections = corrections_of(concept.corrected)
    for language in LANGUAGES:
        content = concept_content(concept, language, with_weights, approved)
        picture = content.hero.after if content.hero else ""
        shared = shared_content(about, concept.slug, picture, content.description or content.reason, language)
        write_atomically(folder / PAGE[language], render("concept.html", language, f"../{PAGE[language]}", shared, c=content))
    shutil.copytree(concept.gallery / "pictures", folder / "pictures", dirs_exist_ok=True)
    shutil.copytree(concept.evaluation / "training", folder / "training", dirs_exist_ok=True)
    if concept.sequence:
        shutil.copytree(concept.sequence / "stories", folder / "stories", dirs_exist_ok=True)
    if (card := concept.checkpoint / "README.md").is_file():
        pictures = read_rows(concept.gallery / "pictures.jsonl", Picture)
        text = with_pictures(card.read_text(encoding="utf-8"), pictures, read_manifest(concept.gallery).drawing_spec())
        write_atomically(
            folder / card.name, corrected_card(text, concept.checkpoint / "ATTRIBUTION.csv", corrections, concept.about.agreed)
        )
    if (table := concept.gallery / "ATTRIBUTION.csv").is_file():
        write_atomically(folder / table.name, corrected_attribution(table, corrections) if corrections else table.read_bytes())
    files = [concept.checkpoint / "losses.png"]
    files += [concept.checkpoint / concept.weights_file] if with_weights and concept.weights_file else []
    for file in files:
        if file.is_file():
            shutil.copyfile(file, folder / file.name)


def render(template: str, language: Language, back: str, shared: SharedContent = NOT_SHARED, **values: Any) -> str:
    """A page in a language. `back`: the address of the page above it; empty for none. `shared`: what it says to whoever links to it."""
    environment = Environment(
        loader=PackageLoader("gaucho_pipeline.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = f"\n{style_sheet()}{(_HERE / 'style.css').read_text(encoding='utf-8')}"
    script = f"\n{(_HERE / 'page.js').read_text(encoding='utf-8')}"
    return environment.get_template(template).render(
        t=words(language),
        language=language,
        other=words(other(language)),
        other_page=PAGE[other(language)],
        page=PAGE[language],
        back=back,
        shared=shared,
        style=style,
        script=script,
        policy=content_security_policy(style, script),
        **values,
    )
