"""What pages say, in Portuguese and in English: one page is in one language.

The texts are in pt.yaml and en.yaml, for translators. Nothing here is from the web or from a concepts file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import yaml

from gaucho_pipeline.language.bilingual import Language

PAGE = {"pt": "index.html", "en": "en.html"}
"""A page's file, by language: the Portuguese one is the folder's own address."""


@cache
def words(language: Language) -> Mapping[str, str]:
    """The texts of a language by key, as its file beside this module has them."""
    found: dict[str, str] = yaml.safe_load((Path(__file__).parent / f"{language}.yaml").read_text(encoding="utf-8"))
    return MappingProxyType(found)


def other(language: Language) -> Language:
    """The language that a page's switch leads to."""
    return "en" if language == "pt" else "pt"


def number(value: float, language: Language, digits: int = 3, sign: bool = False) -> str:
    """A number as it is written in a language: with a comma in Portuguese."""
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.replace(".", ",") if language == "pt" else text
