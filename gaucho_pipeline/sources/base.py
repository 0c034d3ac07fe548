"""The contract of a source: its part of the specification becomes requests to an API, and answers become records.

A source never fetches: politeness, retries, rights, files and resuming belong to the engine. Each source has a module of its own, with its
keys of `concepts.yaml` beside it, and a line in `registry.py`. Light to import: `concepts/crawl.py` has its keys.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple, TypeGuard
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from w3lib.url import safe_url_string

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.sources.records import Record, plain
from gaucho_pipeline.spec import JsonObject, Spec


class ApiBusy(GauchoError):
    """The API answered that it is too busy now: ask again.

    `partial`: what it gave nevertheless, for whoever has asked often enough.
    """

    def __init__(self, text: str, partial: ApiPage | None = None) -> None:
        super().__init__(text)
        self.partial = partial


class StatusError(GauchoError):
    """The API answered with another HTTP status than 200, and with these bytes."""

    def __init__(self, host: str, status: int, content: bytes) -> None:
        super().__init__(_("{host_of} answered {status}", host_of=host, status=status))
        self.status, self.content = status, content


class UnclearAnswer(GauchoError):
    """An answer that does not say whether there is something of a name."""


class Limit(NamedTuple):
    """What a host allows: connections at once, seconds between two requests, requests a day (0 for no number)."""

    connections: int = 2
    seconds_between: float = 0.0
    a_day: int = 0


class ApiAnswer(bytes):
    """An answer's bytes, with its headers by their names in small letters: some APIs say there how many pages there are."""

    headers: Mapping[str, str]

    def __new__(cls, content: bytes, headers: Mapping[str, str]) -> ApiAnswer:
        made = super().__new__(cls, content)
        made.headers = headers
        return made


@dataclass(frozen=True)
class ApiRequest:
    """An address to ask an API, and how its source parses the answer, which is an ApiAnswer where it came from the web.

    `parse` raises GauchoError if the answer is not one of this API's, and ApiBusy if it says so.
    """

    url: str
    parse: Callable[[bytes], ApiPage]


class UnusableRecord(NamedTuple):
    """A record that names no image that could be used."""

    key: str
    origin: str
    reason: str


@dataclass(frozen=True)
class ApiPage:
    """What an answer says: records, those that name no usable image, and what to ask next."""

    records: tuple[Record, ...] = ()
    unusable: tuple[UnusableRecord, ...] = ()
    missing: frozenset[str] = frozenset()
    """Keys that were asked for, and that the source knows no more."""
    next: tuple[ApiRequest, ...] = ()
    total: int | None = None
    """How many records the API says there are in all."""
    is_end: bool = True
    """Whether, with nothing to ask next, the list is at its end."""
    doubt: str = ""
    """Why there may be more than it gives, in the API's words; empty where there is no doubt."""


@dataclass(frozen=True)
class Lookup:
    """A name that an API knows by an id. What it answers is kept beside concepts.yaml."""

    kind: str
    """taxon, category or item."""
    text: str
    url: str
    parse: Callable[[bytes], JsonObject]
    """The answer, with the key `id`. Raises GauchoError if there is nothing of that name."""
    required: bool
    """Whether nothing can be listed without its id; else it is asked for to tell what is missing from what is empty."""


@dataclass(frozen=True)
class Recheck:
    """A request for images by their ids, which are these keys."""

    request: ApiRequest
    keys: frozenset[str]
    says_gone: Callable[[StatusError], bool] = field(default=lambda error: False, repr=False)
    """Whether an answer of another status says that there is nothing of these ids, and not that the API is broken."""


@dataclass(frozen=True)
class SignIn:
    """How a registered client is let in: a form that is posted for a token, which goes along with every request (RFC 6749, 4.4)."""

    url: str
    form: Mapping[str, str] = field(repr=False)
    parse: Callable[[bytes], str] = field(repr=False)
    """The token of the answer. Raises GauchoError if there is none."""
    what_to_check: str
    """What a person checks if it is refused."""


class ImageSource:
    """One place where images are."""

    origin: str
    """How it is told from the concept's other sources, such as `commons: Category:Guampa`."""
    api_hosts: tuple[str, ...] = ()
    """Who is asked for the list; none where nobody is."""
    media_hosts: tuple[str, ...] = ()
    """Where its images come from; `.example.org` stands for all hosts below it."""
    lookup: Lookup | None = None
    limits: Mapping[str, Limit] = MappingProxyType({})
    """What hosts allow that only this source knows of, such as a museum's own server, or one where it is registered."""
    sign_in: SignIn | None = None

    def start(self, answer: JsonObject | None) -> ApiPage:
        """What is listed without asking, and the first requests; `answer` is that to `lookup`."""
        raise NotImplementedError

    def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
        """Requests for what was listed once and is beyond what is read of the list now; none where nobody can be asked by id."""
        return ()


@dataclass(frozen=True)
class Proposal:
    """What a page that somebody looks at is as a source: what `gaucho init --from` writes."""

    kind: str
    """The key in `concepts.yaml`."""
    keys: JsonObject
    """What is under it."""
    media_hosts: tuple[str, ...] = ()
    """Further hosts that its images come from."""


@dataclass(frozen=True)
class PageQuestion:
    """An address whose answer tells whether a page is of a source; `read` gives None where it is not.

    `otherwise`: what it is where nobody answers, or with what is no answer.
    """

    url: str
    read: Callable[[bytes], Proposal | PageQuestion | None]
    otherwise: Proposal | None = None
    is_named: bool = False
    """Whether the page's address names it outright, so that nobody else is asked."""


class ImageSourceSpec(Spec):
    """A source's keys in `concepts.yaml`."""

    limits: ClassVar[Mapping[str, Limit]] = {}
    """What hosts of this source allow, by their own rules; what is not named is asked by two connections at most."""

    @classmethod
    def recognise(cls, address: str) -> Iterable[Proposal | PageQuestion]:
        """What the address of a page may be of this source, as people copy it from their browser; a question where it does not tell."""
        return ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Folders and tables on this disk that it reads: what they hold is part of the crawl's version."""
        return ()

    @property
    @abstractmethod
    def hosts(self) -> tuple[str, ...]:
        """The hosts that will be asked, the first first; none for what is on this disk. Raises ConfigError for a table that is none."""

    def problem(self) -> tuple[str, str] | None:
        """What is not right on this disk: the key, and what is wrong with what it names; None if nothing is."""
        return None

    @abstractmethod
    def build(self, number: int, exclude: tuple[str, ...]) -> ImageSource:
        """The source: the concept's `number`-th of its kind, from 1. `exclude` are words that the concept leaves out."""


def api_address(value: str, default_path: str) -> str:
    """A web address; one without a path gets the API's usual path. Raises ValueError for what is none."""
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", value)
    except ValueError:
        right = False
    if not right:
        raise ValueError("must be an http or https address")
    return value.rstrip("/") + default_path if parts.path in ("", "/") else value


def query(endpoint: str, parameters: Mapping[str, object]) -> str:
    """An address with its parameters."""
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"


def read_json(content: bytes, who: str) -> JsonObject:
    """An API's answer. Raises GauchoError if it is no JSON object."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise GauchoError(_("{who} did not answer with JSON", who=who)) from None
    if not isinstance(value, dict):
        raise GauchoError(_("{who} did not answer with a JSON object", who=who))
    return JsonObject(value)


def words_of(address: str) -> dict[str, str]:
    """The parameters of a web address, the first of each name."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


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


def media_address(text: object, endpoint: str) -> str | None:
    """The address of a picture as a browser would ask for it: spaces and accents escaped, `//host` with the scheme of who names it.

    None for what names none: https://url.spec.whatwg.org/#url-parsing.
    """
    if not isinstance(text, str):
        return None
    path, mark, parameters = re.sub(r"[\t\r\n]", "", text).strip().partition("?")
    bare = path.replace("\\", "/") + mark + parameters
    if bare.startswith("//"):
        bare = f"{urlsplit(endpoint).scheme}:{bare}"
    try:
        address = safe_url_string(bare)
    except ValueError:
        return None
    return address if is_web_address(address) else None


_SECRETS = re.compile(
    r"(?i)(x-(amz|goog|oss|ms)-.*|.*signature|sig|sign|.*token|.*secret|.*password|passwd|pwd|.*api-?_?key|key|auth.*|policy|expires"
    r"|key-pair-id|(aws|google)access(key)?id|.*credentials?|access_?key|hdnea|.*sess(ion)?_?id|sid|ticket|pass|se|sp|sv|sr|st|e"
    r"|ex|is|hm|skoid|session.*|jwt|hmac|hash|oh|oe)"
)
"""Names of parameters by which storage and sites let in whoever has the address."""


def without_secrets(address: str) -> str:
    """A web address as it may be shown for ever: without a password, and without its parameters where one of them lets people in."""
    parts = urlsplit(address)
    host, path = parts.netloc.rpartition("@")[2], re.sub(r"(?i);[a-z]*sess[^/]*", "", parts.path)
    pairs = parse_qsl(f"{parts.query}&{parts.fragment}".replace(";", "&"), keep_blank_values=True)
    signed = any(_SECRETS.fullmatch(name) or "://" in value for name, value in pairs)
    return urlunsplit((parts.scheme, host, path, "" if signed else parts.query, "" if signed else parts.fragment))


def unusable(key: str, origin: str, reason: str = "the record names no image") -> UnusableRecord:
    """A record that cannot be used, with its key as plain text."""
    return UnusableRecord(plain(key)[:200], origin, reason)
