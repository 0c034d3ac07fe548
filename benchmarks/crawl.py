"""A first crawl beside an unchanged second one: of the recorded corpus, and of 5,000 small images on a server of one's own.

`python benchmarks/crawl.py` prints requests, bytes and seconds, and, as its last line, the figures as JSON; `ratio` is the first crawl's
seconds over the second's, of the 5,000 images. A server of one's own is asked without pauses, by sixteen connections at once. The
recorded corpus is third-party data beside the project, and its part is left out where it is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from gaucho_pipeline.demo.site import HOST, QuietHandler, running
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.project.project import Project

IMAGES = 5_000
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "real" / "openverse"
Answer = Callable[[QuietHandler], bytes | None]


def main() -> None:
    os.environ["GAUCHO_ALLOW_PRIVATE_HOSTS"] = HOST
    rows: dict[str, dict[str, Any]] = {}
    if CORPUS.is_dir():
        rows |= _twice("recorded corpus", *_corpus())
    else:
        print(f"the recorded corpus is not on this machine ({CORPUS})")
    rows |= _twice(f"{IMAGES} images", *_many())
    for label, row in rows.items():
        rate = row["images"] / row["seconds"]
        print(
            f"{label:<26} {row['seconds']:7.2f} s  {row['requests']:5d} requests  {row['media']:5d} of them images"
            f"  {row['bytes'] / 1e6:7.2f} MB  {rate:7.1f} images/s"
        )
    first, second = rows[f"{IMAGES} images, first"], rows[f"{IMAGES} images, second"]
    print(json.dumps({"crawls": rows, "ratio": round(first["seconds"] / second["seconds"], 2)}))


def _corpus() -> tuple[list[dict[str, Any]], Answer]:
    """The recorded searches as sources, and what answers them."""
    requests = [r for r in json.loads((CORPUS / "requests.json").read_text()) if "&" not in r["request"] and r["results"]]
    recorded = {r["request"]: CORPUS / r["file"] for r in reversed(requests)}
    files = {r["url"]: r["file"] for r in json.loads((CORPUS / "images.json").read_text())}
    places: dict[str, Path] = {}

    def answer(handler: QuietHandler) -> bytes | None:
        if handler.path not in recorded:
            return places[handler.path].read_bytes() if handler.path in places else None
        page = json.loads(recorded[handler.path].read_text()) | {"page_count": 1}
        page["result_count"] = len(page["results"])
        for result in page["results"]:
            if file := files.get(result["url"]):
                places[f"/{file}"] = CORPUS / file
            result["url"] = f"http://{HOST}:{handler.server.server_address[1]}/{file}"
        return json.dumps(page).encode()

    queries = [request.partition("q=")[2] for request in recorded]
    return [{"openverse": {"query": query, "endpoint": "ADDRESS/v1/images/"}} for query in queries], answer


def _many() -> tuple[list[dict[str, Any]], Answer]:
    """A list of addresses of small images, each of which is another."""
    picture = png_bytes(draw_subject("araucaria", 0, side=64))
    addresses = [f"ADDRESS/{n}.png" for n in range(IMAGES)]

    def answer(handler: QuietHandler) -> bytes | None:
        return picture + handler.path.encode() if handler.path.endswith(".png") else None

    return [{"urls": {"addresses": addresses, "license": "cc0", "author": "João Araújo", "source": "https://example.org"}}], answer


def _twice(label: str, sources: list[dict[str, Any]], answer: Answer) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name, running(_Server(answer)) as server:
        address = f"http://{HOST}:{server.server_address[1]}"
        text = yaml.safe_dump({"concepts": {"all": {"token": "x", "class_noun": "y", "crawl": {"sources": sources, "max_images": IMAGES}}}})
        (Path(name) / "concepts.yaml").write_text(text.replace("ADDRESS", address))
        return {f"{label}, {which}": _crawl(Path(name), server) for which in ("first", "second")}


def _crawl(folder: Path, server: _Server) -> dict[str, Any]:
    project = Project(folder / "concepts.yaml", folder / "data")
    (folder / "request.json").write_text(project.request("raw_crawl", "all").model_dump_json())
    server.requested.clear()
    server.sent = 0
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "gaucho_pipeline.crawl", str(folder / "request.json")], check=True, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    artifact = project.store.current("raw_crawl", "all")
    assert artifact
    return {
        "seconds": round(seconds, 2),
        "requests": len(server.requested),
        "media": sum(path.endswith((".png", ".jpeg", ".jpg")) for path in server.requested),
        "bytes": server.sent,
        "images": artifact.manifest.metrics.kept,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, answer: Answer) -> None:
        super().__init__((HOST, 0), _Handler)
        self.answer, self.requested, self.sent = answer, list[str](), 0


class _Handler(QuietHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.requested.append(self.path)
        content = self.server.answer(self)
        self.server.sent += len(content or b"")
        self.send(404 if content is None else 200, "application/octet-stream", content or b"")


if __name__ == "__main__":
    main()
