"""A first crawl of the demo's site beside a second one, when nothing has changed: `python benchmarks/crawl.py`.

Prints a table and, as its last line, the figures as JSON; `ratio` is the first crawl's media requests over the second's images fetched
again plus one, and `seconds_ratio` compares the two crawls' own time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from gaucho_pipeline.embedded.demo_site import HOST, demo_site
from gaucho_pipeline.pipeline import Project


def main() -> None:
    os.environ["GAUCHO_ALLOW_PRIVATE_HOSTS"] = HOST
    with tempfile.TemporaryDirectory() as name, demo_site() as site:
        folder = Path(name)
        source = {"openverse": {"query": "chimarrão", "endpoint": f"{site.address}/v1/images/"}}
        concept = {"token": "dnc", "class_noun": "cup", "crawl": {"sources": [source]}}
        (folder / "concepts.yaml").write_text(yaml.safe_dump({"concepts": {"chimarrao": concept}}))
        rows = [_crawl(folder, site.requested) for _ in range(2)]
    for label, row in zip(("first", "second"), rows, strict=True):
        print(f"{label:<8} {row['seconds']:6.2f} s  {row['api']:3d} API requests  {row['media']:3d} images asked for")
    first, second = rows
    ratio = first["media"] / (second["media"] + 1)
    print(json.dumps({"first": first, "second": second, "ratio": ratio, "seconds_ratio": first["seconds"] / second["seconds"]}))


def _crawl(folder: Path, requested: list[str]) -> dict[str, float | int]:
    project = Project(folder / "concepts.yaml", folder / "data")
    (folder / "request.json").write_text(project.request("raw_crawl", "chimarrao").model_dump_json())
    requested.clear()
    started = time.monotonic()
    command = [sys.executable, "-m", "gaucho_pipeline.crawl", str(folder / "request.json")]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    return {
        "seconds": round(seconds, 2),
        "api": sum(path.startswith("/v1/") for path in requested),
        "media": sum(path.startswith("/media/") for path in requested),
    }


if __name__ == "__main__":
    main()
