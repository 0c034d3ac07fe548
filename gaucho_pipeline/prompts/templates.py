"""The prompts that names stand for: the concept's own, and those on which the base model must stay as it was. Plans are in `plans.py`.

What a name stands for is part of a version (`concepts/concept.py`): another text makes stale what was made with it, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

INSTANCE_PROMPT = "a photo of {token} {class_noun}"
"""DreamBooth's instance prompt (arXiv 2208.12242)."""
STYLE_PROMPT = "a {token} {class_noun}"
"""The same of a style, whose class noun is what it makes: a woodcut, a photo. What it shows comes after *of*."""

CONTEXT: dict[str, tuple[str, ...]] = {
    "medium": ("a photo", "an oil painting", "a drawing", "an engraving", "a sculpture"),
    "place": (
        "indoors", "in a field", "in a forest", "in a city street", "in the mountains", "by the water", "on a table",
        "against a plain background",
    ),
    "light": ("by day", "at sunset", "at night", "in the mist"),
    "view": ("seen close up", "seen from afar", "seen from above"),
}  # fmt: skip
"""What captions may say of a picture beside the concept, for `captions: context`, where the specification lists nothing else."""

_OTHER_NOUNS = ("person", "house", "cat", "tree", "cup")


class ConceptWords(NamedTuple):
    """What a concept is called in prompts."""

    token: str
    """The made-up word that stands for it."""
    class_noun: str
    """The plain English noun of what it is."""
    is_style: bool = False
    """Whether the word stands for a style, in which anything may be shown, and not for a subject."""

    @property
    def plain_prompt(self) -> str:
        """What the concept is learned by, with placeholders."""
        return STYLE_PROMPT if self.is_style else INSTANCE_PROMPT

    def to_json(self) -> dict[str, str | bool]:
        """What a version is hashed by: of a style that it is one."""
        style = {"is_style": True} if self.is_style else {}
        return {"token": self.token, "class_noun": self.class_noun, **style}


def instance_prompt(words: ConceptWords) -> str:
    """What the concept is learned by."""
    return fill_in(words.plain_prompt, words)


def class_prompt(words: ConceptWords) -> str:
    """What names the class alone."""
    return f"{_article(words.class_noun)} {words.class_noun}" if words.is_style else _photo_of(words.class_noun)


def prior_prompts(words: ConceptWords) -> list[str]:
    """Prompts on which the model must stay what it was: the class first, then nothing, then other things."""
    return [class_prompt(words), "", *(_photo_of(noun) for noun in _OTHER_NOUNS if noun != words.class_noun)]


def _photo_of(noun: str) -> str:
    return f"a photo of a {noun}"


def _article(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" else "a"


def fill_in(prompt: str, words: ConceptWords) -> str:
    """A prompt with the concept's words in the place of {token} and {class_noun}; other braces stay as they are."""
    return prompt.replace("{token}", words.token).replace("{class_noun}", words.class_noun)


def fill_in_concepts(prompt: str, leading: str, words: Mapping[str, ConceptWords]) -> str:
    """A prompt with the words of several concepts: those of the leading one for {token} and {class_noun}, of each for {its_slug}.

    `words`: those of each concept, by slug.
    """
    found = fill_in(prompt, words[leading])
    for slug, own in words.items():
        found = found.replace(f"{{{slug}}}", f"{own.token} {own.class_noun}")
    return found


_ARTICLES = ("a", "an", "the")
_BEFORE_A_NOUN_PHRASE = re.compile(r"of|in|on|at|by|with|to|from|under|beside|near|like|and|\w+ing")


def without_token(prompt: str, class_noun: str) -> str:
    """A prompt as it is without the token: with an article in its place, where none is before it already ("a red {token} tree")."""
    before, token, _ = prompt.partition("{token}")
    article = "a"
    for word in reversed(re.findall(r"\w+|[^\w\s]", before)):
        if word.lower() in _ARTICLES:
            article = ""
        if word.lower() in _ARTICLES or not word.isalpha() or _BEFORE_A_NOUN_PHRASE.fullmatch(word.lower()):
            break
    text = prompt.replace("{token} ", f"{article} ".lstrip(), 1) if token else prompt
    return fill_in(text, ConceptWords("a", class_noun))
