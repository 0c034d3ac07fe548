"""The loop that every part of the embedded model is made with: resumable, with an average, a curve and a rate.

What is learned (the VAE, the denoiser, the scorer) is in `vae.py`, `denoiser.py` and `scorer.py`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gaucho_pipeline.embedded import pen, world


def pixels_of(image: Image.Image) -> np.ndarray:
    """An RGB picture as uint8, (3, height, width)."""
    return np.asarray(image.convert("RGB"), np.uint8).transpose(2, 0, 1)


def to_unit(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 pixels as float32 from -1 to 1."""
    return pixels.float() / 127.5 - 1


def render_world(path: Path, count: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """The first `count` pictures (uint8, count x 3 x SIZE x SIZE) of a seed's world and their captions, kept in `path`."""
    captions_path = path.with_suffix(".captions.json")
    if not captions_path.exists():
        images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 3, pen.SIZE, pen.SIZE))
        captions = []
        for i in range(count):
            image, caption = world.sample(i, seed)
            images[i] = pixels_of(image)
            captions.append(caption)
        images.flush()
        captions_path.write_text(json.dumps(captions))
    return np.load(path, mmap_mode="r"), json.loads(captions_path.read_text())


class Making:
    """One model in the making: `run` goes on from the newest checkpoint in `work`.

    `loss(step)` gives a scalar for a step, and must depend on the step alone; the rate rises over 100 steps, stays,
    and falls to nothing over the last `cooldown` steps, so that a run can be prolonged by a larger `steps`.
    """

    def __init__(self, name: str, work: Path, model: torch.nn.Module, optimisers: Sequence[torch.optim.Optimizer], ema: float) -> None:
        self.name, self.model, self.optimisers, self.decay = name, model, list(optimisers), ema
        self.path, self.curve = work / f"{name}.pt", work / f"{name}.jsonl"
        self.rates = [[g["lr"] for g in o.param_groups] for o in self.optimisers]
        self.average = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.step = 0
        if self.path.exists():
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average, self.step = state["average"], state["step"]
            for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(kept)

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "step": self.step,
            "optimisers": [o.state_dict() for o in self.optimisers],
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.path)

    def _set_rate(self, steps: int, cooldown: int) -> None:
        share = min(1.0, (self.step + 1) / 100, (steps - self.step) / cooldown)
        for optimiser, rates in zip(self.optimisers, self.rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * share

    def run(
        self,
        loss: Callable[[int], torch.Tensor],
        steps: int,
        cooldown: int,
        batch: int,
        measure: Callable[[], dict[str, float]],
        save_seconds: float = 180,
    ) -> None:
        started, saved, first, running = time.monotonic(), time.monotonic(), self.step, 0.0
        while self.step < steps:
            self._set_rate(steps, cooldown)
            value = loss(self.step)
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimiser in self.optimisers:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            self.step += 1
            decay = min(self.decay, (1 + self.step) / (10 + self.step))
            for key, tensor in self.model.state_dict().items():
                if tensor.is_floating_point():
                    self.average[key].lerp_(tensor, 1 - decay)
            running = value.item() if running == 0 else 0.95 * running + 0.05 * value.item()
            if self.step % 20 == 0 or self.step == steps:
                rate = (self.step - first) * batch / (time.monotonic() - started)
                left = (steps - self.step) * batch / rate
                print(f"{self.name} {self.step}/{steps} loss {running:.4f} {rate:.1f}/s {left / 60:.0f} min left", flush=True)
            if time.monotonic() - saved > save_seconds or self.step == steps:
                saved = time.monotonic()
                self.save()
                record = {"step": self.step, "samples": self.step * batch, "loss": running, **measure()}
                record["seconds"] = round(time.monotonic() - started)
                with self.curve.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                print(record, flush=True)
