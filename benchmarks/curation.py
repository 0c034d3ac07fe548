"""Curation beside cleanvision and beside imagehash used plainly, on the same images in one run; and the search for copies alone.

`python benchmarks/curation.py [FOLDER]` prints images per second, peak memory, recall and false pairs for planted copies, and the time
to find near hashes among 10,000, 100,000 and 1,000,000; the last line is the figures as JSON, with `ratio`: our rate over
cleanvision's. FOLDER holds the real photographs to make the images of; without it, drawn pictures serve. cleanvision is measured where it
is installed (`pip install cleanvision` in an environment of its own; CLEANVISION names its python).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from copies import COPIES, jpeg
from memory import peak_memory
from originals import FOLDER, originals
from PIL import Image

from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.duplicates import repeats
from gaucho_pipeline.curation.hashes import HashIndex
from gaucho_pipeline.curation.measures import measure

IMAGES = 2_000
HASHES = (10_000, 100_000, 1_000_000)
RADIUS = CurationSpec().near_duplicate_distance
_ASKED_AT_ONCE = 10_000
_OURS = """
import sys, tempfile, time
from pathlib import Path
from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.duplicates import repeats
from gaucho_pipeline.curation.reading import MeasuresCache, StoredMeasures, measure_all
folder, spec = Path(sys.argv[1]), CurationSpec()
with tempfile.TemporaryDirectory() as name:
    started, cache = time.monotonic(), MeasuresCache(Path(name))
    names = dict.fromkeys(sorted(path.name for path in folder.iterdir()))
    bad = {name for name, why in measure_all(names, lambda name: folder / name, cache, lambda count: lambda: None) if why}
    measures = StoredMeasures(cache, names, bad)
    repeats(list(measures), measures, spec.near_duplicate_distance, spec.near_duplicate_correlation)
    print(time.monotonic() - started)
"""
_PLAIN = """
import sys, time
from pathlib import Path
import imagehash
from PIL import Image
started, hashes = time.monotonic(), []
for path in sorted(Path(sys.argv[1]).iterdir()):
    with Image.open(path) as image:
        hashes.append(imagehash.phash(image))
pairs = sum(a - b <= 3 for n, a in enumerate(hashes) for b in hashes[:n])
print(time.monotonic() - started)
"""
_CLEANVISION = """
import sys, time
from cleanvision import Imagelab
started = time.monotonic()
Imagelab(data_path=sys.argv[1], verbose=False).find_issues(verbose=False)
print(time.monotonic() - started)
"""


def main() -> None:
    pictures = originals(1024, Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    with tempfile.TemporaryDirectory() as name:
        folder = _make_images(pictures, Path(name) / "images")
        rates = {"ours": _rate(sys.executable, _OURS, folder), "imagehash, plainly": _rate(sys.executable, _PLAIN, folder)}
        if python := os.environ.get("CLEANVISION"):
            rates["cleanvision"] = _rate(python, _CLEANVISION, folder)
        else:
            print("cleanvision is not measured: CLEANVISION names no python that has it")
    for label, row in rates.items():
        print(f"{label:<20} {row['images_per_second']:8.1f} images/s  {row['peak_mb']:7.0f} MB")
    copies = _copies(pictures)
    for kind, row in copies.items():
        shares = f"{row['found'] / row['planted']:6.1%}, different pictures taken for copies {row['false'] / (2 * row['planted']):6.1%}"
        print(f"{kind:<28} found {row['found']:3d} of {row['planted']:3d}: {shares}")
    search = {str(count): _search(count) for count in HASHES}
    for count, seconds in search.items():
        print(f"{count:>9} hashes, at most {RADIUS} bits apart: {seconds:7.2f} s")
    ratio = rates["ours"]["images_per_second"] / rates["cleanvision"]["images_per_second"] if "cleanvision" in rates else None
    print(json.dumps({"rates": rates, "copies": copies, "search_seconds": search, "ratio": ratio}))


def _make_images(pictures: list[Image.Image], folder: Path) -> Path:
    """So many JPEGs of camera size (1600 px), each a crop of its own."""
    folder.mkdir()
    draw = random.Random(1)
    for number in range(IMAGES):
        picture = pictures[number % len(pictures)]
        left, top = draw.uniform(0, 0.3), draw.uniform(0, 0.3)
        box = (left * picture.width, top * picture.height, (left + 0.7) * picture.width, (top + 0.7) * picture.height)
        side = (1600, round(1600 * picture.height / picture.width))
        (folder / f"{number:05d}.jpg").write_bytes(jpeg(picture.resize(side, Image.Resampling.BICUBIC, box=box)))
    return folder


def _rate(python: str, program: str, folder: Path) -> dict[str, float]:
    """Images per second and peak memory of a program that prints the seconds that it took for a folder."""
    process = subprocess.Popen([python, "-c", program, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with peak_memory(process.pid) as memory:
        said, _ = process.communicate()
    assert process.returncode == 0
    return {"images_per_second": IMAGES / float(said.split()[-1])} | memory


def _copies(pictures: list[Image.Image]) -> dict[str, dict[str, Any]]:
    spec = CurationSpec()
    measures = {f"original {n}": measure(jpeg(picture)) for n, picture in enumerate(pictures)}
    rows = {}
    for kind, alter in COPIES.items():
        both = measures | {f"copy {n}": measure(jpeg(alter(picture))) for n, picture in enumerate(pictures)}
        found = repeats(list(both), both, spec.near_duplicate_distance, spec.near_duplicate_correlation)
        right = sum(name.split()[1] == repeat.of.split()[1] for name, repeat in found.items())
        rows[kind] = {"planted": len(pictures), "found": right, "false": len(found) - right}
    return rows


def _search(count: int) -> float:
    """Seconds to find all near pairs among random hashes, a tenth of which have a near copy."""
    draw = np.random.default_rng(1)
    hashes = draw.integers(0, 2**64, count, np.uint64)
    copies = count // 10
    hashes[:copies] = hashes[-copies:] ^ (np.uint64(1) << draw.integers(0, 64, copies, np.uint64))
    started = time.monotonic()
    index = HashIndex(hashes, RADIUS)
    found = sum(int((left + start < right).sum()) for start, left, right in _all_near(index))
    assert found >= copies
    return round(time.monotonic() - started, 2)


def _all_near(index: HashIndex) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Asks for all hashes of an index, some at a time."""
    for start in range(0, len(index.hashes), _ASKED_AT_ONCE):
        for left, right, _ in index.near(index.hashes[start : start + _ASKED_AT_ONCE]):
            yield start, left, right


if __name__ == "__main__":
    main()
