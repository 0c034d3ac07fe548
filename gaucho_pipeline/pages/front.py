"""What the front page says of the site itself, and what each page says to whoever links to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gaucho_pipeline.concepts.concept import AboutSite
from gaucho_pipeline.language.bilingual import Language, day_in_words
from gaucho_pipeline.pages.words import PAGE, words
from gaucho_pipeline.sources.base import is_web_address

_LONGEST = 200


@dataclass(frozen=True)
class FrontContent:
    """Whose the site is."""

    title: str
    about: str
    publisher: str
    contact: str
    contact_link: str
    """What a click on it opens; empty where it is neither an address nor an e-mail address."""
    since: str
    """The day of the oldest pictures and of the newest, in a sentence; empty where there are none."""


@dataclass(frozen=True)
class SharedContent:
    """What a page says of itself where it is linked to (https://ogp.me)."""

    description: str
    address: str
    image: str
    """Whole addresses; empty where the site has none of its own."""


NOT_SHARED = SharedContent("", "", "")
"""Of a page that nobody links to."""


def front_content(about: AboutSite | None, made: Sequence[str], language: Language) -> FrontContent:
    """`made`: when the pictures of each concept were drawn, in ISO 8601."""
    texts, given = words(language), about or AboutSite()
    contact = given.contact or ""
    days = [day_in_words(moment, language) for moment in sorted(made)]
    return FrontContent(
        title=given.title.read(language) if given.title else texts["gallery"],
        about=given.about.read(language) if given.about else texts["front_lead"],
        publisher=given.publisher or "",
        contact=contact,
        contact_link=contact if is_web_address(contact) else f"mailto:{contact}" if _is_mail(contact) else "",
        since=texts["drawn_on" if days[0] == days[-1] else "drawn_from"].format(first=days[0], last=days[-1]) if days else "",
    )


def shared_content(about: AboutSite | None, slug: str, image: str, description: str, language: Language) -> SharedContent:
    """`slug`: the concept's folder; empty for the front page. `image`: a picture's place below the page's folder; empty for none."""
    url = about.url if about else None
    folder = f"{url}/{slug}".rstrip("/") if url else ""
    short = description if len(description) <= _LONGEST else f"{description[: _LONGEST - 1].rstrip()}…"
    return SharedContent(short, f"{folder}/{PAGE[language]}" if folder else "", f"{folder}/{image}" if folder and image else "")


def _is_mail(text: str) -> bool:
    name, sign, host = text.partition("@")
    return bool(name and sign and "." in host) and not any(each in text for each in " <>\"'?&%")
