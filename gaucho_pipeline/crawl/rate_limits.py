"""How often hosts may be asked, how long to wait when they say so, and when to try again.

The limits are the sources' own; what has none is asked by two connections at most. Nothing here asks.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from filelock import FileLock

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.sources.base import Limit
from gaucho_pipeline.sources.registry import LIMITS

ATTEMPTS = 4
LONGEST_WAIT = 300.0
"""Seconds; a host that asks for more is left for another day."""
RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses that may be another the next time."""
_FIRST_PAUSE = 0.5


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

    def __init__(self, path: Path, limits: Mapping[str, Limit] = LIMITS) -> None:
        self._path, self._limits = path, limits

    def count(self, host: str) -> None:
        """Counts one request. Raises GauchoError if the host's day is used up."""
        allowed = self._limits.get(host, Limit()).a_day
        if not allowed:
            return
        today = time.strftime("%Y-%m-%d", time.gmtime())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            counts = self._read().get(today, {})
            if counts.get(host, 0) >= allowed:
                raise GauchoError(
                    _("{host} allows {allowed} requests a day, and today's are used up; go on tomorrow (UTC)", host=host, allowed=allowed)
                )
            counts[host] = counts.get(host, 0) + 1
            write_atomically(self._path, json.dumps({today: counts}))

    def _read(self) -> dict[str, dict[str, int]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        except (FileNotFoundError, ValueError):
            return {}
