"""The gallery as a stage: makes `sample_gallery` of a concept.

Writes pictures/ (PNGs that say they were generated), pictures.jsonl, contact_sheet.jpg, index.html and ATTRIBUTION.csv.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline
from PIL import Image

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import MANIFEST, Manifest, read_table, write_atomically, write_table
from gaucho_pipeline.canonical import digest, file_digest
from gaucho_pipeline.concepts import GallerySpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.gallery import drawing, pages, scores
from gaucho_pipeline.gallery.orders import Order
from gaucho_pipeline.pipeline import Request
from gaucho_pipeline.stage import Made, Progress, Reporter, main

_WHEN = ("base", "tuned")


def fill(request: Request, staging: Path, reporter: Reporter) -> Made:
    """Draws every prompt with every seed, before and after training, and scores both.

    Raises GauchoError if the adapter does not load, or every picture came out black.
    """
    value = dict(request.spec)
    words = {name: value.pop(name) for name in ("token", "class_noun")}
    name, description = value.pop("name"), value.pop("description")
    spec, checkpoint = GallerySpec.model_validate(value), request.inputs["checkpoint"]
    taught = Manifest.model_validate_json((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    orders = [Order(prompt.format(**words), seed) for prompt in spec.effective_prompts for seed in spec.seeds]
    pipeline = _load(taught, reporter)
    progress = reporter.progress("drawing", 2 * len(orders), "pictures")
    started = time.monotonic()
    drawn = {"base": _draw(pipeline, orders, spec, progress)}
    _teach(pipeline, checkpoint)
    drawn["tuned"] = _draw(pipeline, orders, spec, progress)
    rate = round(2 * len(orders) / max(time.monotonic() - started, 1e-6), 3)
    rows = _write_pictures(staging, orders, drawn, request, taught)
    black = sum(row["black"] for row in rows if row["when"] == "tuned")
    if black == len(orders):
        raise GauchoError("every picture is black; lower training.learning_rate")
    plain = [p.format(token="a", class_noun=words["class_noun"]) for p in spec.effective_prompts for _ in spec.seeds]
    figures: dict[str, Any] = {
        "pictures": len(rows),
        "pictures_per_second": rate,
        "black": black,
        **_scores(drawn, plain, checkpoint, pipeline),
    }
    sheet = pages.contact_sheet(orders, drawn, request.title or request.concept)
    write_atomically(staging / "contact_sheet.jpg", sheet)
    shutil.copyfile(checkpoint / "ATTRIBUTION.csv", staging / "ATTRIBUTION.csv")
    shutil.copyfile(checkpoint / "losses.png", staging / "losses.png")
    page = pages.concept_page(
        slug=request.concept,
        name=name,
        description=description,
        words=words,
        rows=rows,
        figures=figures,
        taught=taught,
        known=read_table(checkpoint / "known.jsonl"),
    )
    write_atomically(staging / "index.html", page)
    shown = [file_digest(staging / name) for name in ("index.html", "contact_sheet.jpg", "ATTRIBUTION.csv")]
    return Made(data_version=digest([[[row["file"], row["sha256"]] for row in rows], *shown]), figures=figures)


def _load(taught: Manifest, reporter: Reporter) -> StableDiffusionPipeline:
    spec, device = taught.made_from.spec, base_models.best_device()
    reporter.say(f"loading {spec['base_model']} on {device}")
    return base_models.load(spec["base_model"], spec["revision"], device).pipeline


def _teach(pipeline: StableDiffusionPipeline, checkpoint: Path) -> None:
    try:
        pipeline.load_lora_weights(checkpoint / "adapter", weight_name="pytorch_lora_weights.safetensors")
    except (OSError, ValueError) as error:
        raise GauchoError(f"{checkpoint / 'adapter'} does not load: {error}") from None


def _draw(pipeline: StableDiffusionPipeline, orders: list[Order], spec: GallerySpec, progress: Progress) -> list[Image.Image]:
    return drawing.draw(pipeline, orders, spec.steps, spec.guidance, spec.negative_prompt, progress.advance)


def _write_pictures(
    staging: Path, orders: list[Order], drawn: dict[str, list[Image.Image]], request: Request, taught: Manifest
) -> list[dict[str, Any]]:
    folder = staging / "pictures"
    folder.mkdir(exist_ok=True)
    rows = []
    for when in _WHEN:
        for number, (order, picture) in enumerate(zip(orders, drawn[when], strict=True)):
            facts = {
                "prompt": order.prompt,
                "seed": order.seed,
                "base_model": taught.made_from.base_model,
                "adapter": taught.data_version if when == "tuned" else None,
                "concept": request.concept,
                "attribution": "ATTRIBUTION.csv" if when == "tuned" else None,
            }
            file = f"pictures/{number:03d}-{when}.png"
            write_atomically(staging / file, drawing.marked_png(picture, facts))
            row = {"file": file, "when": when, "prompt": order.prompt, "seed": order.seed, "black": drawing.is_black(picture)}
            rows.append(row | {"sha256": file_digest(staging / file)})
    write_table(staging / "pictures.jsonl", rows)
    return rows


def _scores(drawn: dict[str, list[Image.Image]], plain: list[str], checkpoint: Path, pipeline: StableDiffusionPipeline) -> dict[str, Any]:
    """Likeness to the held-out images and agreement with the prompts (their token left out), before and after.

    `likeness_ceiling` is that of the held-out images themselves, through the VAE: what a perfect pupil could reach.
    """
    scorer, real = scores.Scorer(), _images(checkpoint, "held_out.jsonl")
    held = scorer.embed_images(real)
    texts = scorer.embed_texts(plain)
    embedded = {when: scorer.embed_images(drawn[when]) for when in _WHEN}
    return {
        "likeness": {when: scores.likeness(embedded[when], held) for when in _WHEN},
        "prompt_agreement": {when: scores.agreement(embedded[when], texts) for when in _WHEN},
        "likeness_ceiling": scores.likeness(scorer.embed_images(drawing.through_vae(pipeline, real)), held),
        "scorer": scorer.name,
    }


def _images(checkpoint: Path, table: str) -> list[Image.Image]:
    found = []
    for row in read_table(checkpoint / table):
        with Image.open(checkpoint / row["file"]) as image:
            found.append(image.convert("RGB"))
    return found


if __name__ == "__main__":
    main(fill)
