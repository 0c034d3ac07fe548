"""What caching the VAE's posteriors saves: a training step with the cache, beside one that encodes its images again.

`python benchmarks/training.py` prints a table and, as its last line, the metrics as JSON; `ratio` is the time of a step that encodes
over that of one that does not, both in this run, on the embedded model.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gaucho_pipeline import base_models
from gaucho_pipeline.concepts import TrainingSpec
from gaucho_pipeline.embedded.demo_subjects import draw_subject
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.prompts import instance_prompt, prior_prompts
from gaucho_pipeline.training.examples import ImageSet, encode_images, encode_prompts
from gaucho_pipeline.training.loop import Trainer

STEPS = 20


def main() -> None:
    base = base_models.load("embedded", None, base_models.best_device())
    spec = TrainingSpec(target_modules="all", rank=8, learning_rate=1e-3, min_snr_gamma=None).for_family(Embedded)
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / f"{i}.png" for i in range(8)]
        for i, file in enumerate(files):
            draw_subject("chimarrao", i, side=256).save(file)

        def encode(chosen: list[Path]) -> object:
            return encode_images(base.family, chosen, base.resolution)

        posteriors = encode_images(base.family, files, base.resolution)
        conditionings = encode_prompts(base.family, [instance_prompt("dnc", "cup"), *prior_prompts("cup")])
        train = ImageSet(posteriors, [instance_prompt("dnc", "cup")] * len(files))
        trainer = Trainer(base, spec, "dnc", "cup", conditionings, train, posteriors)
        cached = _median(lambda step: _step(trainer, step))
        encoding = _median(lambda step: (encode(files[: spec.batch_size]), _step(trainer, step)))
    print(f"with cached posteriors   {1000 * cached:7.1f} ms a step\nencoding at every step   {1000 * encoding:7.1f} ms a step")
    print(json.dumps({"cached_seconds": cached, "encoding_seconds": encoding, "ratio": encoding / cached}))


def _step(trainer: Trainer, step: int) -> None:
    trainer.accelerator.backward(trainer.loss(step))
    trainer.optimizer.step()
    trainer.optimizer.zero_grad(set_to_none=True)


def _median(act: Callable[[int], object]) -> float:
    act(0)
    seconds = []
    for step in range(1, STEPS + 1):
        started = time.perf_counter()
        act(step)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
