"""What was ever fetched for a concept, and what never will be, on disk: a killed crawl goes on, and no later one asks again.

`DATA/.fetched/<concept>.jsonl`, append-only. Bytes themselves are among the blobs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaucho_pipeline.crawl.fetch_errors import FetchError, OptedOut


class Journal:
    """Every line is written when it is true. What failed for good is known to have failed under one specification only."""

    def __init__(self, path: Path, spec_version: str) -> None:
        self._spec_version = spec_version
        self.fetched: dict[str, str] = {}
        """SHA-256 of the bytes, by what stands for them (`Record.bytes_id`)."""
        self.failed: dict[str, FetchError] = {}
        """How asking again would end, by what stands for the bytes."""
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a killed run
            if "sha256" in row:
                self.fetched[row["id"]] = row["sha256"]
            elif row["spec"] == spec_version and (row.get("opted_out") or row["reason"].startswith("HTTP ")):  # of old: whatever failed
                self.failed[row["id"]] = (OptedOut if row.get("opted_out") else FetchError)(row["reason"], permanent=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def add(self, bytes_id: str, sha256: str) -> None:
        self.fetched[bytes_id] = sha256
        self._write({"id": bytes_id, "sha256": sha256})

    def add_failure(self, bytes_id: str, error: FetchError) -> None:
        """Keeps a failure that is permanent."""
        self.failed[bytes_id] = error
        row = {"id": bytes_id, "reason": error.reason, "spec": self._spec_version}
        self._write(row | ({"opted_out": True} if isinstance(error, OptedOut) else {}))

    def _write(self, row: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(row))
