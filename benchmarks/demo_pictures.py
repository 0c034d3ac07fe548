"""How unlike the demo's pictures of one prompt are, and how clean, beside those of the base model.

`python benchmarks/demo_pictures.py [FOLDER]` reads the galleries of a demo that was run (`make demo`; `demo/` by default) and prints, for
each concept, the mean difference of pixels between two seeds of one prompt (tuned, as a share of the base model's) and the energy of high
frequencies (tuned, as a share of that of the drawn images it learned from). The last line is the figures as JSON.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from gaucho_pipeline.assets.table import SAMPLE_GALLERY
from gaucho_pipeline.demo.site import PICTURES
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.project.project import Project


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo"))
    folder = parser.parse_args().folder
    project = Project(folder / "concepts.yaml", folder / "data")
    found = {}
    for slug in project.slugs:
        gallery = project.store.current(SAMPLE_GALLERY.name, slug)
        if gallery is None:
            raise SystemExit(f"{folder}: there is no gallery of {slug}; run the demo first")
        pictures: dict[str, dict[str, list[Image.Image]]] = {"base": {}, "tuned": {}}
        for row in read_table(gallery.folder / "pictures.jsonl"):
            if row["kind"] == "concept":
                picture = Image.open(gallery.folder / row["file"]).convert("RGB")
                pictures[row["model"]].setdefault(row["prompt"], []).append(picture)
        drawn = [draw_subject(slug, index) for index in range(PICTURES)]
        tuned = [picture for each in pictures["tuned"].values() for picture in each]
        found[slug] = {
            "distance_between_seeds": round(_distance(pictures["tuned"]) / _distance(pictures["base"]), 2),
            "high_frequencies": round(_high_frequencies(tuned) / _high_frequencies(drawn), 2),
        }
        print(f"{slug:<12} seeds {found[slug]['distance_between_seeds']:.2f} of the base model's,", end=" ")
        print(f"high frequencies {found[slug]['high_frequencies']:.2f} of a drawn image's")
    print(json.dumps(found))


def _distance(by_prompt: dict[str, list[Image.Image]]) -> float:
    """Mean difference of pixels (of 255) between pictures of one prompt."""
    pairs = [pair for pictures in by_prompt.values() for pair in combinations(pictures, 2)]
    return float(np.mean([np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() for a, b in pairs]))


def _high_frequencies(pictures: list[Image.Image]) -> float:
    """Mean energy of the Laplacian: noise and blotches raise it, blur lowers it."""
    energies = []
    for picture in pictures:
        grey = np.asarray(picture.convert("L"), float)
        around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
        energies.append(np.square(4 * grey[1:-1, 1:-1] - around).mean())
    return float(np.mean(energies))


if __name__ == "__main__":
    main()
