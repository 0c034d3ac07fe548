"""What each picture is said to show, in the words that the model will learn it by.

A caption is a prompt with {token} and {class_noun}, filled in by training, so that another token does not change the set. Without
{token} a caption would not teach the concept: one that lacks it is put after the plain prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from gaucho_pipeline.concepts.curation import Captioner, Context, CurationSpec
from gaucho_pipeline.curation.style_captions import without_style
from gaucho_pipeline.curation.text_image import TextImageModel, cannot_be_loaded
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families.building import built
from gaucho_pipeline.files.spreadsheets import read_spreadsheet
from gaucho_pipeline.models.base_models import best_device, folder_of, quiet_libraries
from gaucho_pipeline.prompts.glossary import translate
from gaucho_pipeline.prompts.templates import ConceptWords

if TYPE_CHECKING:
    from PIL import Image

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Caption:
    """A prompt, and where it is from: curator, title, model, context, catalogue or prompt."""

    text: str
    by: str


def with_token(text: str, words: ConceptWords) -> str:
    """A caption that names the concept."""
    clean = " ".join(text.split())[:_LONGEST]
    if not clean or "{token}" in clean:
        return clean or words.plain_prompt
    return f"{words.plain_prompt} of {clean}" if words.is_style else f"{words.plain_prompt}, {clean}"


_NUMBERED = re.compile(
    r"(?i)(img|dsc[nf]?|p|pict|image|imagem|foto|photo|screenshot|captura|whatsapp image|scan|mvi|pxl|dji|gopr)?"
    r"([\W\d_]|\b(wa|at|às|em)(?=\W|\d|_))*"
)
_SUFFIX = re.compile(r"(?i)\.(jpe?g|jpe|jfif|png|gif|tiff?|webp|bmp|heic|heif|avif|svg|jp2|j2k|mpo|pdf|djvu|xcf|jxl)$")


def caption_title(title: str) -> str:
    """A title as words of a caption: without `File:` and suffix, with spaces for underscores; '' for the number that a camera gives."""
    bare = _SUFFIX.sub("", re.sub(r"(?i)^(file|ficheiro|arquivo|archivo|image|imagem):", "", title.strip()).strip())
    words = " ".join(bare.replace("_", " ").split())
    return "" if _NUMBERED.fullmatch(words) else words


class Captioned(NamedTuple):
    """What there is to make a picture's caption of."""

    title: str
    written: str
    """The curator's words."""
    answer: str
    """What a model gave, with no braces but those of placeholders, or what a catalogue says; '' where neither was asked."""
    author: str = ""


def caption_of(picture: Captioned, spec: CurationSpec, words: ConceptWords) -> Caption:
    """The curator's words if there are any, else what the specification asks for, else the plain prompt.

    Of a style it says what the picture shows, and not how it is drawn; the curator's own words stay as they are.
    """
    if picture.written.strip():
        return Caption(with_token(picture.written, words), "curator")
    given = {"title": _braceless(caption_title(picture.title)), "prompt": ""}
    text = given.get(spec.captions, picture.answer)
    if words.is_style:
        text = without_style(_braceless(text), style_nouns(spec, words), picture.author)
    return Caption(with_token(text, words), spec.captions if text.strip() else "prompt")


def style_nouns(spec: CurationSpec, words: ConceptWords) -> tuple[str, ...]:
    """The class noun of a style, and other words for it."""
    return (words.class_noun, *(spec.captioner.synonyms if spec.captioner else ()))


_PART = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Catalogue:
    """How captions are made of what a catalogue says."""

    template: str
    language: Literal["en", "pt"]
    glossary: Mapping[str, str]

    def caption(self, title: str, fields: Mapping[str, str]) -> tuple[str, list[str]]:
        """The template with an image's own words, in English; and the words that the glossary does not hold, which stay as they are.

        Parts between commas whose columns are empty are left out.
        """
        values = {name.lower(): value for name, value in fields.items()} | {"title": caption_title(title)}
        parts = [part.strip() for part in self.template.split(",")]
        kept = [part for part in parts if all(values.get(name.strip().lower()) for name in _PART.findall(part))]
        text = ", ".join(_PART.sub(lambda found: _braceless(values[found[1].strip().lower()]), part) for part in kept)
        return translate(text, self.glossary) if self.language == "pt" else (text, [])


def _braceless(text: str) -> str:
    return text.replace("{", "(").replace("}", ")")


def catalogue_of(spec: CurationSpec) -> Catalogue:
    """The catalogue of a specification. Raises ConfigError for a glossary that is no table of pt and en."""
    glossary: dict[str, str] = {}
    if spec.caption_glossary:
        try:
            columns, rows = read_spreadsheet(spec.caption_glossary, "pt")
        except FileNotFoundError:
            raise ConfigError(_("curation.caption_glossary: there is no {path}", path=spec.caption_glossary)) from None
        if not {"pt", "en"} <= set(columns):
            raise ConfigError(_("{path}: the columns are pt, en", path=spec.caption_glossary))
        glossary = {row["pt"]: row["en"] for _number, row in rows if row.get("pt") and row.get("en")}
    return Catalogue(spec.caption_template or "", spec.caption_language, glossary)


def named_once(text: str, class_noun: str, synonyms: Iterable[str]) -> str:
    """A model's sentence in which the first class noun, or word for it, is the concept: else a caption would name the subject twice.

    `a cup on a table` becomes `a {token} {class_noun} on a table`; a sentence without such a word stays as it is.
    """
    nouns = sorted((noun for noun in (class_noun, *synonyms) if noun.strip()), key=len, reverse=True)
    pattern = r"(?i)(?<![\w-])(" + "|".join(re.escape(noun) for noun in nouns) + r")(?![\w-])"
    before, noun, after = (*re.split(pattern, _braceless(text), maxsplit=1), "", "")[:3]
    return f"{before}{{token}} {{class_noun}}{after}" if noun else before


def captioning_model(spec: Captioner) -> Callable[[Image.Image], str]:
    """A function from an RGB picture to a sentence. Raises GauchoError if the model cannot be had."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    quiet_libraries()
    with built(partial(cannot_be_loaded, f"curation.captioner: {spec.model}"), folder_of(spec.model)):
        processor = AutoProcessor.from_pretrained(spec.model, revision=spec.revision, trust_remote_code=False)
        model = AutoModelForImageTextToText.from_pretrained(
            spec.model, revision=spec.revision, trust_remote_code=False, use_safetensors=True
        )
    model.eval().to(best_device())

    @torch.no_grad()
    def describe(picture: Image.Image) -> str:
        asked = {"text": spec.prompt} if spec.prompt else {}
        inputs = processor(images=picture, return_tensors="pt", **asked).to(model.device)
        sentence = str(processor.batch_decode(model.generate(**inputs, max_new_tokens=40), skip_special_tokens=True)[0]).strip()
        return sentence.removeprefix(spec.prompt or "").strip()

    return describe


_LISTS = ("medium", "place", "light", "view")


def said_of(captions: Iterable[Caption], spec: Context | None) -> dict[str, dict[str, int]]:
    """Of how many captions each phrase of each list is a part; empty where captions say no context."""
    if spec is None:
        return {}
    texts = [caption.text for caption in captions]
    lists = {name: getattr(spec, name) for name in _LISTS}
    return {name: {phrase: sum(phrase in text for text in texts) for phrase in phrases} for name, phrases in lists.items() if phrases}


def phrases_in(text: str, spec: Context) -> tuple[str, ...]:
    """The phrase of each list that a prompt holds, '' where it holds none."""
    return tuple(next((phrase for phrase in getattr(spec, name) if phrase in text), "") for name in _LISTS)


def context_model(spec: Context, class_noun: str) -> Callable[[Image.Image], str]:
    """A function from an RGB picture to a prompt that says where, when and how the concept is seen. Raises GauchoError without the model.

    Of each list the most probable phrase is said, where it is probable enough; the medium always is.
    """
    model = TextImageModel("curation.context", spec.model, spec.revision)

    def chosen(picture: Image.Image, phrases: tuple[str, ...], template: str, threshold: float) -> str:
        if not phrases:
            return ""
        shares = model.shares(picture, [template.replace("{}", phrase) for phrase in phrases])
        best = max(range(len(phrases)), key=shares.__getitem__)
        return phrases[best] if shares[best] >= threshold else ""

    def describe(picture: Image.Image) -> str:
        noun = class_noun.replace("{", "(").replace("}", ")")
        medium = chosen(picture, spec.medium, f"{{}} of a {noun}", 0.0)
        place, light, view = (
            chosen(picture, phrases, f"{medium} of a {noun} {{}}", spec.threshold) for phrases in (spec.place, spec.light, spec.view)
        )
        text = " ".join(part for part in (f"{medium} of {{token}} {{class_noun}}", place, light) if part)
        return f"{text}, {view}" if view else text

    return describe
