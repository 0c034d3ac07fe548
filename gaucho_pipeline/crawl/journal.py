"""What a crawl has done so far, on disk, so that a killed one goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path


class Journal:
    """What was fetched, and what will never be, by what stands for the bytes. Every line is written when it is true."""

    def __init__(self, path: Path, fetched: dict[str, str] | None = None, hopeless: dict[str, str] | None = None) -> None:
        self.fetched = dict(fetched or {})
        """SHA-256 of the bytes, by what stands for them (`Record.bytes_id`)."""
        self.hopeless = dict(hopeless or {})
        """Why asking again would end the same way, by what stands for the bytes."""
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the last line of a killed run
                (self.fetched if "sha256" in row else self.hopeless)[row["id"]] = row.get("sha256") or row["reason"]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def add(self, bytes_id: str, sha256: str) -> None:
        self.fetched[bytes_id] = sha256
        self._write({"id": bytes_id, "sha256": sha256})

    def give_up(self, bytes_id: str, reason: str) -> None:
        self.hopeless[bytes_id] = reason
        self._write({"id": bytes_id, "reason": reason})

    def _write(self, row: dict[str, str]) -> None:
        self._file.write("\n" + json.dumps(row))
        self._file.flush()
