"""The contract of a source: its part of the specification becomes questions, and answers become records.

A source never fetches: politeness, retries, rights, files and resuming belong to the engine. Each source has a module of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard
from urllib.parse import urlencode, urlsplit

from gaucho_pipeline.crawl.records import Record, plain
from gaucho_pipeline.errors import GauchoError


class Busy(GauchoError):
    """The API answered that it is too busy now: ask again."""


@dataclass(frozen=True)
class Question:
    """An address to ask an API, and how its source reads the answer.

    `read` raises GauchoError if the answer is not one of this API's, and Busy if it says so.
    """

    address: str
    read: Callable[[bytes], Page]


@dataclass(frozen=True)
class Page:
    """What an answer says: records, those that name no usable image, and what to ask next."""

    records: tuple[Record, ...] = ()
    unusable: tuple[dict[str, Any], ...] = ()
    """Rows with `key`, `origin` and `reason`."""
    missing: frozenset[str] = frozenset()
    """Keys that were asked for, and that the source knows no more."""
    next: tuple[Question, ...] = ()
    total: int | None = None
    """How many records the API says there are in all."""
    is_end: bool = True
    """Whether, with nothing to ask next, the list is at its end."""


@dataclass(frozen=True)
class Name:
    """A name that an API knows by an id. What it answers is kept beside concepts.yaml."""

    kind: str
    """taxon, category or item."""
    text: str
    address: str
    read: Callable[[bytes], dict[str, Any]]
    """The answer, with the key `id`. Raises GauchoError if there is nothing of that name."""
    is_needed: bool
    """Whether nothing can be listed without its id; else it is asked for to tell what is missing from what is empty."""


@dataclass(frozen=True)
class Again:
    """A question for images by their ids, which are these keys."""

    question: Question
    keys: frozenset[str]


class Source(Protocol):
    """One place where images are."""

    origin: str
    """How it is told from the concept's other sources, such as `commons: Category:Guampa`."""
    api_hosts: tuple[str, ...]
    """Who is asked for the list; none where nobody is."""
    media_hosts: tuple[str, ...]
    """Where its images come from; `.example.org` stands for all hosts below it."""
    name: Name | None

    def start(self, answer: Mapping[str, Any] | None) -> Page:
        """What is listed without asking, and the first questions; `answer` is that to `name`."""

    def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
        """Questions for what was listed once and is beyond what is read of the list now; none where nobody can be asked by id."""


def query(endpoint: str, parameters: Mapping[str, Any]) -> str:
    """An address with its parameters."""
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"


def read_json(content: bytes, who: str) -> dict[str, Any]:
    """An API's answer. Raises GauchoError if it is no JSON object."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise GauchoError(f"{who} did not answer with JSON") from None
    if not isinstance(value, dict):
        raise GauchoError(f"{who} did not answer with a JSON object")
    return value


def host_of(address: str) -> str:
    """The host of a web address, in small letters."""
    return (urlsplit(address).hostname or "").lower()


def is_web_address(text: object) -> TypeGuard[str]:
    """Whether a text is an http or https address with a host."""
    if not isinstance(text, str):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and text.isprintable() and " " not in text
    except ValueError:
        return False


def unusable(key: str, origin: str, reason: str = "the record names no image") -> dict[str, Any]:
    """A row for a record that cannot be used."""
    return {"key": plain(key)[:200], "origin": origin, "reason": reason}
