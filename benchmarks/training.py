"""Training beside diffusers' own DreamBooth LoRA script: the same base, photographs, batch, rank, targets and steps, in one run.

`python benchmarks/training.py [--diffusers CHECKOUT] [--model FOLDER] [--steps N] [--batch N] [--images N] [--no-prior] [--compile]` prints
images per second, peak memory and the seconds to a finished checkpoint, without a prior on both sides and with one; the last line is the
figures as JSON, with `ratio`: our rate over theirs on equal work without a prior, null without a checkout. A rate is that of the steps
between a short run and a long one, so that loading counts on neither side; measuring counts on ours. Where torchvision is missing, the
script's import of it is replaced by the same transforms in PIL's and numpy's words. MODEL is the embedded one, or a folder such as
`benchmarks/real_size.py` makes; with such a one on a CPU, ours measures under one noise, as it does there.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from memory import peak_memory
from originals import originals
from stages import curated_project, stage_command

from gaucho_pipeline.concepts.models import EMBEDDED
from gaucho_pipeline.models.base_models import EMBEDDED_FOLDER
from gaucho_pipeline.stage.server import PROGRAM_ENVIRONMENT

SIDE, RANK, RATE = 2000, 8, 1e-4
_TRANSFORMS = '''
"""The transforms that diffusers' scripts ask for, where there is no torchvision."""
import random
from enum import Enum
import numpy as np
import torch
from PIL import Image
class InterpolationMode(Enum):
    NEAREST, BILINEAR, BICUBIC, LANCZOS = "nearest", "bilinear", "bicubic", "lanczos"
class Compose:
    def __init__(self, steps): self.steps = steps
    def __call__(self, value):
        for step in self.steps: value = step(value)
        return value
class Resize:
    def __init__(self, size, interpolation=InterpolationMode.BILINEAR): self.size, self.how = size, interpolation
    def __call__(self, image):
        scale = self.size / min(image.size)
        return image.resize([round(side * scale) for side in image.size], getattr(Image.Resampling, self.how.name))
class CenterCrop:
    def __init__(self, size): self.size = size
    def __call__(self, image):
        left, top = ((side - self.size) // 2 for side in image.size)
        return image.crop((left, top, left + self.size, top + self.size))
class RandomCrop(CenterCrop):
    def __call__(self, image):
        left, top = (random.randint(0, side - self.size) for side in image.size)
        return image.crop((left, top, left + self.size, top + self.size))
class ToTensor:
    def __call__(self, image): return torch.from_numpy(np.array(image, np.uint8)).permute(2, 0, 1).float() / 255
class Normalize:
    def __init__(self, mean, std): self.mean, self.std = mean[0], std[0]
    def __call__(self, value): return (value - self.mean) / self.std
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--diffusers", type=Path, help="a checkout of diffusers")
    parser.add_argument("--model", default=EMBEDDED, help="the base model: 'embedded' or a folder")
    parser.add_argument("--steps", type=int, default=40, help="steps of the short run; the long one has three times as many")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--no-prior", action="store_true", help="measure without a prior only")
    parser.add_argument("--compile", action="store_true", help="compile our denoiser")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gaucho-bench-") as name:
        place = Path(name)
        photos = place / "photos"
        photos.mkdir()
        found = [picture for picture in originals(SIDE) if min(picture.size) >= 512][: asked.images]
        for number, picture in enumerate(found):
            picture.resize((SIDE, SIDE * picture.height // picture.width)).save(photos / f"{number:02d}.jpg", quality=92)
        rows: dict[str, dict[str, float]] = {}
        for prior in (False,) if asked.no_prior else (False, True):
            for name, command in (("ours", _ours), ("diffusers", _theirs))[: 2 if asked.diffusers else 1]:
                rows[f"{name}, with a prior" if prior else name] = _measured(asked, partial(command, place, asked, prior))
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
    print(f"{asked.model}, batch {asked.batch}, {3 * asked.steps} steps, {device}")
    for label, row in rows.items():
        print(f"{label:<24} {row['images_per_second']:8.2f} images/s {row['peak_mb']:8.0f} MB {row['seconds']:8.1f} s to a checkpoint")
    ratio = rows["ours"]["images_per_second"] / rows["diffusers"]["images_per_second"] if asked.diffusers else None
    print(json.dumps({"model": asked.model, "device": device, "batch": asked.batch, "runs": rows, "ratio": ratio}))


def _measured(asked: argparse.Namespace, command_of: Callable[[int], tuple[list[str], dict[str, str]]]) -> dict[str, float]:
    """Seconds and peak memory of a long run, and the rate between it and a short one."""
    seconds, peak = [], 0.0
    for steps in (asked.steps, 3 * asked.steps):
        command, environment = command_of(steps)
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with process, peak_memory(process.pid) as found:
            output = process.communicate()[0]
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\n{output[-3000:]}")
        seconds.append(time.monotonic() - started)
        peak = max(peak, found["peak_mb"])
    rate = 2 * asked.steps * asked.batch / (seconds[1] - seconds[0])
    return {"images_per_second": round(rate, 3), "peak_mb": round(peak), "seconds": round(seconds[1], 1)}


def _ours(place: Path, asked: argparse.Namespace, prior: bool, steps: int) -> tuple[list[str], dict[str, str]]:
    """Our stage on the photographs as they are; crawl and curation are made first, and not timed. Nothing is left of a run before it."""
    shutil.rmtree(place / "data", ignore_errors=True)
    training: dict[str, Any] = {
        "base_model": asked.model, "target_modules": "attention", "rank": RANK, "learning_rate": RATE, "batch_size": asked.batch,
        "max_steps": steps, "prior_loss_weight": float(prior), "min_snr_gamma": None, "aspect_buckets": False, "early_stopping": False,
        "compile": asked.compile,
    }  # fmt: skip
    if asked.model != EMBEDDED and not torch.cuda.is_available():
        training |= {"validation_noises": 1, "validation_steps": 1000}
    project = curated_project(place, training, max_side=2048)
    command = stage_command(project, "checkpoint", place, force=True)
    return command, os.environ | PROGRAM_ENVIRONMENT


def _theirs(place: Path, asked: argparse.Namespace, prior: bool, steps: int) -> tuple[list[str], dict[str, str]]:
    """Diffusers' script; its images of the class are the photographs again, so that none has to be generated."""
    model = str(EMBEDDED_FOLDER) if asked.model == EMBEDDED else asked.model
    unet = json.loads((Path(model) / "unet" / "config.json").read_text(encoding="utf-8"))
    side = 8 * unet["sample_size"] if asked.model != EMBEDDED else 64
    command = [
        sys.executable, str(asked.diffusers / "examples" / "dreambooth" / "train_dreambooth_lora.py"),
        "--pretrained_model_name_or_path", model, "--instance_data_dir", str(place / "photos"), "--instance_prompt", "a photo of sks thing",
        "--output_dir", str(place / "theirs"), "--resolution", str(side), "--center_crop", "--train_batch_size", str(asked.batch),
        "--max_train_steps", str(steps), "--rank", str(RANK), "--learning_rate", str(RATE), "--lr_scheduler", "constant", "--seed", "7",
        "--checkpointing_steps", "1000000", "--pre_compute_text_embeddings",
    ]  # fmt: skip
    if torch.cuda.is_available():
        command += ["--mixed_precision", "bf16"]
    if prior:
        count = str(len(list((place / "photos").iterdir())))
        command += ["--with_prior_preservation", "--class_data_dir", str(place / "photos"), "--class_prompt", "a photo of a thing"]
        command += ["--num_class_images", count]
    environment = dict(os.environ)
    if importlib.util.find_spec("torchvision") is None:
        (place / "pil_transforms.py").write_text(_TRANSFORMS, encoding="utf-8")
        text = Path(command[1]).read_text(encoding="utf-8")
        (place / "script.py").write_text(text.replace("from torchvision import transforms", "import pil_transforms as transforms"))
        command[1] = str(place / "script.py")
    return command, environment


if __name__ == "__main__":
    main()
