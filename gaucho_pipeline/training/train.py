"""Teaching one concept or several together: from curated sets to weights, losses and credits. What is written is in `checkpoint.py` and
`collection.py`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.assets.metrics import CheckpointMetrics
from gaucho_pipeline.assets.rows import ClassImage, Credit, TrainImage, read_rows, write_rows
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.methods.base import CheckpointInfo, Weights, tensors_digest
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import Loaded, Loading
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.rights.model_licenses import license_of
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.training import processes
from gaucho_pipeline.training.curve import draw_curves, write_logs
from gaucho_pipeline.training.energy import EnergyMeter
from gaucho_pipeline.training.examples import notes_on_sizes, split
from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare
from gaucho_pipeline.training.report import measure, read_back
from gaucho_pipeline.training.samples import STRIP, SamplesAbout, SamplesWhileTraining, sample_prompts, sampling_of
from gaucho_pipeline.training.study import Lesson, Study, train_all
from gaucho_pipeline.training.tokens import notes_on_words

SAMPLES = ".samples"
"""Where in the data folder pages of pictures while it trains are, by asset and concept."""
LEFTOVERS = ("state", "class_images")
"""What a training keeps in its folder while it is under way."""
_CREDIT = ("sha256", "title", "author", "source", "license", "license_url")


@dataclass(frozen=True)
class Trained:
    """What came of a training, and what it was made of."""

    study: Study
    concepts: Sequence[ConceptImages]
    class_images: list[ClassImage]
    notes: list[str]

    @property
    def train(self) -> list[TrainImage]:
        """Images of all concepts that were learned from."""
        return [row for each in self.concepts for row in each.train]

    @property
    def learned_from(self) -> list[TrainImage | ClassImage]:
        """What the weights are due to: all but the validation images."""
        return [*self.train, *self.class_images]

    @property
    def all_images(self) -> list[TrainImage | ClassImage]:
        """What was learned from or measured with."""
        return [*self.train, *(row for each in self.concepts for row in each.validation), *self.class_images]


def concept_images(words: ConceptWords, curated: Path, spec: TrainingSpec, weight: float = 1.0) -> ConceptImages:
    """A concept with its curated images, divided among those that are learned from and those that are measured with."""
    train, validation = split(read_rows(curated / "images.jsonl", TrainImage), spec.validation_fraction, spec.seed)
    return ConceptImages(words, curated, train, validation, weight)


def train_concepts(
    spec: TrainingSpec, concepts: Sequence[ConceptImages], request: StageRequest, staging: Path, reporter: Reporter
) -> Trained:
    """Teaches concepts to the base model; every process of a distributed run does the same."""
    base, spec = _load(spec, reporter)
    encoded, class_images = prepare(base, spec, concepts, Places(staging / "class_images", request.data, request.forgotten), reporter)
    side = spec.resolution or base.resolution
    notes = list[str]()
    for each, member in zip(concepts, encoded.members, strict=True):
        notes += notes_on_words(base.family, each.words.token, encoded.train.captions[member.train.start : member.train.stop])
    files = (each.curated / row.file for each in concepts for row in each.train)
    notes += notes_on_sizes(files, spec, side, base.family.bucket_multiple)
    for note in notes:
        reporter.info(_("note: {note}", note=note))
    with base.peaks.phase("training"):
        lesson = Lesson(encoded, _images_digest(spec, concepts), _watch(base, spec, concepts, request, reporter))
        study = train_all(base, spec, lesson, staging / "state", reporter)
        base.family.parts.drop("vae")
    if lesson.watch and processes.is_first() and (strip := lesson.watch.strip()):
        write_atomically(staging / STRIP, strip)
    return Trained(study, concepts, class_images, notes)


def _watch(
    base: Loaded, spec: TrainingSpec, concepts: Sequence[ConceptImages], request: StageRequest, reporter: Reporter
) -> SamplesWhileTraining | None:
    """What draws pictures while it trains, where that is asked for."""
    if spec.samples is None or not processes.is_first():
        return None
    rows = sample_prompts(spec.samples, [each.words for each in concepts])
    about = SamplesAbout(request.concept, str(request.fingerprint), request.historical, request.consent)
    folder = request.data / SAMPLES / request.asset / request.concept
    sampling = sampling_of(spec.samples, spec, type(base.family), base.resolution)
    return SamplesWhileTraining(spec.samples, spec, rows, sampling, folder, about, reporter)


def _images_digest(spec: TrainingSpec, concepts: Sequence[ConceptImages]) -> str:
    """What tells the images of a training from those of another."""
    rows = [row for each in concepts for row in (*each.train, *each.validation)]
    return digest([row.pixels for row in rows] + ([row.mask_pixels for row in rows] if spec.mask else []))


def measured_and_saved(
    trained: Trained, meter: EnergyMeter, slug: str, staging: Path, reporter: Reporter
) -> tuple[list[CheckpointMetrics], str]:
    """Measures what was learned of each concept, and writes weights and losses; returns the metrics and the data version."""
    watt_hours, study = meter.stop(), trained.study
    trainer, method = study.trainer, study.trainer.model.method
    with trainer.model.peaks.phase("measuring"):
        measured = measure(study, watt_hours, str(license_of(trainer.spec.base_model)))
    licenses = ", ".join(sorted({row.license for row in trained.learned_from}))
    authors = ", ".join(sorted({row.author for row in trained.learned_from if row.author}))
    words = ", ".join(f"{each.words.token} {each.words.class_noun}" for each in trained.concepts)
    method.save(staging, CheckpointInfo(slug, words, licenses, len(trained.train), authors))
    version = data_version(method.weights(), trainer.spec, trained.all_images)
    difference = read_back(study, staging)
    found = []
    for each, metrics in zip(trained.concepts, measured, strict=True):
        if len(measured) > 1:
            reporter.info(f"{each.words.token} {each.words.class_noun}:")
        peaks = {"peaks": dict(trainer.model.peaks.phases)}
        resources = metrics.resources.model_copy(update=peaks) if metrics.resources else None
        keys = {"reload_difference": difference, "notes": tuple(trained.notes), "resources": resources}
        found.append(metrics.model_copy(update=keys))
        _report(found[-1], reporter)
    _write_losses(study, measured[0].best_step, staging)
    return found, version


def _write_losses(study: Study, best_step: int, staging: Path) -> None:
    write_rows(staging / "losses.jsonl", [row.model_copy(update={"trial": name}) for name, curve in study.curves.items() for row in curve])
    draw_curves(study.curves, study.kept, best_step, staging / "losses.png")
    write_logs(study.curves, staging / "logs")


def _report(metrics: CheckpointMetrics, reporter: Reporter) -> None:
    loss = metrics.validation_loss
    reporter.info(
        _(
            "validation loss {base:.4f} before, {tuned:.4f} after; best at step {best_step}",
            base=loss.base,
            tuned=loss.tuned,
            best_step=metrics.best_step,
        )
    )
    if loss.interval:
        reporter.info(
            _(
                "loss_fell: {loss_fell} (it changed by {low:.4f} to {high:.4f})",
                loss_fell=metrics.loss_fell,
                low=loss.interval[0],
                high=loss.interval[1],
            )
        )


def _load(spec: TrainingSpec, reporter: Reporter) -> tuple[Loaded, TrainingSpec]:
    """The base model, and the specification with the side of its pictures."""
    device = base_models.best_device()
    reporter.info(
        _(
            "loading {base_model} on {device}{quantized}",
            base_model=spec.base_model,
            device=device,
            quantized=f", in {spec.quantization}" if spec.quantization else "",
        )
    )
    base = base_models.load(spec.base_model, spec.revision, device, Loading(*spec.computed))
    return base, spec.model_copy(update={"resolution": spec.resolution or base.resolution})


def data_version(weights: Weights, spec: TrainingSpec, rows: Sequence[Credit]) -> str:
    """The hash of what a checkpoint holds: what was learned, and to whom its images are credited."""
    credited = [[getattr(row, name) for name in _CREDIT] for row in rows]
    return digest([tensors_digest(weights, spec.method, spec.effective_alpha), credited])


def copied_images(rows: Sequence[TrainImage], curated: Path, staging: Path, folder: str) -> list[TrainImage]:
    """Copies images into a folder of what is made; returns their rows as they are there."""
    (staging / folder).mkdir(parents=True, exist_ok=True)
    for row in rows:
        shutil.copyfile(curated / row.file, staging / folder / Path(row.file).name)
    return [row.model_copy(update={"file": f"{folder}/{Path(row.file).name}"}) for row in rows]
