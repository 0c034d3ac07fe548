"""A real server on loopback that replays the recorded Openverse answers and their images."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gaucho_pipeline.embedded.demo_site import QuietHandler


class Replay(ThreadingHTTPServer):
    """Answers `/v1/images/?q=…` as recorded, its addresses pointing here; `requested` lists what it was asked for."""

    daemon_threads = True

    def __init__(self, openverse: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.openverse, self.requested = openverse, []
        requests = json.loads((openverse / "requests.json").read_text())
        self.recorded = {
            parse_qs(urlsplit(r["request"]).query)["q"][0]: openverse / r["file"] for r in reversed(requests) if "&" not in r["request"]
        }
        self.files = {r["url"]: r["file"] for r in json.loads((openverse / "images.json").read_text())}
        self.paths: dict[str, str | None] = {}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/images/"

    def answer(self, query: str) -> dict[str, Any]:
        recorded: dict[str, Any] = json.loads(self.recorded[query].read_text())
        recorded["page_count"] = 1  # only the first page was recorded
        for result in recorded["results"]:
            path = urlsplit(result["url"]).path
            self.paths[path] = self.files.get(result["url"])
            result["url"] = f"http://127.0.0.1:{self.server_address[1]}{path}"
        return recorded


class _Handler(QuietHandler):
    server: Replay

    def do_GET(self) -> None:
        self.server.requested.append(self.path)
        parts = urlsplit(self.path)
        if parts.path == "/v1/images/":
            self.send(200, "application/json", json.dumps(self.server.answer(parse_qs(parts.query)["q"][0])).encode())
        elif file := self.server.paths.get(parts.path):
            self.send(200, "image/jpeg", (self.server.openverse / file).read_bytes())
        else:
            self.send_error(404)


@contextmanager
def replay(openverse: Path) -> Iterator[Replay]:
    server = Replay(openverse)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
