"""A text in the languages that pages have, as people write it in YAML and as tables of the program hold it."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from gaucho_pipeline.spec import Spec, Text

Language = Literal["pt", "en"]
LANGUAGES: tuple[Language, Language] = ("pt", "en")


class Bilingual(Spec):
    """A text in Portuguese and in English."""

    pt: Text = Field(description="In Portuguese")
    en: Text | None = Field(None, description="In English; the Portuguese text stands for it if absent")

    def read(self, language: Language) -> str:
        """The text in a language."""
        return (self.en if language == "en" else None) or self.pt


def day_in_words(moment: str, language: Language) -> str:
    """A day as people write it: *30 de novembro de 2026*, *November 30, 2026*. `moment`: ISO 8601; what is none stays as it is."""
    from babel.dates import format_date

    try:
        return str(format_date(date.fromisoformat(moment[:10]), "long", locale={"pt": "pt_BR", "en": "en_US"}[language]))
    except ValueError:
        return moment
