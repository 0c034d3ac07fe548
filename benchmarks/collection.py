"""One adapter for several concepts against one adapter for each: whether each can be drawn, and whether one is taken for another.

`python benchmarks/collection.py [--seeds N] [--steps N]` teaches the embedded model three drawn subjects, each alone and all in a
collection, with what its family recommends, and prints for each seed the verdicts, the shares, and how often pictures are taken for their
own concept: drawn by the single adapters, by these used together, and by the collection's. Last line: JSON; `ratio` is the share of
pictures that are taken for their own concept by the collection, over that of single adapters used together.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

if __package__ is None:
    sys.path.insert(0, str(Path(__file__).parent))
SUBJECTS = {"araucaria": ("mtl", "tree"), "chimarrao": ("dnc", "cup"), "windmill": ("mgn", "house")}
IMAGES = 18
DEFAULTS = {
    "curation": {
        "min_side": 64, "min_sharpness": 0.0001, "min_images": 8, "max_graphic": 1.0, "near_duplicate_distance": 2,
        "near_duplicate_correlation": 0.98, "captions": "context",
        "context": {
            "model": "embedded", "medium": ["a photo"], "light": ["by day", "at sunset", "at night"], "view": [],
            "place": ["on the grass", "on the beach", "in the snow", "in the city", "on a table"],
        },
    },
}  # fmt: skip


def write_project(folder: Path, seed: int, steps: int | None, together: bool) -> None:
    from drawn_subjects import draw

    from gaucho_pipeline.demo.subjects import TRAINING_SCENES

    concepts: dict[str, Any] = {}
    for subject, (token, noun) in SUBJECTS.items():
        photos = folder / "photos" / subject
        photos.mkdir(parents=True)
        for number in range(IMAGES):
            draw(subject, 100 * seed + number, TRAINING_SCENES[number % len(TRAINING_SCENES)], side=128).save(photos / f"{number:02d}.png")
        source = {"folder": {"path": str(photos), "license": "cc0", "author": "drawn", "source": "drawn"}}
        concepts[subject] = {"token": token, "class_noun": noun, "crawl": {"sources": [source]}}
    training = {"base_model": "embedded", "seed": seed} | ({"max_steps": steps} if steps else {})
    whole: dict[str, Any] = {"defaults": DEFAULTS | {"training": training}, "concepts": concepts}
    if together:
        whole["collections"] = {"all_of_them": {"concepts": list(SUBJECTS)}}
    (folder / "concepts.yaml").write_text(yaml.safe_dump(whole, allow_unicode=True), encoding="utf-8")


def run(folder: Path) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "gaucho_pipeline", "run", "--jobs", "1", "--select", "evaluation"]
    with (folder / "run.log").open("w") as log:
        subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log)
    return time.monotonic() - began


def results(folder: Path) -> dict[str, Any]:
    """Of each subject: its verdict, the two shares, and the vectors of its images and pictures."""
    from gaucho_pipeline.project.project import Project

    project = Project(folder / "concepts.yaml", folder / "data")
    found = {}
    for subject in SUBJECTS:
        metrics: Any = project.artifact("evaluation", subject).manifest.metrics
        learned: Any = project.checkpoint(subject).manifest.metrics
        shares = {name: (share.value, *share.interval) for name in ("share", "separation") if (share := getattr(metrics, name))}
        drift = learned.class_noun_drift
        found[subject] = {"verdict": metrics.verdict, "reason": metrics.reason, "loss_fell": learned.loss_fell, "drift": drift, **shares}
    return found


def pictures_of(folder: Path, adapters: Path | None) -> dict[str, Any]:
    """By subject: real images, the base model's pictures and tuned ones; drawn by all adapters of a project at once where it is named."""
    from gaucho_pipeline.assets.rows import Picture, TrainImage, read_rows
    from gaucho_pipeline.evaluation.reading import read_drawn, read_small
    from gaucho_pipeline.gallery.generation import open_base
    from gaucho_pipeline.gallery.samples import samples_of
    from gaucho_pipeline.models.trained import Adapters
    from gaucho_pipeline.project.project import Project

    project, found = Project(folder / "concepts.yaml", folder / "data"), {}
    drawer = None
    if adapters:
        made = {subject: project.checkpoint(subject) for subject in SUBJECTS}
        drawer = open_base(made["araucaria"].manifest, project.on_its_base_model("araucaria").gallery, folder / "waiting")
        Adapters(drawer.family, {subject: (each.manifest, each.folder) for subject, each in made.items()}).use(dict.fromkeys(SUBJECTS, 1.0))
    for subject in SUBJECTS:
        gallery, curated = project.artifact("sample_gallery", subject).folder, project.artifact("curated_set", subject).folder
        rows = [row for row in read_rows(gallery / "pictures.jsonl", Picture) if row.kind == "concept"]
        real = [read_small(curated / row.file) for row in read_rows(curated / "images.jsonl", TrainImage)]
        base, tuned = ([read_drawn(gallery, row) for row in rows if row.model == model] for model in ("base", "tuned"))
        if drawer:
            concept = project.on_its_base_model(subject)
            spec = concept.gallery.resolved(concept.subject).model_copy(update={"class_pictures": False})
            tuned = [picture for _sample, picture in drawer.draw(samples_of(spec, concept.words))]
        found[subject] = (real, base, tuned)
    return found


def table(pictures: dict[str, Any], verdicts: dict[str, Any]) -> dict[str, Any]:
    from gaucho_pipeline.concepts.models import EncoderSpec
    from gaucho_pipeline.evaluation.confusion import Shown, confusion
    from gaucho_pipeline.models.encoders import Encoder

    encoder = Encoder("clip", EncoderSpec(model="embedded"))
    shown = {
        subject: Shown(*(encoder.embed_images(each) for each in own), verdicts[subject]["verdict"]) for subject, own in pictures.items()
    }
    rows = confusion(shown, encoder.backbone)
    return {
        subject: {
            "taken_for": row.taken_for, "real": row.real_taken_for, "own": (row.own.value, *row.own.interval), "bleeds": row.bleeds_into,
            "retrieval": row.retrieval and (row.retrieval.base, row.retrieval.tuned, *(row.retrieval.interval or ())),
        }
        for subject, row in rows.items()
    }  # fmt: skip


def own_share(rows: dict[str, Any]) -> float:
    return sum(row["own"][0] for row in rows.values()) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="Of each training, to try this out; as the family recommends if not given.")
    asked, found = parser.parse_args(), list[dict[str, Any]]()
    for seed in range(1, asked.seeds + 1):
        with tempfile.TemporaryDirectory() as name:
            alone, together = Path(name) / "alone", Path(name) / "together"
            for folder, is_collection in ((alone, False), (together, True)):
                folder.mkdir()
                write_project(folder, seed, asked.steps, is_collection)
            seconds = [round(run(folder)) for folder in (alone, together)]
            ways = {"alone": results(alone), "collection": results(together)}
            confused = {
                "alone": table(pictures_of(alone, None), ways["alone"]),
                "at once": table(pictures_of(alone, alone), ways["alone"]),
                "collection": table(pictures_of(together, None), ways["collection"]),
            }
            found.append({"seed": seed, "seconds": seconds, "results": ways, "confusion": confused})
            print(json.dumps(found[-1]), flush=True)
    shares = {way: sum(own_share(each["confusion"][way]) for each in found) / len(found) for way in ("alone", "at once", "collection")}
    print(json.dumps({"own": shares, "ratio": round(shares["collection"] / shares["at once"], 3)}))


if __name__ == "__main__":
    main()
