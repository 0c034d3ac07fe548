"""The page on which people judge a panel: one file with all its pictures, in both languages. What it does is in `templates/judge.js`.

It sends nothing anywhere and needs no server: it keeps what was answered in the browser, and ends in a small file that a person sends back.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from gaucho_pipeline.assets.rows import TrainImage
from gaucho_pipeline.design.web import content_security_policy, style_sheet
from gaucho_pipeline.judging.answers import RELATIONS
from gaucho_pipeline.judging.panel import Panel
from gaucho_pipeline.language.bilingual import LANGUAGES, Bilingual

_TEMPLATES = Path(__file__).parent / "templates"


class Subject(NamedTuple):
    """What the page asks about."""

    slug: str
    name: Bilingual
    historical: bool


def render_page(subject: Subject, panel: Panel, pictures: Mapping[str, bytes], credited: Sequence[TrainImage]) -> str:
    """The page. `pictures`: JPEGs by id; `credited`: the real images among them, in an order that tells nothing of which is which."""
    data = {
        "panel": panel.id,
        "concept": subject.slug,
        "name": _by_language(subject.name),
        "attributes": [_by_language(each) for each in panel.attributes],
        "relations": list(RELATIONS),
        "pairs": [[pair.id, *pair.pictures] for pair in panel.pairs],
        "singles": list(panel.singles),
        "pictures": {name: f"data:image/jpeg;base64,{base64.b64encode(content).decode()}" for name, content in sorted(pictures.items())},
        "words": {language: _words(language) for language in LANGUAGES},
    }
    style = f"\n{style_sheet()}{(_TEMPLATES / 'judge.css').read_text(encoding='utf-8')}"
    script = f"\n{(_TEMPLATES / 'judge.js').read_text(encoding='utf-8')}"
    environment = Environment(loader=PackageLoader("gaucho_pipeline.judging"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("judge.html").render(
        title=subject.name.read("pt"),
        style=style,
        script=script,
        policy=content_security_policy(style, script),
        data=data,
        historical=subject.historical,
        credits=sorted({_credit(row) for row in credited}, key=str.casefold),
    )


def _credit(row: TrainImage) -> str:
    return ", ".join(part for part in (f"“{row.title}”" if row.title else "", row.author, row.license, row.source) if part)


def _by_language(text: Bilingual) -> dict[str, str]:
    return {language: text.read(language) for language in LANGUAGES}


@cache
def _words(language: str) -> dict[str, str]:
    """The page's texts by key: `words.yaml` has each in both languages."""
    every = yaml.safe_load((_TEMPLATES / "words.yaml").read_text(encoding="utf-8"))
    return {key: texts[language] for key, texts in every.items()}
