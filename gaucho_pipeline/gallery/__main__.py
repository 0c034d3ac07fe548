"""The gallery as a stage: makes `sample_gallery` of a concept.

Writes pictures/ (PNGs that say they were generated, and from what), pictures.jsonl, contact_sheet.jpg and ATTRIBUTION.csv. What the
pictures are worth is scored in `evaluation/`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from gaucho_pipeline.assets.metrics import SampleGalleryMetrics
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.digests import digest, file_digest
from gaucho_pipeline.files.tables import write_table
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.gallery.contact_sheet import contact_sheet
from gaucho_pipeline.gallery.facts import facts_of
from gaucho_pipeline.gallery.generation import Drawer, draw_once, open_base, tune
from gaucho_pipeline.gallery.png_info import png_info
from gaucho_pipeline.gallery.samples import MODELS, Model, Sample, samples_of, untranslated
from gaucho_pipeline.images.decoding import pixels_digest, shows_nothing
from gaucho_pipeline.images.picture_cache import PictureCache
from gaucho_pipeline.models import base_models
from gaucho_pipeline.provenance.labels import labelled, marked_png
from gaucho_pipeline.provenance.signing import signer_from_environment
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Progress, Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.manifest import MANIFEST, Manifest

_ROUNDS = 3
_NEXT_SEED = 1_000_003


@dataclass
class _Gallery:
    """Pictures by model, sample by sample; the samples have the seeds that were used in the end."""

    samples: list[Sample]
    pictures: dict[Model, list[Image.Image]]
    generated: int
    """How many were not there already."""
    again: int
    """Samples that were drawn with another seed."""
    seconds: float = 0.0
    """That drawing took."""


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Generates every prompt with every seed, with the base model and with the tuned one.

    Raises GauchoError if what was learned does not load, or every picture of the tuned model shows nothing.
    """
    value = dict(request.spec)
    token, class_noun, imagined = value.pop("token"), value.pop("class_noun"), value.pop("historical", False)
    spec, checkpoint = GallerySpec.model_validate(value), request.inputs["checkpoint"]
    trained = Manifest.model_validate_json((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    signer = signer_from_environment()
    if unknown := untranslated(spec):
        reporter.info(f"words that the glossary does not hold, left as they are: {', '.join(unknown)}")
    gallery, settings = _draw(request, trained, spec, samples_of(spec, token, class_noun), staging / ".drawn", reporter)
    rate = gallery.generated / max(gallery.seconds, 1e-6)
    rows, told = list[dict[str, Any]](), list[dict[str, Any]]()
    for model in MODELS:
        for number, (sample, picture) in enumerate(zip(gallery.samples, gallery.pictures[model], strict=True)):
            facts = facts_of(sample, model, settings, spec, request.concept, trained, imagined)
            shown = labelled(picture, imagined) if spec.visible_label else picture
            file = f"pictures/{number:03d}-{model}.png"
            (staging / "pictures").mkdir(exist_ok=True)
            texts = png_info(facts, request.concept, settings["denoiser"] == "unet")
            write_atomically(staging / file, signer.sign(marked_png(shown, facts, texts), facts))
            rows.append(_row(file, model, number, sample, picture) | {"pixels": pixels_digest(shown), "height": picture.height})
            told.append(facts)
    write_table(staging / "pictures.jsonl", rows)
    write_atomically(staging / "contact_sheet.jpg", contact_sheet(gallery.samples, gallery.pictures, request.title or request.concept))
    shutil.copyfile(checkpoint / "ATTRIBUTION.csv", staging / "ATTRIBUTION.csv")
    shutil.rmtree(staging / ".drawn", ignore_errors=True)
    metrics = SampleGalleryMetrics(
        pictures=len(rows),
        pictures_per_second=round(rate, 3),
        generated=gallery.generated,
        drawn_again=gallery.again,
        black=sum(row["blank"] for row in rows if row["model"] == "tuned"),
        untranslated=tuple(unknown),
    )
    version = digest([rows, told, signer.identity, trained.data_version, file_digest(staging / "ATTRIBUTION.csv")])
    return StageResult(data_version=version, metrics=metrics)


def _draw(
    request: StageRequest, trained: Manifest, spec: GallerySpec, samples: list[Sample], tuned_folder: Path, reporter: Reporter
) -> tuple[_Gallery, dict[str, Any]]:
    """All pictures; those that show nothing are drawn again by both models with another seed, a few times at most."""
    kept: Mapping[Model, PictureCache] = {"base": PictureCache(request.data / ".pictures"), "tuned": PictureCache(tuned_folder)}
    progress = reporter.progress("generating", 2 * len(samples), "pictures")
    found = _Gallery(list(samples), {model: [Image.new("RGB", (1, 1))] * len(samples) for model in MODELS}, 0, 0)
    wanted, settings = list(range(len(samples))), dict[str, Any]()
    for turn in range(_ROUNDS):
        for number in wanted:
            found.samples[number] = replace(samples[number], seed=(samples[number].seed + turn * _NEXT_SEED) % 2**31)
        settings = _draw_both(request, trained, spec, found, wanted, kept, progress, reporter)
        wanted = [number for number in wanted if any(shows_nothing(found.pictures[model][number]) for model in MODELS)]
        if all(shows_nothing(picture) for picture in found.pictures["tuned"]):
            if all(shows_nothing(picture) for picture in found.pictures["base"]):
                raise GauchoError(
                    "every picture shows nothing, those of the base model too: it is no matter of the training; its VAE may not work in "
                    "half precision, or its files are damaged: take another training.base_model"
                )
            raise GauchoError("every picture shows nothing; lower training.learning_rate")
        if not wanted:
            break
        if turn + 1 < _ROUNDS:
            found.again = max(found.again, len(wanted))
            reporter.info(f"{len(wanted)} pictures show nothing and are drawn again with another seed, by both models")
            progress = reporter.progress("generating again", 2 * len(wanted), "pictures")
    return found, settings


def _draw_both(
    request: StageRequest,
    trained: Manifest,
    spec: GallerySpec,
    found: _Gallery,
    wanted: list[int],
    kept: Mapping[Model, PictureCache],
    progress: Progress,
    reporter: Reporter,
) -> dict[str, Any]:
    """Draws the wanted samples with the base model, then with the tuned one; returns the settings that both had."""
    reporter.info(f"loading {trained.provenance.spec['base_model']} on {base_models.best_device()}")
    drawer: Drawer = open_base(trained, spec)
    settings = drawer.settings
    for model in MODELS:
        if model == "tuned":
            drawer = tune(drawer, trained, request.inputs["checkpoint"])
        started = time.monotonic()
        pictures, generated = draw_once(kept[model], drawer, [found.samples[number] for number in wanted], progress)
        found.seconds += time.monotonic() - started
        found.generated += generated
        for number, picture in zip(wanted, pictures, strict=True):
            found.pictures[model][number] = picture
    return settings


def _row(file: str, model: Model, number: int, sample: Sample, picture: Image.Image) -> dict[str, Any]:
    return {
        "file": file,
        "model": model,
        "number": number,
        "kind": sample.kind,
        "prompt": sample.prompt,
        "written": sample.written,
        "without_token": sample.without_token,
        "seed": sample.seed,
        "blank": shows_nothing(picture),
    }


if __name__ == "__main__":
    main(run)
