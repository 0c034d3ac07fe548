"""Answers of APIs, kept with what tells whether they still hold: an API that knows that it does says so instead of sending it again.

`DATA/.asked/answers/`, a file for each address that came with an ETag or a date (RFC 9110, 8.8 and 13.1).
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from pathlib import Path

from scrapy.http import Response

from gaucho_pipeline.files.writing import write_atomically

_VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
_LONGEST = 1024


class Answers:
    """What APIs answered last, by address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def conditions(self, address: str) -> dict[str, str]:
        """The headers that ask for an answer only if it is another one than that which is kept."""
        kept = self._read(address)
        return {_VALIDATORS[name]: kept[name] for name in _VALIDATORS if kept and name in kept}

    def take(self, address: str, response: Response) -> Response:
        """Keeps an answer that can be asked for conditionally; gives the one that is kept for 'not modified'."""
        if response.status == 304:
            kept = self._read(address)
            return response.replace(status=200, body=b64decode(kept["body"])) if kept else response
        if response.status != 200 or "no-store" in str(response.headers.get("Cache-Control") or ""):
            return response
        found = {name: value.decode("latin-1") for name in _VALIDATORS if (value := response.headers.get(name)) and len(value) <= _LONGEST}
        if found:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(address), json.dumps(found | {"body": b64encode(response.body).decode()}))
        return response

    def _read(self, address: str) -> dict[str, str] | None:
        """What is kept of an address; None where nothing is, or the disk has changed it."""
        try:
            kept = json.loads(self._path(address).read_text(encoding="utf-8"))
            b64decode(kept["body"], validate=True)
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return kept if all(isinstance(value, str) for value in kept.values()) else None

    def _path(self, address: str) -> Path:
        return self._folder / f"{hashlib.sha256(address.encode()).hexdigest()}.json"
