"""What hosts say of use in files like robots.txt: preferences beside its rules, licences, and ai.txt.

Content-Usage: draft-ietf-aipref-attach-05 (19 August 2026); Content-Signal: https://contentsignals.org (September 2025); License: RSL 1.0
(December 2025), https://rslstandard.org; ai.txt: https://spawning.ai/ai-txt (a draft). They change; what is read here is what stood then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from gaucho_pipeline.crawl.optouts import AGENT, fits, forbids_training, path_of
from gaucho_pipeline.errors import _

_MAX_LINES = 20_000


def _lines(content: bytes) -> Iterator[tuple[str, str]]:
    """Names in small letters, and their values, without comments."""
    for line in content.decode("utf-8", "replace").splitlines()[:_MAX_LINES]:
        name, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield name.strip().lower(), value.strip()


def _groups(content: bytes) -> Iterator[tuple[set[str], list[tuple[str, str]]]]:
    """The groups of a file: the agents that each is for, in small letters, and its lines (RFC 9309, 2.2)."""
    agents, own = set[str](), list[tuple[str, str]]()
    for name, value in _lines(content):
        if name == "user-agent":
            if own:
                yield agents, own
                agents, own = set(), []
            agents.add(value.lower())
        else:
            own.append((name, value))
    yield agents, own


def _lines_for_us(content: bytes) -> list[tuple[str, str]]:
    """The lines of the groups that are for this crawl: those that name it, else those for all, and what is before any group."""
    groups = list(_groups(content))
    named = [own for agents, own in groups if AGENT in agents]
    every = [own for agents, own in groups if "*" in agents or not agents]
    return [line for own in named or every for line in own]


class UsagePreferences:
    """What a robots.txt says of learning from what a host publishes."""

    def __init__(self, content: bytes) -> None:
        lines = _lines_for_us(content)
        self._preferences = [self._parsed(value) for name, value in lines if name in ("content-usage", "content-signal")]
        self._licence = next((value for name, value in _lines(content) if name == "license" and value), "")

    @staticmethod
    def _parsed(value: str) -> tuple[str, str]:
        """A path, '/' for the whole host, and the preferences for it."""
        path, _space, rest = value.partition(" ")
        return (path, rest) if path.startswith(("/", "*")) else ("/", value)

    def opt_out(self, address: str) -> str | None:
        """Why it forbids the use of what is at an address; None if it does not. Of several paths the longest counts."""
        path = path_of(address)
        fitting = [(place, preferences) for place, preferences in self._preferences if fits(unquote(place), path)]
        longest = max((len(place) for place, _unused in fitting), default=0)
        if any(forbids_training(preferences) for place, preferences in fitting if len(place) == longest):
            return _("opted out: robots.txt forbids to train on it")
        if not self._licence:
            return None
        return _("opted out: an RSL licence, whose terms are not read ({address})", address=self._licence[:200])


class AiTxt:
    """A host's ai.txt: which addresses may be learned from, as robots.txt says which may be fetched."""

    def __init__(self, content: bytes) -> None:
        is_text = b"<html" not in content[:2000].lower()
        lines = _lines_for_us(content) if is_text else []
        self._rules = [(name, value) for name, value in lines if name in ("allow", "disallow") and value]

    def opt_out(self, address: str) -> str | None:
        """Why it forbids the use of what is at an address; None if it does not. Of several rules the longest counts, and allowing wins."""
        path = path_of(address)
        found = [(len(value), name) for name, value in self._rules if fits(unquote(value), path) or _is_ending(value, path)]
        return _("opted out: ai.txt") if found and max(found, key=lambda rule: (rule[0], rule[1] == "allow"))[1] == "disallow" else None


def _is_ending(value: str, path: str) -> bool:
    """Whether a rule such as `*.jpg` or `.jpg` is of a path: ai.txt names kinds of files so."""
    return bool(re.fullmatch(r"\*?\.[\w]{1,8}", value)) and path.partition("?")[0].lower().endswith(value.lstrip("*").lower())
