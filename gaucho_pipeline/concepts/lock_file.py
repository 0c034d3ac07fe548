"""Names that resolve to ids, kept with the answer in `concepts.lock.json` beside `concepts.yaml`, which people commit.

A name that is kept is not asked again. Nothing here asks; what a changed answer means is decided in `crawl/listing.py`.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.clock import now
from gaucho_pipeline.files.locks import lock_of
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.spec import JsonObject


class LockFile:
    """concepts.lock.json; without a path, answers are kept for this run only."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._kept = self._read()

    def get(self, kind: str, text: str) -> JsonObject | None:
        """The answer that is kept for a name."""
        return self._kept.get(f"{kind}: {text}")

    def add(self, kind: str, text: str, url: str, answer: JsonObject) -> None:
        """Keeps an answer. Raises GauchoError if the file cannot be written."""
        entry = JsonObject(**answer, asked=url, answered_on=now()[:10])
        with self._locked():
            self._kept = self._read() | self._kept | {f"{kind}: {text}": entry}
            if self.path:
                content = json.dumps({"names": dict(sorted(self._kept.items()))}, ensure_ascii=False, indent=1) + "\n"
                try:
                    write_atomically(self.path, content)
                except OSError as error:
                    raise GauchoError(
                        _("{path} cannot be written ({strerror}); it keeps the ids of names", path=self.path, strerror=error.strerror)
                    ) from None

    def _read(self) -> dict[str, JsonObject]:
        if self.path is None:
            return {}
        try:
            names = json.loads(self.path.read_text(encoding="utf-8"))["names"]
            if isinstance(names, dict) and all(isinstance(entry, dict) and "id" in entry for entry in names.values()):
                return {name: JsonObject(entry) for name, entry in names.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            pass
        raise ConfigError(
            _("{path}: is not a file of names and ids; correct it, or remove it to have all names asked again", path=self.path)
        )

    def _locked(self) -> contextlib.AbstractContextManager[object]:
        """Two concepts may be crawled at once: one at a time adds what it learned."""
        return lock_of(self.path) if self.path else contextlib.nullcontext()
