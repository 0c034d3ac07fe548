"""How often hosts may be asked, how long to wait when they say so, and when to try again.

Numbers are those of the sites' own rules; what has none is asked by two connections at most. Nothing here asks.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.writing import write_atomically

ATTEMPTS = 4
LONGEST_WAIT = 300.0
"""Seconds; a host that asks for more is left for another day."""
RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses that may be another the next time."""
_FIRST_PAUSE = 0.5


class Limit(NamedTuple):
    """What a host allows: connections at once, seconds between two requests, requests a day (0 for no number)."""

    connections: int = 2
    seconds_between: float = 0.0
    a_day: int = 0


LIMITS = {
    "api.openverse.org": Limit(1, 3.2, 200),  # without a key: https://api.openverse.org/v1/#section/Register-and-Authenticate
    "api.inaturalist.org": Limit(1, 1.05, 10_000),  # https://www.inaturalist.org/pages/api+recommended+practices
    "commons.wikimedia.org": Limit(1, 0.5),  # in series: https://www.mediawiki.org/wiki/API:Etiquette
    "www.wikidata.org": Limit(1, 0.5),
    "upload.wikimedia.org": Limit(2),  # https://wikitech.wikimedia.org/wiki/Robot_policy
}
PRIVATE = Limit(16)
"""A host that GAUCHO_ALLOW_PRIVATE_HOSTS names is one's own."""


def pause_before(attempt: int) -> float:
    """Seconds before the attempt of this number (2 for the second): twice as long each time, and never two crawls in step."""
    return float(_FIRST_PAUSE * 2 ** (attempt - 2) * random.uniform(0.5, 1.5))


def retry_after(value: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks to wait, given as a number or a date (RFC 9110, 10.2.3); None if it says nothing."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with contextlib.suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - datetime.now(UTC if moment.tzinfo else None)).total_seconds())
    return None


class DailyCount:
    """Counts the requests of a day, of all crawls on this machine, for hosts that limit them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def count(self, host: str) -> None:
        """Counts one request. Raises GauchoError if the host's day is used up."""
        allowed = LIMITS.get(host, Limit()).a_day
        if not allowed:
            return
        today = time.strftime("%Y-%m-%d", time.gmtime())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            counts = self._read().get(today, {})
            if counts.get(host, 0) >= allowed:
                raise GauchoError(f"{host} allows {allowed} requests a day, and today's are used up; go on tomorrow (UTC)")
            counts[host] = counts.get(host, 0) + 1
            write_atomically(self._path, json.dumps({today: counts}))

    def _read(self) -> dict[str, dict[str, int]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        except (FileNotFoundError, ValueError):
            return {}
