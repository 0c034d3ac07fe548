"""Pictures while it trains: a few prompts drawn with the weights as they are, on a page that reloads itself, and on one strip in the end.

They are for looking at. They change nothing of what is learned, are in no version, and take at most a stated share of the time.
"""

from __future__ import annotations

import copy
import html
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image, ImageDraw

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.training import TrainingSamples, TrainingSpec
from gaucho_pipeline.design.web import fitting, font
from gaucho_pipeline.errors import _
from gaucho_pipeline.families import Family
from gaucho_pipeline.families.base import Sampling
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.images.decoding import jpeg_within
from gaucho_pipeline.models import base_models
from gaucho_pipeline.prompts.templates import ConceptWords, fill_in
from gaucho_pipeline.provenance.facts import Facts
from gaucho_pipeline.provenance.labels import GENERATED, marked_png
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training.state import TrainerState
from gaucho_pipeline.training.tuned import TunedModel

STRIP = "samples.jpg"
PAGE = "index.html"
MAX_ROWS, MAX_COLUMNS = 12, 8
_CELL, _GAP, _LINE, _STRIP_BYTES = 96, 4, 18, 100_000
_FILE = re.compile(r"(\d{6})-(\d{2})\.png")
_OF = "of.txt"


class Watched(Protocol):
    """A training, as far as it is looked at."""

    model: TunedModel
    state: TrainerState


@dataclass(frozen=True)
class SamplesAbout:
    """Of what the pictures are: for what they say of themselves."""

    concept: str
    fingerprint: str
    imagined: bool = False
    consent: str = ""


def sample_prompts(samples: TrainingSamples, words: Sequence[ConceptWords]) -> list[tuple[str, int]]:
    """What is drawn: each prompt with each seed, of each concept that is learned, at most MAX_ROWS."""
    return [(fill_in(prompt, own), seed) for own in words for prompt in samples.prompts or (own.plain_prompt,) for seed in samples.seeds][
        :MAX_ROWS
    ]


def sampling_of(samples: TrainingSamples, spec: TrainingSpec, family: type[Family], resolution: int) -> Sampling:
    """How they are drawn: as the family recommends for galleries, with at most the steps that are named."""
    gallery = GallerySpec().with_recommended(family.recommended.gallery)
    return Sampling(samples.num_inference_steps or gallery.num_inference_steps, gallery.guidance_scale, spec.resolution or resolution)


@dataclass
class SamplesWhileTraining:
    """Draws the samples of one training, and writes the page that shows them."""

    samples: TrainingSamples
    spec: TrainingSpec
    rows: Sequence[tuple[str, int]]
    """Prompt and seed of each."""
    sampling: Sampling
    folder: Path
    """Where the page is; what another training has left there goes."""
    about: SamplesAbout
    reporter: Reporter
    _began: float = field(default_factory=time.monotonic)
    _spent: float = 0.0
    _took: float = 0.0

    def __post_init__(self) -> None:
        mark = self.folder / _OF
        if not mark.exists() or mark.read_text(encoding="utf-8") != self.about.fingerprint:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            write_atomically(mark, self.about.fingerprint)
        self.reporter.info(_("pictures while it trains: {page}", page=self.folder / PAGE))

    def look(self, trainer: Watched, is_last: bool = False) -> None:
        """Draws the samples with the weights as they are, where the time for that is not used up; always first and last."""
        step, elapsed = trainer.state.step, time.monotonic() - self._began
        if step and not is_last and self._spent + self._took > self.samples.share * elapsed:
            return
        started = time.monotonic()
        if not all(self._file(step, row).exists() for row in range(len(self.rows))):
            for row, picture in enumerate(self._draw(trainer)):
                write_atomically(self._file(step, row), marked_png(picture, self._facts(trainer, step, row)))
        write_atomically(self.folder / PAGE, self._page(is_last))
        self._took = time.monotonic() - started
        self._spent += self._took

    def _file(self, step: int, row: int) -> Path:
        return self.folder / f"{step:06d}-{row:02d}.png"

    @torch.no_grad()
    def _draw(self, trainer: Watched) -> list[Image.Image]:
        family, kept = trainer.model.family, trainer.model.family.pipeline.scheduler
        family.pipeline.scheduler = copy.deepcopy(kept)  # that of the training stays as it is
        if self.spec.train_text_encoder:
            family.forget_prompts()
        try:
            with trainer.model.accelerator.autocast():
                drawn = [family.denoise([prompt], [seed], self.sampling) for prompt, seed in self.rows]
            return [picture for latents in drawn for picture in family.decode(latents.float())]
        finally:
            family.pipeline.scheduler = kept

    def _facts(self, trainer: Watched, step: int, row: int) -> Facts:
        (prompt, seed), spec = self.rows[row], self.spec
        return Facts.of(
            prompt=prompt,
            seed=seed,
            num_inference_steps=self.sampling.num_inference_steps,
            guidance_scale=self.sampling.guidance_scale,
            sampler=trainer.model.family.sampler,
            size=self.sampling.side,
            base_model=base_models.identity(spec.base_model, spec.revision),
            concept=self.about.concept,
            method=spec.method,
            training_step=step,
            imagined=True if self.about.imagined else None,
            consent=self.about.consent or None,
        )

    def _steps(self) -> list[int]:
        """The steps of which all pictures are there."""
        found: dict[int, int] = {}
        for path in self.folder.iterdir():
            if name := _FILE.fullmatch(path.name):
                found[int(name[1])] = found.get(int(name[1]), 0) + 1
        return sorted(step for step, count in found.items() if count >= len(self.rows))

    def _page(self, is_last: bool) -> str:
        """The page: a column for each step, a row for each prompt. It reloads itself until the training is over."""
        steps, reload = self._steps(), "" if is_last else '<meta http-equiv="refresh" content="10">\n'
        head = "".join(f'<th scope="col">{step}</th>' for step in steps)
        body = ""
        for row, (prompt, seed) in enumerate(self.rows):
            text = html.escape(f"{prompt} ({seed})")
            cells = "".join(f'<td><img src="{self._file(step, row).name}" alt="{text}, {step}" width="128"></td>' for step in steps)
            body += f'<tr><th scope="row" lang="en">{text}</th>{cells}</tr>\n'
        title = html.escape(f"{self.about.concept}: imagens durante o treino / pictures while it trains")
        return (
            f'<!doctype html>\n<html lang="pt-BR">\n<meta charset="utf-8">\n{reload}'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self'; style-src 'unsafe-inline'\">\n"
            f"<title>{title}</title>\n<style>body{{font-family:sans-serif}}th{{text-align:left;font-weight:normal}}td{{padding:2px}}</style>\n"
            f"<h1>{title}</h1>\n<p>Geradas por um modelo. / Generated by a model.</p>\n"
            f"<table><tr><th>passo / step</th>{head}</tr>\n{body}</table>\n</html>\n"
        )

    def strip(self) -> bytes | None:
        """All rows over the steps as one JPEG of at most 100 KB, spread over the steps where there are many; None where there are none."""
        steps = self._steps()
        if not steps:
            return None
        most = min(MAX_COLUMNS, len(steps))
        chosen = [steps[place * (len(steps) - 1) // max(most - 1, 1)] for place in range(most)]
        width, height = _GAP + most * (_CELL + _GAP), _LINE + len(self.rows) * (_LINE + _CELL + _GAP)
        sheet, letters = Image.new("RGB", (max(width, 3 * _CELL), height), "white"), font(12)
        draw = ImageDraw.Draw(sheet)
        for column, step in enumerate(chosen):
            draw.text((_GAP + column * (_CELL + _GAP), 2), f"{step}", fill="#2f6b3c", font=letters)
        for row, (prompt, _seed) in enumerate(self.rows):
            y = _LINE + row * (_LINE + _CELL + _GAP)
            draw.text((_GAP, y), fitting(prompt, sheet.width - 2 * _GAP, letters), fill="black", font=letters)
            for column, step in enumerate(chosen):
                with Image.open(self._file(step, row)) as picture:
                    cell = picture.convert("RGB").resize((_CELL, _CELL), Image.Resampling.BICUBIC)
                sheet.paste(cell, (_GAP + column * (_CELL + _GAP), y + _LINE))
        return jpeg_within(sheet, _STRIP_BYTES, f"generated by a model ({GENERATED})")
