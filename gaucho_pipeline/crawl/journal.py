"""What was ever fetched for a concept, and what never will be, on disk: a killed crawl goes on, and no later one asks again.

`DATA/.fetched/<concept>.jsonl`, append-only. Bytes themselves are among the blobs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from gaucho_pipeline.crawl.fetch_errors import FetchError, OptedOut
from gaucho_pipeline.crawl.file_rights import READING, FileRights
from gaucho_pipeline.spec import JsonObject


class Journal:
    """Every line is written when it is true. What failed for good is known to have failed under one specification only."""

    def __init__(self, path: Path, spec_version: str) -> None:
        self._spec_version = spec_version
        self.fetched: dict[str, str] = {}
        """SHA-256 of the bytes, by what stands for them (`Record.bytes_id`)."""
        self.failed: dict[str, FetchError] = {}
        """How asking again would end, by what stands for the bytes."""
        self.rights: dict[str, FileRights] = {}
        """What the file says of its own rights, by what stands for the bytes; also of what was not kept because of that."""
        for line in path.read_bytes().splitlines() if path.exists() else ():
            self._take(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def _take(self, line: bytes) -> None:
        """Takes one line in; what is none of ours is passed over: the last of a killed run, or one that the disk has changed."""
        try:
            row = json.loads(line)
            bytes_id, sha256, reason = row["id"], row.get("sha256"), str(row.get("reason", ""))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return
        if row.get("discarded"):
            self.fetched.pop(bytes_id, None)
            self.rights.pop(bytes_id, None)
            return
        is_opted_out = bool(row.get("opted_out"))
        if isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256):
            self.fetched[bytes_id] = sha256
            if row.get("reading") == READING and isinstance(row.get("statements"), list):
                self.rights[bytes_id] = FileRights(reason, str(row.get("generated", "")), tuple(map(str, row["statements"])))
        elif row.get("spec") == self._spec_version and (is_opted_out or reason.startswith("HTTP ")):  # of old: whatever failed
            self.failed[bytes_id] = (OptedOut if is_opted_out else FetchError)(reason, permanent=True)

    def add(self, bytes_id: str, sha256: str, rights: FileRights) -> None:
        self.fetched[bytes_id], self.rights[bytes_id] = sha256, rights
        found = {"reason": rights.opt_out, "generated": rights.generated, "statements": list(rights.statements)}
        self._write(JsonObject(id=bytes_id, sha256=sha256, reading=READING, **found))

    def discard(self, bytes_id: str) -> None:
        """Has the bytes be asked for again: they were not those of the image."""
        self.fetched.pop(bytes_id, None)
        self.rights.pop(bytes_id, None)
        self._write(JsonObject(id=bytes_id, discarded=True))

    def add_failure(self, bytes_id: str, error: FetchError) -> None:
        """Keeps a failure that is permanent."""
        self.failed[bytes_id] = error
        row = JsonObject(id=bytes_id, reason=error.reason, spec=self._spec_version)
        if isinstance(error, OptedOut):
            row["opted_out"] = True
        self._write(row)

    def _write(self, row: JsonObject) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(row))
