"""What a source says of an image, before and after it is fetched."""

from __future__ import annotations

import contextlib
import html
import re
import unicodedata
from dataclasses import dataclass, field
from html.parser import HTMLParser

from gaucho_pipeline.rights.licenses import License

_LONGEST = 300


@dataclass(frozen=True)
class Record:
    """An image that a source lists. `key` names it for ever: the source's kind and its id there."""

    key: str
    origin: str
    """Which of the concept's sources listed it, such as `openverse: chimarrão`."""
    url: str
    """Address of the file, or its path for one on this disk."""
    title: str
    author: str
    source: str
    """The page where people see it."""
    license: License
    flags: tuple[str, ...] = ()
    """Restrictions that are no matter of copyright, such as `personality` or `trademarked`."""
    sha1: str | None = None
    """SHA-1 of the original file where the source gives it (what is fetched may be a smaller rendering)."""
    labels: tuple[str, ...] = field(default=(), repr=False)
    """Categories or tags, for `exclude`."""
    is_file: bool = False
    """Whether it is on this disk."""
    fields: tuple[tuple[str, str], ...] = ()
    """What a catalogue says of it beside that, by the names of its columns: material, technique."""
    stated: str = ""
    """What the source says of rights, in its own words, where these are no licence's name."""

    @property
    def bytes_id(self) -> str:
        """What stands for the bytes before they are there: the SHA-1 that the source gives, else the address."""
        return f"sha1:{self.sha1}" if self.sha1 else self.url


def has_words(text: str, words: str) -> bool:
    """Whether a text has these words, whole and in this order, whatever their case, their Unicode form and the signs between them."""
    wanted, found = (re.findall(r"[^\W_]+", unicodedata.normalize("NFC", each).casefold()) for each in (words, text))
    return bool(wanted) and any(found[place : place + len(wanted)] == wanted for place in range(len(found) - len(wanted) + 1))


class _Text(HTMLParser):
    """The words of a piece of HTML that a reader would see: not those of scripts, styles and hidden elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._hidden: list[str] = []
        """Elements that are open, from the outermost hidden one."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID and (self._hidden or tag in ("script", "style", "template") or _is_hidden(dict(attrs))):
            self._hidden.append(tag)
        if tag in ("br", "p", "div", "li", "td", "tr"):
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[len(self._hidden) - 1 - self._hidden[::-1].index(tag) :]  # what exists open inside ends with it

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
"""Elements that have no end: https://html.spec.whatwg.org/multipage/syntax.html#void-elements."""


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    style = re.sub(r"\s", "", attributes.get("style") or "").lower()
    return "hidden" in attributes or "display:none" in style or "visibility:hidden" in style


def plain(value: object, markup: bool = False) -> str:
    """Plain text on one line, at most 300 characters, the last of them '…' where it was longer; accents intact, in NFC.

    With `markup`, HTML becomes the words that a reader would see. Controls, marks of direction and what is invisible are taken out. What
    is no text becomes ''.
    """
    if not isinstance(value, str):
        return ""
    text = value[:20_000]
    if markup and "<" in text:
        parser = _Text()
        with contextlib.suppress(AssertionError):  # what the parser cannot make sense of ends the text
            parser.feed(text)
            parser.close()
        text = "".join(parser.words)
    text = unicodedata.normalize("NFC", html.unescape(text).encode("utf-8", "replace").decode())
    words = " ".join("".join(filter(None, map(_visible, text))).split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1].rstrip() + "…"


def _visible(character: str) -> str:
    """A character as it is kept: nothing for what shows nothing, a space for what ends a line."""
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Co", "Cn") or character in _BLANK else character


_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
"""Letters and marks that show nothing: fillers, the blank of Braille, variation selectors."""
