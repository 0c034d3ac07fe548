"""Whether a style is learned, and whether the verdict can tell: a photographer's process that the embedded model has never seen.

    python benchmarks/style.py [--seeds N] [--steps N] [--pictures FOLDER]

Works of the photographer show things of the small world as cyanotypes; captions say what each shows. Works of others show the same kinds
of things as they are, in flat colours and in sepia. Each seed is run three times: `taught`; `one step`, which learns nothing; and `among
own works`, whose works of others are the photographer's own, so that nobody could tell. Printed of each: the verdict and its reason, both
shares, and retrieval (mean average precision of the photographer's works before those of others) of the base model, tuned, and of the
works themselves. FOLDER gets a sheet of the pictures of each. Last line: JSON with the counts of each verdict, and `ratio`, tuned retrieval
over the base model's of what was taught.

The small model draws what it knows in few strokes: it learns a palette, and no hatching. Its made-up names each mean a thing, and a picture
that is asked for by one shows it: so the token is a word that it does not know.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from PIL import Image, ImageOps

WORKS, SIDE = 24, 128
TOKEN, NOUN = "zmr", "photo"
PLACES, TIMES = {"grass": "on the grass", "beach": "on the beach", "snow": "in the snow"}, {"day": "by day", "sunset": "at sunset"}
KINDS = ("tree", "bottle", "house", "person", "mushroom")
SHOWN = (
    "cat on the grass by day", "car in the city at night", "tree in the city by day", "house on a table at sunset",
    "cup on the beach by day",
)  # fmt: skip
PROMPTS = [f"a {{token}} {{class_noun}} of a {what}" for what in SHOWN]
TRAINING = {"base_model": "embedded", "prior_loss_weight": 0.2, "train_text_encoder": True}
"""A style is in every part of a picture: with more of a prior, and the token's words as they are, only a part of it is learned."""
CURATION = {
    "min_side": 64, "min_sharpness": 1e-6, "max_graphic": 1.0, "min_entropy": 0.0, "near_duplicate_distance": 0,
    "near_duplicate_correlation": 1.0, "captions": "title",
}  # fmt: skip


def cyanotype(picture: Image.Image) -> Image.Image:
    """Prussian blue on white paper."""
    return ImageOps.colorize(picture.convert("L"), (10, 36, 92), (236, 243, 248))


def sepia(picture: Image.Image) -> Image.Image:
    """Brown on yellowed paper."""
    return ImageOps.colorize(picture.convert("L"), (52, 34, 22), (243, 228, 200))


def flat(picture: Image.Image) -> Image.Image:
    """Few colours."""
    return picture.quantize(4).convert("RGB")


def plain(picture: Image.Image) -> Image.Image:
    """As the small model draws."""
    return picture


def draw_works(folder: Path, manners: list[Callable[[Image.Image], Image.Image]], seed: int) -> Path:
    """Works in these manners in turn, each named by what it shows."""
    from gaucho_pipeline.embedded.pen import Scene
    from gaucho_pipeline.embedded.world import draw_picture, random_variant

    folder.mkdir(parents=True)
    rng = random.Random(seed)
    shown = [(kind, place, time) for kind in KINDS for place in PLACES for time in TIMES]
    rng.shuffle(shown)
    for number, (kind, place, time) in enumerate(shown[:WORKS]):
        picture = draw_picture(random_variant(kind, rng), Scene(place, time, rng.getrandbits(31)), rng.getrandbits(31))
        work = manners[number % len(manners)](picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        work.save(folder / f"a {kind} {PLACES[place]} {TIMES[time]}.png")
    return folder


def teach(folder: Path, works: Path, others: Path, training: dict[str, Any], seed: int) -> Any:
    """The project, after everything up to the evaluation was made."""
    from gaucho_pipeline.project.project import Project

    concept = {
        "token": TOKEN, "class_noun": NOUN, "subject": "style", "curation": CURATION, "training": training,
        "crawl": {"sources": [{"folder": {"path": str(works), "license": "cc0", "author": "drawn", "source": "drawn"}}]},
        "gallery": {"prompts": PROMPTS, "seeds": [seed * 10 + number for number in range(8)]},
        "evaluation": {"look_alikes": {"folder": str(others)}},
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "concepts.yaml").write_text(yaml.safe_dump({"concepts": {"photographer": concept}}), encoding="utf-8")
    with (folder / "run.log").open("w") as log:
        command = [sys.executable, "-m", "gaucho_pipeline", "run", "--select", "evaluation"]
        subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log)
    return Project(folder / "concepts.yaml", folder / "data")


def sheet(project: Any, path: Path) -> None:
    """A row of works, and beneath it the pictures of one seed: of the base model, and tuned."""
    from gaucho_pipeline.assets.rows import Picture, TrainImage, read_rows

    curated, gallery = (project.artifact(name, "photographer").folder for name in ("curated_set", "sample_gallery"))
    rows = read_rows(gallery / "pictures.jsonl", Picture)
    drawn = {model: [row.file for row in rows if row.kind == "concept" and row.model == model][::8] for model in ("base", "tuned")}
    works = [curated / row.file for row in read_rows(curated / "images.jsonl", TrainImage)]
    lines = [works[: len(PROMPTS)], *([gallery / name for name in names] for names in drawn.values())]
    whole = Image.new("RGB", (SIDE * len(PROMPTS), SIDE * len(lines)))
    for line, paths in enumerate(lines):
        for place, each in enumerate(paths):
            whole.paste(Image.open(each).convert("RGB").resize((SIDE, SIDE)), (SIDE * place, SIDE * line))
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="Of each training, to try this out; as the family recommends if not given.")
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    verdicts: dict[str, Counter[str]] = {}
    gained = list[tuple[float, float]]()
    print("| run | seed | verdict | similarity | separation | retrieval | of the works |\n| --- | --- | --- | --- | --- | --- | --- |")
    for seed in range(1, asked.seeds + 1):
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            works = draw_works(root / "works", [cyanotype], seed)
            others = draw_works(root / "others", [plain, flat, sepia], seed + 100)
            own = draw_works(root / "own", [cyanotype], seed + 200)
            longest = {"max_steps": asked.steps} if asked.steps else {}
            for run, beside, keys in (
                ("taught", others, longest),
                ("one step", others, {"max_steps": 1}),
                ("among own works", own, longest),
            ):
                project = teach(root / run.replace(" ", "_"), works, beside, TRAINING | {"seed": seed, **keys}, seed)
                found = project.artifact("evaluation", "photographer").manifest.metrics
                verdicts.setdefault(run, Counter())[found.verdict] += 1
                shares = [
                    f"{each.value:.2f} ({each.interval[0]:.2f} to {each.interval[1]:.2f})" for each in (found.share, found.separation)
                ]
                retrieval = found.scores["retrieval"]
                if run == "taught":
                    gained.append((retrieval.base, retrieval.tuned))
                print(f"| {run} | {seed} | {found.verdict} ({found.reason}) | {shares[0]} | {shares[1]} | {retrieval.base:.3f} → "
                      f"{retrieval.tuned:.3f} | {retrieval.ceiling:.3f} |", flush=True)  # fmt: skip
                if asked.pictures:
                    sheet(project, asked.pictures / f"{run.replace(' ', '-')}-{seed}.png")
    base, tuned = (fmean(each) for each in zip(*gained, strict=True))
    print(json.dumps({"verdicts": {run: dict(counts) for run, counts in verdicts.items()}, "ratio": round(tuned / base, 3)}))


if __name__ == "__main__":
    main()
