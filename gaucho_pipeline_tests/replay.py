"""Real servers on loopback: one that answers as a function says, and replays of recorded answers with real images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gaucho_pipeline.demo.site import HOST, QuietHandler, running


class Server(ThreadingHTTPServer):
    """Answers GET and POST as `answer(handler)` does; `requested` lists what it was asked for."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, answer: Callable[[QuietHandler], None], host: str = HOST) -> None:
        super().__init__((host, 0), _Handler)
        self.answer, self.requested = answer, list[str]()

    @property
    def address(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def media(self) -> list[str]:
        """The paths asked for that are neither an API's nor a host's rules."""
        return [path for path in self.requested if not path.startswith(("/v1/", "/w/", "/robots.txt", "/ai.txt", "/.well-known/"))]


class _Handler(QuietHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requested.append(self.path)
        self.server.answer(self)

    def do_POST(self) -> None:
        self.server.requested.append(f"POST {self.path}")
        self.server.answer(self)


@contextmanager
def serving(answer: Callable[[QuietHandler], None], host: str = HOST) -> Iterator[Server]:
    with running(Server(answer, host)) as server:
        yield server


def send_json(handler: QuietHandler, value: Any) -> None:
    handler.send(200, "application/json", json.dumps(value, ensure_ascii=False).encode())


class OpenverseReplay:
    """`/v1/images/?q=…` as recorded, its addresses pointing to loopback, and the images that may be used."""

    def __init__(self, openverse: Path) -> None:
        self.openverse = openverse
        requests = json.loads((openverse / "requests.json").read_text())
        self.recorded = {
            parse_qs(urlsplit(r["request"]).query)["q"][0]: openverse / r["file"] for r in reversed(requests) if "&" not in r["request"]
        }
        self.files = {r["url"]: r["file"] for r in json.loads((openverse / "images.json").read_text())}
        self.paths: dict[str, str | None] = {}
        self.without: set[str] = set()
        """Ids of records that are listed no longer."""
        self.changed: dict[str, dict[str, str]] = {}
        """What records say now, by id."""

    def __call__(self, handler: QuietHandler) -> None:
        parts = urlsplit(handler.path)
        if parts.path == "/v1/images/":
            send_json(handler, self.listed(parse_qs(parts.query)["q"][0], f"http://{HOST}:{handler.server.server_address[1]}"))
        elif file := self.paths.get(parts.path):
            handler.send(200, "image/jpeg", (self.openverse / file).read_bytes())
        else:
            handler.send_error(404)

    def listed(self, query: str, base: str) -> dict[str, Any]:
        recorded: dict[str, Any] = json.loads(self.recorded[query].read_text())
        recorded["page_count"] = 1  # only the first page was recorded
        recorded["results"] = [r | self.changed.get(r["id"], {}) for r in recorded["results"] if r["id"] not in self.without]
        recorded["result_count"] = len(recorded["results"])
        for result in recorded["results"]:
            path = urlsplit(result["url"]).path
            self.paths[path] = self.files.get(result["url"])
            result["url"] = f"{base}{path}"
        return recorded


def real_images(real: Path) -> list[Path]:
    """Real JPEGs of another place, for answers whose images were not recorded."""
    return sorted(path for path in (real / "openverse" / "images").rglob("*") if path.suffix in (".jpg", ".jpeg"))


class CommonsReplay:
    """The three recorded pages of one continued query, with real images of another place for the files, which were not recorded."""

    def __init__(self, real: Path) -> None:
        self.pages = [json.loads((real / "commons" / f"wmc_pretty{n}.json").read_text()) for n in (1, 2, 3)]
        self.pages[2].pop("continue")  # what follows was not recorded
        images = real_images(real)
        urls = [p["imageinfo"][0]["url"] for p in self.pages[0]["query"]["pages"].values()]
        self.files = {urlsplit(url).path: image for url, image in zip(urls, images, strict=False)}

    def __call__(self, handler: QuietHandler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/w/api.php" and query.get("prop") == "categoryinfo":
            send_json(handler, {"batchcomplete": True, "query": {"pages": [self._category(query["titles"])]}})
        elif parts.path == "/w/api.php":
            send_json(handler, self._page(query, f"http://{HOST}:{handler.server.server_address[1]}"))
        elif parts.path in self.files:
            handler.send(200, "image/jpeg", self.files[parts.path].read_bytes())
        else:
            handler.send_error(404)

    @staticmethod
    def _category(title: str) -> dict[str, Any]:
        return {"pageid": 7, "ns": 14, "title": title, "categoryinfo": {"size": 9, "pages": 0, "files": 9, "subcats": 0}}

    def _page(self, query: dict[str, str], base: str) -> dict[str, Any]:
        index = next((n + 1 for n in (0, 1) if query.get("gucontinue") == self.pages[n]["continue"]["gucontinue"]), 0)
        return json.loads(json.dumps(self.pages[index]).replace("https://upload.wikimedia.org", base))


class INaturalistReplay:
    """The recorded page of observations and the recorded taxa, with a real image for the photos."""

    def __init__(self, real: Path, image: Path) -> None:
        folder = real / "inaturalist"
        self.page = json.loads((folder / "get_observations_page1.json").read_text())
        self.taxa = json.loads((folder / "get_taxa.json").read_text())
        self.image = image
        self.license_code: str | None = "cc-by"

    def __call__(self, handler: QuietHandler) -> None:
        parts = urlsplit(handler.path)
        if parts.path == "/v1/taxa":
            send_json(handler, self.taxa)
        elif parts.path == "/v1/observations":
            value = json.loads(
                json.dumps(self.page).replace("https://static.inaturalist.org", f"http://{HOST}:{handler.server.server_address[1]}")
            )
            value["total_results"] = 1  # the second observation was not recorded
            for photo in value["results"][0]["photos"]:
                photo["license_code"] = self.license_code
            send_json(handler, value)
        elif parts.path.startswith("/photos/"):
            handler.send(200, "image/jpeg", self.image.read_bytes())
        else:
            handler.send_error(404)
