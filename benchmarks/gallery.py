"""Drawing a gallery: ours beside diffusers' own pipeline called prompt by prompt, in one run, and a gallery after a retrain.

`python benchmarks/gallery.py [--prompts N] [--seeds N] [--steps N]` draws the same prompts and seeds with the base model and a tuned one,
on the embedded model, a process for each. The last line is JSON: `ratio` is our pictures a second over theirs, `retrain_ratio` the seconds
of their whole gallery over ours after a retrain, when the base model's pictures exist already.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from gaucho_pipeline.assets.metrics import CheckpointMetrics
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.gallery.generation import draw_once, open_base, tune
from gaucho_pipeline.gallery.samples import samples_of
from gaucho_pipeline.images.picture_cache import PictureCache
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.lora import ADAPTER, DIFFUSERS_FILE, Lora
from gaucho_pipeline.models import base_models
from gaucho_pipeline.prompts.plans import dreambench
from gaucho_pipeline.stage.reporter import SilentReporter
from gaucho_pipeline.store.manifest import Manifest, Provenance


def adapter(folder: Path, seed: int) -> None:
    """An adapter of noise: what it draws does not matter here."""
    family = base_models.load("embedded", None, torch.device("cpu")).family
    method = Lora(family, TrainingSpec().for_family(Embedded))
    method.attach()
    generator = torch.Generator().manual_seed(seed)
    method.set_weights({name: weight + 0.01 * torch.randn(weight.shape, generator=generator) for name, weight in method.weights().items()})
    method.save(folder, CheckpointInfo("x", "mtl tree", "CC0-1.0", 1))


def spec_of(asked: argparse.Namespace) -> GallerySpec:
    prompts = dreambench("thing")[: asked.prompts]
    return GallerySpec(prompts=prompts, seeds=tuple(range(asked.seeds)), num_inference_steps=asked.steps, class_pictures=False)


def ours(asked: argparse.Namespace, folder: Path) -> float:
    """Seconds of a gallery: loading and both halves; what `folder` keeps of earlier ones is not drawn again."""
    training = TrainingSpec().for_family(Embedded).model_dump(mode="json")
    provenance = Provenance(
        spec_version="", spec=training, inputs={}, code_version="", base_model={"id": "embedded", "revision": None, "digest": None}
    )
    loss = {"base": 1.0, "tuned": 1.0}
    prompts = {"token": loss, "other_token": loss, "class_noun": loss}
    metrics = CheckpointMetrics.model_validate(
        {
            "validation_loss": loss, "losses": {"train": prompts, "validation": prompts}, "steps": 0, "best_step": 0, "train_images": 0,
            "validation_images": 0, "images_per_second": 0, "peak_memory_bytes": 0, "trainable_parameters": 0, "reload_difference": 0,
            "device": "cpu",
        }
    )  # fmt: skip
    trained = Manifest(
        asset="checkpoint", concept="x", fingerprint="", data_version=str(asked.adapter), provenance=provenance, made_at="", seconds=0,
        metrics=metrics,
    )  # fmt: skip
    spec, told = spec_of(asked), SilentReporter(None)
    samples = samples_of(spec, "mtl", "tree")
    started = time.monotonic()
    drawer = open_base(trained, spec)
    for half in ("base", "tuned"):
        if half == "tuned":
            drawer = tune(drawer, trained, folder / f"adapter{asked.adapter}")
        draw_once(PictureCache(folder / half), drawer, samples, told.progress("", len(samples), ""))
    return time.monotonic() - started


def theirs(asked: argparse.Namespace, folder: Path) -> float:
    """Seconds of the same pictures by the pipeline itself, one prompt and one seed after the other, as its documentation shows it."""
    import diffusers

    spec = spec_of(asked)
    samples = samples_of(spec, "mtl", "tree")
    keys = {"safety_checker": None, "requires_safety_checker": False}
    started = time.monotonic()
    pipeline = diffusers.DiffusionPipeline.from_pretrained(base_models.EMBEDDED_FOLDER, dtype=torch.float32, **keys)
    pipeline.set_progress_bar_config(disable=True)
    for half in ("base", "tuned"):
        if half == "tuned":
            pipeline.load_lora_weights(folder / "adapter1" / ADAPTER, weight_name=DIFFUSERS_FILE)
        for number, sample in enumerate(samples):
            how = {"num_inference_steps": spec.num_inference_steps, "guidance_scale": spec.guidance_scale}
            picture = pipeline(sample.prompt, generator=torch.Generator().manual_seed(sample.seed), **how).images[0]
            picture.save(folder / f"{half}-{number}.png")
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--adapter", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        name, folder = asked.only
        print(json.dumps({"ours": ours, "theirs": theirs}[name](asked, Path(folder))))
        return
    with tempfile.TemporaryDirectory(prefix="gaucho-gallery-") as name:
        folder = Path(name)
        for number in (1, 2):
            adapter(folder / f"adapter{number}", number)
        own = [f"--{key}={getattr(asked, key)}" for key in ("prompts", "seeds", "steps")]

        def seconds(which: str, number: int) -> float:
            command = [sys.executable, __file__, "--only", which, str(folder), f"--adapter={number}", *own]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": "."})
            return float(done.stdout.splitlines()[-1])

        rows = {
            "diffusers, prompt by prompt": seconds("theirs", 1),
            "ours": seconds("ours", 1),
            "ours, after a retrain": seconds("ours", 2),
        }
    pictures = 2 * asked.prompts * asked.seeds
    for label, value in rows.items():
        print(f"{label:<28} {pictures} pictures {value:7.1f} s {pictures / value:7.2f} pictures/s")
    slow, fast, again = rows.values()
    print(json.dumps({"pictures": pictures, "seconds": rows, "ratio": round(slow / fast, 2), "retrain_ratio": round(slow / again, 2)}))


if __name__ == "__main__":
    main()
