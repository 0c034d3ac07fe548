"""Curation of more and more images: seconds and memory of the whole stage, and of a second time with another threshold.

`python benchmarks/scale.py [COUNT ...]` prints a line for each count (1,000 and 10,000) and, as its last line, the figures as JSON;
`ratio` is the peak memory with the most images over that with the fewest. Each image is two regions of photographs, or of drawn pictures
where there are no photographs, one over the other; every twentieth is a copy of another one.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from copies import COPIES, jpeg
from memory import peak_memory
from originals import originals
from PIL import Image

from gaucho_pipeline.project.project import Project

COUNTS = (1_000, 10_000)
_SIDE, _CHUNK = 320, 50


def main() -> None:
    rows = {}
    for count in [int(word) for word in sys.argv[1:]] or COUNTS:
        with tempfile.TemporaryDirectory() as name:
            rows[str(count)] = row = _curated(Path(name), count)
        print(f"{count:>7} images {row['seconds']:8.1f} s  {row['images_per_second']:7.1f} images/s  {row['peak_mb']:6.0f} MB")
        print(f"{'again, another threshold':>14} {row['again_seconds']:8.1f} s  {row['again_mb']:6.0f} MB  {row['excluded']}")
    fewest, most = min(rows, key=int), max(rows, key=int)
    print(json.dumps({"counts": rows, "ratio": round(rows[most]["peak_mb"] / rows[fewest]["peak_mb"], 2)}))


def _curated(folder: Path, count: int) -> dict[str, Any]:
    _make_images(folder / "photos", count)
    project = _project(folder, min_side=200)
    _run(project, "raw_crawl", folder)
    seconds, memory = _run(project, "curated_set", folder)
    again, memory_again = _run(_project(folder, min_side=230), "curated_set", folder)
    artifact = project.store.current("curated_set", "paisagem")
    assert artifact
    return {
        "seconds": seconds, "images_per_second": count / seconds, "peak_mb": memory, "again_seconds": again, "again_mb": memory_again,
        "excluded": artifact.manifest.metrics.excluded,
    }  # fmt: skip


def _project(folder: Path, min_side: int) -> Project:
    source = {"path": "photos", "license": "cc0", "author": "Museu", "source": "https://example.org"}
    concept = {
        "name": {"pt": "Paisagem"}, "token": "sks", "class_noun": "landscape",
        "crawl": {"sources": [{"folder": source}], "max_images": 100_000, "max_bytes": 10**11},
        "curation": {"min_side": min_side, "min_sharpness": 0.0001},
    }  # fmt: skip
    (folder / "concepts.yaml").write_text(yaml.safe_dump({"concepts": {"paisagem": concept}}))
    return Project(folder / "concepts.yaml", folder / "data")


def _run(project: Project, asset: str, folder: Path) -> tuple[float, float]:
    """Seconds and MB of a stage's program."""
    request = folder / "request.json"
    request.write_text(project.request(asset, "paisagem").model_dump_json())
    started = time.monotonic()
    program = subprocess.Popen([sys.executable, "-m", f"gaucho_pipeline.{'crawl' if asset == 'raw_crawl' else 'curation'}", str(request)])
    with peak_memory(program.pid) as memory:
        status = program.wait()
    assert status == 0
    return round(time.monotonic() - started, 1), round(memory["peak_mb"])


def _make_images(folder: Path, count: int) -> None:
    folder.mkdir()
    with ProcessPoolExecutor() as pool:
        for number, content in enumerate(pool.map(_image, range(count), chunksize=_CHUNK)):
            (folder / f"{number:06d}.jpg").write_bytes(content)


def _image(number: int) -> bytes:
    if number % 20 < 19:
        return jpeg(_picture(number))
    return jpeg(list(COPIES.values())[number // 20 % len(COPIES)](_picture(number - 10)))


def _picture(number: int) -> Image.Image:
    draw = random.Random(number)
    one, other = _region(draw), _region(draw)
    return Image.blend(one, other.resize(one.size), draw.uniform(0.3, 0.5))


def _region(draw: random.Random) -> Image.Image:
    picture = draw.choice(_small_originals())
    share = draw.uniform(0.25, 0.6)
    left, top = draw.uniform(0, 1 - share) * picture.width, draw.uniform(0, 1 - share) * picture.height
    box = (left, top, left + share * picture.width, top + share * picture.height)
    region = picture.resize((_SIDE, draw.choice((240, 320, 400))), Image.Resampling.BILINEAR, box=box)
    return region.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else region


@lru_cache(maxsize=1)
def _small_originals() -> list[Image.Image]:
    return originals(800)


if __name__ == "__main__":
    main()
