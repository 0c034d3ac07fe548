"""What a source says of an image, before and after it is fetched."""

from __future__ import annotations

import contextlib
import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from gaucho_pipeline.rights import License

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

    @property
    def bytes_id(self) -> str:
        """What stands for the bytes before they are there: the SHA-1 that the source gives, else the address."""
        return f"sha1:{self.sha1}" if self.sha1 else self.url

    def to_row(self) -> dict[str, Any]:
        """The record as a row of a table."""
        return {
            "key": self.key, "origin": self.origin, "url": self.url, "title": self.title, "author": self.author, "source": self.source,
            "license": self.license.id, "license_family": self.license.family, "license_url": self.license.url, "flags": list(self.flags),
            "sha1": self.sha1, "labels": list(self.labels), "is_file": self.is_file,
        }  # fmt: skip

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Record:
        """The record that `to_row` gave."""
        license_ = License(row["license"], row["license_family"], row["license_url"], "")
        own = {name: row[name] for name in ("key", "origin", "url", "title", "author", "source", "sha1", "is_file")}
        return cls(**own, license=license_, flags=tuple(row["flags"]), labels=tuple(row["labels"]))


class _Text(HTMLParser):
    """The words of a piece of HTML, without those of scripts and styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style")
        if tag in ("br", "p", "div", "li", "td", "tr"):
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in ("script", "style")))

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def plain(value: object, markup: bool = False) -> str:
    """Plain text on one line, at most 300 characters, accents intact; HTML becomes its words. What is no text becomes ''."""
    if not isinstance(value, str):
        return ""
    text = value[:20_000]
    if markup and "<" in text:
        parser = _Text()
        with contextlib.suppress(AssertionError):  # what the parser cannot make sense of ends the text
            parser.feed(text)
            parser.close()
        text = "".join(parser.words)
    text = html.unescape(text).encode("utf-8", "replace").decode()
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", " ", text).split())[:_LONGEST]
