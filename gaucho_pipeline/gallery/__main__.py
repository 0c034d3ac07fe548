"""The gallery as a stage: makes `sample_gallery` of a concept.

Writes pictures/ (PNGs that say they were generated, and from what), pictures.jsonl, contact_sheet.jpg and ATTRIBUTION.csv. What the
pictures are worth is scored in `evaluation/`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from gaucho_pipeline.assets.metrics import SampleGalleryMetrics
from gaucho_pipeline.assets.rows import Picture, to_json, write_rows
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest, file_digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.gallery.contact_sheet import contact_sheet
from gaucho_pipeline.gallery.facts import DrawnWith, facts_of
from gaucho_pipeline.gallery.generation import Settings, draw_samples, open_base
from gaucho_pipeline.gallery.png_info import png_info
from gaucho_pipeline.gallery.samples import MODELS, Model, Sample, samples_of, untranslated
from gaucho_pipeline.images.decoding import pixels_digest, shows_nothing
from gaucho_pipeline.images.picture_cache import PictureCache
from gaucho_pipeline.models import base_models
from gaucho_pipeline.provenance.facts import Facts
from gaucho_pipeline.provenance.labels import labelled, marked_png
from gaucho_pipeline.provenance.signing import Signer, signer_from_environment
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.manifest import Manifest, read_manifest

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
    spec, checkpoint = GallerySpec.model_validate(request.spec), request.inputs["checkpoint"]
    trained, signer = read_manifest(checkpoint), signer_from_environment()
    if unknown := untranslated(spec):
        reporter.info(_("words that the glossary does not hold, left as they are: {unknown}", unknown=", ".join(unknown)))
    gallery, settings = _draw(request, trained, spec, staging / ".drawn", reporter)
    writer = _Writer(request, staging, spec, trained, settings, signer)
    (staging / "pictures").mkdir(exist_ok=True)
    for model in MODELS:
        for number, (sample, picture) in enumerate(zip(gallery.samples, gallery.pictures[model], strict=True)):
            writer.write(model, number, sample, picture)
    write_rows(staging / "pictures.jsonl", writer.rows)
    write_atomically(staging / "contact_sheet.jpg", contact_sheet(gallery.samples, gallery.pictures, request.title or request.concept))
    shutil.copyfile(checkpoint / "ATTRIBUTION.csv", staging / "ATTRIBUTION.csv")
    shutil.rmtree(staging / ".drawn", ignore_errors=True)
    metrics = SampleGalleryMetrics(
        pictures=len(writer.rows),
        pictures_per_second=round(gallery.generated / max(gallery.seconds, 1e-6), 3),
        generated=gallery.generated,
        drawn_again=gallery.again,
        black=sum(row.blank for row in writer.rows if row.model == "tuned"),
        untranslated=tuple(unknown),
    )
    rows = [to_json(row) for row in writer.rows]
    version = digest(
        [rows, [each.to_json() for each in writer.facts], signer.identity, trained.data_version, file_digest(staging / "ATTRIBUTION.csv")]
    )
    return StageResult(data_version=version, metrics=metrics)


class _Writer:
    """Writes pictures that say what they are, and keeps what the table says of them."""

    def __init__(
        self, request: StageRequest, staging: Path, spec: GallerySpec, trained: Manifest, settings: Settings, signer: Signer
    ) -> None:
        self._request, self._staging, self._spec, self._trained, self._settings = request, staging, spec, trained, settings
        self._signer = signer
        self.rows, self.facts = list[Picture](), list[Facts]()

    def write(self, model: Model, number: int, sample: Sample, picture: Image.Image) -> None:
        request = self._request
        drawn_with = DrawnWith(request.concept, self._trained, request.historical, consent=request.consent)
        facts = facts_of(sample, model, self._settings, self._spec, drawn_with)
        shown = labelled(picture, self._request.historical) if self._spec.visible_label else picture
        file = f"pictures/{number:03d}-{model}.png"
        texts = png_info(facts, self._request.concept, self._settings.denoiser == "unet")
        write_atomically(self._staging / file, self._signer.sign(marked_png(shown, facts, texts), facts))
        own = {"prompt": sample.prompt, "written": sample.written, "without_token": sample.without_token, "seed": sample.seed}
        row = Picture(
            file=file, model=model, number=number, kind=sample.kind, blank=shows_nothing(picture), pixels=pixels_digest(shown),
            height=picture.height, **own,
        )  # fmt: skip
        self.rows.append(row)
        self.facts.append(facts)


def _draw(request: StageRequest, trained: Manifest, spec: GallerySpec, tuned_folder: Path, reporter: Reporter) -> tuple[_Gallery, Settings]:
    """All pictures; those that show nothing are drawn again by both models with another seed, a few times at most."""
    samples = samples_of(spec, request.concept_words)
    kept: Mapping[Model, PictureCache] = {"base": PictureCache(request.data / ".pictures"), "tuned": PictureCache(tuned_folder)}
    models = _Models(trained, spec, request.inputs["checkpoint"], kept, tuned_folder / "waiting", reporter)
    found = _Gallery(list(samples), {model: [Image.new("RGB", (1, 1))] * len(samples) for model in MODELS}, 0, 0)
    settings, wanted = models.draw(found, list(range(len(samples))), "generating"), _blank(found, range(len(samples)))
    for turn in range(1, _ROUNDS):
        if not wanted:
            break
        found.again = max(found.again, len(wanted))
        reporter.info(_("{count} pictures show nothing and are drawn again with another seed, by both models", count=len(wanted)))
        for number in wanted:
            found.samples[number] = replace(samples[number], seed=(samples[number].seed + turn * _NEXT_SEED) % 2**31)
        models.draw(found, wanted, "generating again")
        wanted = _blank(found, wanted)
    return found, settings


def _blank(found: _Gallery, numbers: Iterable[int]) -> list[int]:
    """The samples of which a model drew nothing. Raises GauchoError if the tuned one draws nothing at all."""
    if all(shows_nothing(picture) for picture in found.pictures["tuned"]):
        if all(shows_nothing(picture) for picture in found.pictures["base"]):
            raise GauchoError(
                _(
                    "every picture shows nothing, those of the base model too: it is no matter of the "
                    "training; its VAE may not work in half precision, or its files are damaged: take "
                    "another training.base_model"
                )
            )
        raise GauchoError(_("every picture shows nothing; lower training.learning_rate"))
    return [number for number in numbers if any(shows_nothing(found.pictures[model][number]) for model in MODELS)]


@dataclass(frozen=True)
class _Models:
    """The base model and the tuned one, opened for each round of drawing."""

    trained: Manifest
    spec: GallerySpec
    checkpoint: Path
    kept: Mapping[Model, PictureCache]
    waiting: Path
    reporter: Reporter

    def draw(self, found: _Gallery, wanted: list[int], what: str) -> Settings:
        """Draws the wanted samples with the base model and with the tuned one; returns the settings that both had."""
        progress = self.reporter.progress(what, 2 * len(wanted), "pictures")
        self.reporter.info(
            _(
                "loading {base_model} on {best_device}",
                base_model=self.trained.training_spec().base_model,
                best_device=base_models.best_device(),
            )
        )
        drawer = open_base(self.trained, self.spec, self.waiting)
        settings, samples = drawer.settings, [found.samples[number] for number in wanted]
        started = time.monotonic()
        pictures, generated = draw_samples(drawer, self.trained, self.checkpoint, self.kept, samples, progress)
        found.seconds += time.monotonic() - started
        found.generated += generated
        for model in MODELS:
            for number, picture in zip(wanted, pictures[model], strict=True):
                found.pictures[model][number] = picture
        return settings


if __name__ == "__main__":
    main(run)
