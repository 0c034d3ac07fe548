"""How long a step of a training takes here, measured: on plain pictures, with the same model, modules, resolution and batch.

A program of its own, which runs in the environment of stages, where threads wait otherwise: it reads a specification and the words from
standard input, and writes what it measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from gaucho_pipeline.assets.rows import TrainImage
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.memory import peak_bytes
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.stage.reporter import SilentReporter
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.memory import wait_for
from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare

_STEPS = 3


class Measured(NamedTuple):
    """What was measured."""

    before: float
    """Seconds of loading and encoding, before the first step."""
    step: float
    """Seconds of a step."""
    memory_bytes: int


def measure_step(spec: TrainingSpec, words: ConceptWords) -> Measured:
    """Loads the base model, learns a few steps from nothing in particular, and keeps nothing of it.

    Raises GauchoError if the model cannot be loaded or taught.
    """
    began = time.monotonic()
    spec = spec.model_copy(update={"mask": False, "study": None, "samples": None, "max_steps": _STEPS, "crops": 1})
    base = base_models.load(spec.base_model, spec.revision, base_models.best_device(), base_models.Loading(*spec.computed))
    spec = spec.model_copy(update={"resolution": spec.resolution or base.resolution})
    caption = "a photo of {token} {class_noun}"
    kept: list[dict[str, Any]] = [{"file": f"{number}.png", "pixels": str(number), "caption": caption, "mask": None} for number in range(2)]
    rows = [TrainImage.model_construct(None, **row) for row in kept]
    with tempfile.TemporaryDirectory() as name:
        for row in rows:
            Image.new("RGB", (spec.resolution or 64,) * 2, "gray").save(Path(name) / row.file)
        images = ConceptImages(words, Path(name), rows[:1], rows[1:])
        encoded, _rows = prepare(base, spec, [images], Places(Path(name) / "class_images"), SilentReporter(None))
    trainer, taken = Trainer(base, spec, encoded), list[float]()
    trainer.make_plan(SilentReporter(None))
    before = time.monotonic() - began
    for number in range(_STEPS):
        started = time.monotonic()
        trainer.learn(trainer.objective.examples(number), SilentReporter(None))
        wait_for(base.device)
        taken.append(time.monotonic() - started)
    return Measured(before, sorted(taken)[_STEPS // 2], peak_bytes(base.device))


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    found = measure_step(TrainingSpec.model_validate(asked["spec"]), ConceptWords(*asked["words"]))
    print(json.dumps(found))
