"""A small site on loopback that answers as Openverse does, with drawn pictures of the demo's subjects.

Among them are planted ones that must go: a copy, a smaller copy, a blurred one, a tiny one, a file that is no image, and
one whose licence forbids the use and which must never be asked for.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from PIL import Image, ImageFilter

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.spec import JsonObject

HOST = "127.0.0.1"
_Server = TypeVar("_Server", bound=ThreadingHTTPServer)
QUERIES = {"araucária": "araucaria", "chimarrão": "chimarrao"}
PICTURES = 24
_AUTHORS = ("Acervo do Museu de Exemplo", "João Araújo", "Conceição Müller")
_LICENSES = (("by", "4.0"), ("by-sa", "4.0"), ("cc0", "1.0"))


class _Subject:
    """A subject's pictures by file name, and the records that list them."""

    def __init__(self, subject: str, title: str) -> None:
        self.subject, self.title = subject, title

    @cached_property
    def files(self) -> dict[str, bytes]:
        good = [draw_subject(self.subject, index, side=256) for index in range(PICTURES)]
        files = {f"{i:02d}.png": _png(picture) for i, picture in enumerate(good)}
        files["copy.png"] = files["03.png"]
        files["smaller-copy.png"] = _png(good[5].resize((160, 160), Image.Resampling.LANCZOS))
        files["blurred.png"] = _png(draw_subject(self.subject, 90, ("grass", "day"), side=256).filter(ImageFilter.GaussianBlur(9)))
        files["tiny.png"] = _png(draw_subject(self.subject, 91).resize((40, 40), Image.Resampling.LANCZOS))
        files["page.png"] = b"<html><body>Not found</body></html>"
        files["forbidden.png"] = _png(draw_subject(self.subject, 92, side=256))
        return files

    def records(self, base: str) -> list[JsonObject]:
        found = []
        for number, name in enumerate(self.files):
            code, version = ("by-nc", "2.0") if name == "forbidden.png" else _LICENSES[number % 3]
            place = "publicdomain/zero" if code == "cc0" else f"licenses/{code}"
            found.append(
                JsonObject(
                    id=f"{self.subject}-{name}",
                    title=f"{self.title} {number + 1}",
                    creator=_AUTHORS[number % 3],
                    url=f"{base}/media/{self.subject}/{name}",
                    foreign_landing_url=f"{base}/photo/{self.subject}/{name}",
                    license=code,
                    license_version=version,
                    license_url=f"https://creativecommons.org/{place}/{version}/",
                )
            )
        return found


class DemoSite(ThreadingHTTPServer):
    """The site; `requested` lists the paths that it was asked for."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.subjects = {query: _Subject(subject, query.capitalize()) for query, subject in QUERIES.items()}
        self.requested: list[str] = []
        self.robots = b"User-agent: *\nDisallow: /private/\n"

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"


class QuietHandler(BaseHTTPRequestHandler):
    """Answers with a body of known length, and says nothing of it on the terminal."""

    def send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the crawl tells what it does."""


class _Handler(QuietHandler):
    server: DemoSite

    def do_GET(self) -> None:
        self.server.requested.append(self.path)
        parts = urlsplit(self.path)
        if parts.path == "/v1/images/":
            self._answer_search(parse_qs(parts.query))
        elif parts.path == "/robots.txt":
            self.send(200, "text/plain", self.server.robots)
        elif parts.path.startswith("/media/"):
            self._answer_media(*parts.path.split("/")[2:4])
        else:
            self.send(404, "text/plain", b"not found")

    def _answer_search(self, query: dict[str, list[str]]) -> None:
        subject = self.server.subjects.get(query.get("q", [""])[0])
        page, size = int(query.get("page", ["1"])[0]), 20
        records = subject.records(self.server.address) if subject else []
        pages = -(-len(records) // size)
        answer = {"result_count": len(records), "page_count": pages, "page_size": size, "page": page}
        self.send(200, "application/json", json.dumps(answer | {"results": records[(page - 1) * size : page * size]}).encode())

    def _answer_media(self, name: str, file: str) -> None:
        subject = next((s for s in self.server.subjects.values() if s.subject == name), None)
        content = subject.files.get(file) if subject else None
        if content is None:
            self.send(404, "text/plain", b"not found")
        else:
            self.send(200, "image/png", content)


@contextmanager
def demo_site(port: int = 0) -> Iterator[DemoSite]:
    """The site, running until the block ends; port 0 takes any free one. Raises OSError if the port is taken."""
    with running(DemoSite(port)) as site:
        yield site


@contextmanager
def running(server: _Server) -> Iterator[_Server]:
    """A server, answering in a thread of its own until the block ends."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
