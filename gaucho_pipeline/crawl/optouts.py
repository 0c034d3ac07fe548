"""Whether whoever publishes an image has opted out of its use, in headers and in the files of a host. What a host writes into robots.txt
beside them is in `usage_rules.py`; robots.txt is obeyed where requests are made (`fetching.py`).

X-Robots-Tag: https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag; TDMRep:
https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/; Content-Usage: draft-ietf-aipref-attach-05 of 19 August 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from gaucho_pipeline.errors import _

AGENT = "gaucho_pipeline"
"""How robots.txt and X-Robots-Tag may name this crawl."""

_AGAINST = {"noai", "noimageai", "noindex", "noimageindex", "none"}
_WITH_VALUE = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
_MAX_RULES = 10_000


def header_opt_out(headers: Mapping[str, Iterable[str]]) -> str | None:
    """Why an answer's headers (by lower-case name) forbid the use; None if they do not."""
    for value in headers.get("x-robots-tag", ()):
        directives = _directives_for_us(value)
        if found := sorted(directives & _AGAINST):
            return _("opted out: X-Robots-Tag {name}", name=found[0])
    if any(value.strip() == "1" for value in headers.get("tdm-reservation", ())):
        return _("opted out: tdm-reservation header")
    for name in ("content-usage", "content-signal"):
        if any(forbids_training(value) for value in headers.get(name, ())):
            return _("opted out: {name} header", name=name)
    if any(_RSL_LINK.search(value) for value in headers.get("link", ())):
        return _("opted out: an RSL licence, whose terms are not read")
    return None


_RSL_LINK = re.compile(r"(?i)rel=\"?license\"?[^,]*application/rsl\+xml|application/rsl\+xml[^,]*rel=\"?license")
_USES = ("train-genai", "genai", "train-ai", "ai-train", "ai", "tdm", "bots")
"""Uses that preferences name, the narrowest that training is part of first (draft-ietf-aipref-vocab-08, 14 September 2026, and before)."""


def forbids_training(preferences: str) -> bool:
    """Whether preferences such as `train-ai=n, search=y` or `ai-train=no` forbid to learn from what they are of; the narrowest counts."""
    found = dict(re.findall(r"([a-z][a-z-]*)\s*=\s*\"?([a-z]+)", preferences.lower()))
    stated = [found[name] for name in _USES if name in found]
    return bool(stated) and stated[0] in ("n", "no")


def _directives_for_us(value: str) -> set[str]:
    """The directives of one X-Robots-Tag that are for every agent or for this one; an agent's name holds until the next name."""
    found, for_us = set(), True
    for part in value.lower().split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip() not in _WITH_VALUE and re.fullmatch(r"[a-z_*-]+", name.strip()):  # a time of day names no agent
            for_us, part = name.strip() in (AGENT, "*"), rest
        if for_us:
            found.add(part.strip())
    return found


class Reservations:
    """A host's `/.well-known/tdmrep.json`: rules of location and reservation, of which the first that fits counts."""

    def __init__(self, content: bytes) -> None:
        self._rules: list[tuple[str, bool]] = []
        try:
            rules: Any = json.loads(content)
        except (ValueError, RecursionError):
            return
        for rule in rules[:_MAX_RULES] if isinstance(rules, list) else ():
            if isinstance(rule, dict) and isinstance(rule.get("location"), str):
                self._rules.append((unquote(rule["location"]), str(rule.get("tdm-reservation")) == "1"))

    def opt_out(self, address: str) -> str | None:
        """Why the file forbids the use of what is at an address; None if it does not."""
        path = path_of(address)
        for location, reserved in self._rules:
            if fits(location, path):
                return "opted out: tdmrep.json" if reserved else None
        return None


def path_of(address: str) -> str:
    """What rules of a host are held against: the path of an address, unescaped, with its parameters."""
    parts = urlsplit(address)
    return unquote(parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def fits(location: str, path: str) -> bool:
    """Whether a location, written as in robots.txt, is a path's: a beginning of it, with `*` for anything and `$` for the end.

    Pieces are looked for one after the other, so that no location, however hostile, takes long.
    """
    first, *rest = location.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    place = len(first)
    for number, piece in enumerate(rest, start=1):
        is_last = number == len(rest)
        if is_last and location.endswith("$"):
            return path.endswith(piece) and len(path) - len(piece) >= place
        place = path.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return not location.endswith("$") or place == len(path)
