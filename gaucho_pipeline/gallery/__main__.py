"""The gallery as a stage: makes `sample_gallery` of a concept.

Writes pictures/ (PNGs that say they were generated), pictures.jsonl, contact_sheet.jpg, index.html and ATTRIBUTION.csv.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import MANIFEST, Manifest, read_table, write_atomically, write_table
from gaucho_pipeline.canonical import digest, file_digest
from gaucho_pipeline.concepts import GallerySpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families import Family
from gaucho_pipeline.gallery import pages
from gaucho_pipeline.gallery.generation import generate, is_black, load_base_model, load_learned, through_vae
from gaucho_pipeline.gallery.samples import MODELS, Model, Sample
from gaucho_pipeline.gallery.scorers import SCORERS, Embeddings, Encoder, clip_i, score
from gaucho_pipeline.metrics import SampleGalleryMetrics
from gaucho_pipeline.pipeline import StageRequest
from gaucho_pipeline.prompts import fill_in
from gaucho_pipeline.provenance import marked_png
from gaucho_pipeline.stage import Reporter, StageResult, main


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Generates every prompt with every seed, with the base model and with the tuned one, and scores both.

    Raises GauchoError if the adapter does not load, or every picture came out black.
    """
    value = dict(request.spec)
    words = {name: value.pop(name) for name in ("token", "class_noun")}
    name, description = value.pop("name"), value.pop("description")
    spec, checkpoint = GallerySpec.model_validate(value), request.inputs["checkpoint"]
    trained = Manifest.model_validate_json((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    samples = samples_of(spec, words["token"], words["class_noun"])
    reporter.info(f"loading {trained.provenance.spec['base_model']} on {base_models.best_device()}")
    family, side = load_base_model(trained)
    progress = reporter.progress("generating", 2 * len(samples), "pictures")
    started = time.monotonic()
    pictures: dict[Model, list[Image.Image]] = {"base": generate(family, samples, spec, side, progress.advance)}
    load_learned(family, trained, checkpoint)
    pictures["tuned"] = generate(family, samples, spec, side, progress.advance)
    rate = round(2 * len(samples) / max(time.monotonic() - started, 1e-6), 3)
    rows = _write_pictures(staging, samples, pictures, request, trained)
    black = sum(row["black"] for row in rows if row["model"] == "tuned")
    if black == len(samples):
        raise GauchoError("every picture is black; lower training.learning_rate")
    metrics = _measure(pictures, samples_of(spec, "a", words["class_noun"]), checkpoint, family, black, rate, side)
    write_atomically(staging / "contact_sheet.jpg", pages.contact_sheet(samples, pictures, request.title or request.concept))
    shutil.copyfile(checkpoint / "ATTRIBUTION.csv", staging / "ATTRIBUTION.csv")
    shutil.copyfile(checkpoint / "losses.png", staging / "losses.png")
    page = pages.concept_page(
        slug=request.concept,
        name=name,
        description=description,
        words=words,
        rows=rows,
        metrics=metrics,
        trained=trained,
        train=read_table(checkpoint / "train.jsonl"),
        scorers=SCORERS,
    )
    write_atomically(staging / "index.html", page)
    shown = [file_digest(staging / name) for name in ("index.html", "contact_sheet.jpg", "ATTRIBUTION.csv")]
    return StageResult(data_version=digest([[[row["file"], row["sha256"]] for row in rows], *shown]), metrics=metrics)


def samples_of(spec: GallerySpec, token: str, class_noun: str) -> list[Sample]:
    """Every prompt with every seed, prompt by prompt."""
    return [Sample(fill_in(prompt, token, class_noun), seed) for prompt in spec.effective_prompts for seed in spec.seeds]


def _write_pictures(
    staging: Path, samples: list[Sample], pictures: Mapping[Model, list[Image.Image]], request: StageRequest, trained: Manifest
) -> list[dict[str, Any]]:
    folder = staging / "pictures"
    folder.mkdir(exist_ok=True)
    rows = []
    for model in MODELS:
        for number, (sample, picture) in enumerate(zip(samples, pictures[model], strict=True)):
            facts = {
                "prompt": sample.prompt,
                "seed": sample.seed,
                "base_model": trained.provenance.base_model,
                "adapter": trained.data_version if model == "tuned" else None,
                "concept": request.concept,
                "attribution": "ATTRIBUTION.csv" if model == "tuned" else None,
            }
            file = f"pictures/{number:03d}-{model}.png"
            write_atomically(staging / file, marked_png(picture, facts))
            row = {"file": file, "model": model, "prompt": sample.prompt, "seed": sample.seed, "black": is_black(picture)}
            rows.append(row | {"sha256": file_digest(staging / file)})
    write_table(staging / "pictures.jsonl", rows)
    return rows


def _measure(
    pictures: Mapping[Model, list[Image.Image]],
    samples: list[Sample],
    checkpoint: Path,
    family: Family,
    black: int,
    rate: float,
    side: int,
) -> SampleGalleryMetrics:
    """Scores against validation images and the prompts; `samples` are those of the pictures, their token left out.

    The ceiling is CLIP-I of the validation images themselves, through the VAE: what a perfect pupil could reach.
    """
    encoder, real = Encoder(), _images(checkpoint, "validation.jsonl")
    prompts = [sample.prompt for sample in samples]
    scores = score(encoder, pictures, prompts, real)
    back = Embeddings(encoder.embed_images(through_vae(family, real, side)), encoder.embed_texts(prompts), encoder.embed_images(real))
    return SampleGalleryMetrics(
        pictures=2 * len(samples),
        pictures_per_second=rate,
        black=black,
        clip_i_ceiling=clip_i(back),
        encoder=encoder.name,
        **scores,
    )


def _images(checkpoint: Path, table: str) -> list[Image.Image]:
    found = []
    for row in read_table(checkpoint / table):
        with Image.open(checkpoint / row["file"]) as image:
            found.append(image.convert("RGB"))
    return found


if __name__ == "__main__":
    main(run)
