"""What a caption of a style says: everything that a picture shows, and nothing of how it is drawn.

What captions say is not learned with the token, and what they leave out is: a caption that says *a black and white woodcut by José
Lutzenberger of a horse* would leave the token nothing to stand for. Media, their plainest adjectives and the author's name are left out
where they open a caption or fill a part of it between commas; elsewhere they may be what is shown, and are only counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MEDIA = (
    "photo", "photograph", "picture", "image", "drawing", "painting", "oil painting", "watercolor", "watercolour", "engraving",
    "etching", "woodcut", "wood engraving", "linocut", "lithograph", "print", "sketch", "illustration", "daguerreotype", "cyanotype",
    "oil on canvas", "foto", "fotografia", "imagem", "desenho", "pintura", "aquarela", "gravura", "xilogravura", "linogravura",
    "litografia", "água-forte", "estampa", "ilustração", "óleo sobre tela", "daguerreótipo", "cianótipo", "nanquim",
)  # fmt: skip
_LONGEST = 600
_APPEARANCE = ("black and white", "black-and-white", "monochrome", "sepia", "preto e branco", "em preto e branco", "técnica mista")
"""Words that say how a picture is made by themselves."""
_ADJECTIVES = (
    *_APPEARANCE, "color", "colour", "colored", "coloured", "old", "vintage", "antique", "ink", "pencil", "charcoal", "detailed", "simple",
    "colorida", "colorido", "antiga", "antigo", "a lápis", "a nanquim", "a carvão",
)  # fmt: skip
"""Words that do so beside a medium; elsewhere they say what is shown."""
_GROUNDS = ("paper", "canvas", "wood", "papel", "tela", "madeira", "linho")
_ARTICLES = ("a", "an", "the", "um", "uma", "o", "this is a", "this is an")
_OF = ("of", "showing", "depicting", "de", "do", "da", "dos", "das", "mostrando")
_BY = ("by", "after", "por")


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word).replace(r"\ ", " ") for word in sorted(set(words), key=len, reverse=True))


def names_style(text: str, nouns: Iterable[str], author: str = "") -> bool:
    """Whether a caption still says a medium, how it looks, or its author. `nouns`: the class noun and other words for it."""
    name = _full_name(author)
    words = rf"(?:{_any_of([*_MEDIA, *nouns])})s?|{_any_of(_APPEARANCE)}" + (f"|{re.escape(name)}" if name else "")
    return re.search(rf"(?i)(?<![\w-])(?:{words})(?![\w-])", text) is not None


def without_style(text: str, nouns: Iterable[str], author: str = "") -> str:
    """A caption without the medium that opens it, without parts that say only how it is made or by whom, and without *by* its author.

    `nouns`: the class noun and other words for it.
    """
    text = text[:_LONGEST]  # the expressions take the square of its length
    media, adjectives, appearance = rf"(?:{_any_of([*_MEDIA, *nouns])})s?", _any_of(_ADJECTIVES), _any_of(_APPEARANCE)
    manner = rf"(?:(?:{adjectives})[\s,]+)*{media}(?:\s+(?:{adjectives}))*"
    name = re.escape(_full_name(author)) or r"(?!)"
    text = re.sub(rf"(?i)[\s,]*\b(?:{_any_of(_BY)})\s+{name}(?!\w)", "", text)
    text = re.sub(rf"(?i)^\s*(?:(?:{_any_of(_ARTICLES)})\s+)?{manner}\s+(?:{_any_of(_OF)})\s+(?=\S)", "", text)
    text = re.sub(rf"(?i)\s+(?:in|em)\s+(?:{appearance})\s*$", "", text)
    ground = rf"(?:\s+(?:on|sobre|em)\s+(?:{_any_of(_GROUNDS)}))?"
    only = re.compile(rf"(?i)(?:(?:{_any_of(_ARTICLES)})\s+)?(?:{manner}{ground}|{appearance}|{name})")
    parts = [part.strip() for part in re.split(r"[,;]| [-–—] ", text)]
    return ", ".join(part for part in parts if part and not only.fullmatch(part))


def _full_name(author: str) -> str:
    """A name as captions give it: without years and remarks; '' for a single word, which may be what is shown."""
    name = " ".join(re.split(r"[(\[,;<]", author, maxsplit=1)[0].split())
    return name if " " in name else ""
