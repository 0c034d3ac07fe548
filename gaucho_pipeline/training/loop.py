"""The training loop: an adapter on a denoiser, measured on images that it does not learn from.

The loss is DreamBooth's (arXiv 2208.12242) with min-SNR weighting (arXiv 2303.09556); what keeps the rest as it was is the
base model's own prediction on prompts without the token, so no class images are made.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from gaucho_pipeline import base_models
from gaucho_pipeline.base_models import Loaded
from gaucho_pipeline.concepts import TrainingSpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families.base import Conditioning
from gaucho_pipeline.prompts import class_prompt, instance_prompt, prior_prompts
from gaucho_pipeline.stage import Reporter
from gaucho_pipeline.training import adapter
from gaucho_pipeline.training.examples import ImageSet, Posteriors, generator_for, images_of_step

_NOISE, _PRIOR, _VALIDATION, _FLIP, _REPORT = 2, 3, 4, 5, 6  # purposes of random draws
_NOISES_PER_IMAGE = 8
_PRECISIONS = {torch.float32: "no", torch.float16: "fp16", torch.bfloat16: "bf16"}


@dataclass
class TrainerState:
    """Where a run stands: what is kept on disk to go on from."""

    step: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    curve: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """One adapter in training.

    `conditionings` holds what the denoiser is told of every caption and of the prompts that are measured with. Latents are float32 on the
    CPU. What differs between base models is their family's to know.
    """

    def __init__(
        self,
        base: Loaded,
        spec: TrainingSpec,
        token: str,
        class_noun: str,
        conditionings: dict[str, Conditioning],
        train: ImageSet,
        validation: Posteriors,
    ) -> None:
        self.accelerator = Accelerator(mixed_precision=_PRECISIONS[base_models.compute_dtype(base.device)])
        self.spec, self.base, self.conditionings, self.train, self.validation = spec, base, conditionings, train, validation
        self.instance_prompt, self.class_prompt = instance_prompt(token, class_noun), class_prompt(class_noun)
        self.prior_prompts = prior_prompts(class_noun)
        self.family = base.family
        params = adapter.attach(self.family.network, spec)
        self.optimizer = torch.optim.AdamW(params, lr=spec.learning_rate, weight_decay=1e-2, fused=base.device.type == "cuda")
        self.network, self.optimizer = self.accelerator.prepare(self.family.network, self.optimizer)
        self.state = TrainerState()
        self.best: dict[str, torch.Tensor] = adapter.weights_of(self.network)
        self.selection, self.reported = validation.halves()
        self._noises: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    @property
    def max_steps(self) -> int:
        """Steps of the whole training: those of the epochs, unless the specification names them."""
        return self.spec.max_steps or max(1, math.ceil(self.spec.epochs * len(self.train) / self.spec.batch_size))

    # ------------------------------------------------------------------------------------------ the loop

    def run(self, state_file: Path, reporter: Reporter) -> int:
        """Trains to the last step, from wherever `state_file` stands, and ends with the best weights in place.

        Returns how many steps this call ran.

        Raises GauchoError if the loss is no longer finite, memory runs out, or the file is of another training.
        """
        self._resume(state_file, reporter)
        spec, state, first = self.spec, self.state, self.state.step
        strength = f"rate {spec.learning_rate:g}, alpha / rank {spec.effective_alpha:g} / {spec.rank}"
        reporter.info(f"training {self.max_steps} steps of {spec.batch_size} on {len(self.train)} images; {strength}")
        progress = reporter.progress("training", self.max_steps, "steps", state.step)
        if not state.curve:
            self._validate(0.0)
        while state.step < self.max_steps:
            loss = self.loss(state.step)
            self.accelerator.backward(loss)
            if state.step % 10 == 0 and not torch.isfinite(loss):
                raise GauchoError(f"the loss is not finite at step {state.step}; lower training.learning_rate")
            self.accelerator.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], 1.0)
            for group in self.optimizer.param_groups:
                group["lr"] = spec.learning_rate * lr_factor(state.step, self.max_steps)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            state.step += 1
            if state.step % spec.validation_steps == 0 or state.step == self.max_steps:
                self._validate(loss.item())
                self._save(state_file)
            progress.advance(note=f"validation loss {state.curve[-1]['validation']:.4f} (base {state.curve[0]['validation']:.4f})")
        adapter.set_weights(self.accelerator.unwrap_model(self.network), self.best)
        return state.step - first

    # ------------------------------------------------------------------------------------------ the loss

    def loss(self, step: int) -> torch.Tensor:
        """The loss of a step, a pure function of the seed, the step and the weights."""
        spec, device = self.spec, self.base.device
        generator = generator_for(spec.seed, _NOISE, step)
        chosen = images_of_step(step, spec.batch_size, len(self.train), spec.seed)
        latents = self.train.sample(chosen, generator, self._flips(step, len(chosen)))
        noise = torch.randn(latents.shape, generator=generator)
        t = self.family.draw_noise_levels(len(chosen), generator, latents)
        latents, noise, t = latents.to(device), noise.to(device), t.to(device)
        noisy, target = self.family.add_noise(latents, noise, t), self.family.target(latents, noise, t)
        weights = self.family.loss_weights(t, spec.min_snr_gamma)
        captions = [self.train.captions[index] for index in chosen.tolist()]
        if not spec.prior_loss_weight:
            return _weighted_error(self._predict(noisy, t, captions), target, weights)
        count, prior_count = len(chosen), -(-len(chosen) // 2)  # staying the base model needs fewer examples than learning the concept
        prompts = self._prior_prompts_of(step, prior_count)
        with torch.no_grad(), self._without_adapter():
            prior_target = self._predict(noisy[:prior_count], t[:prior_count], prompts)
        both = self._predict(torch.cat([noisy, noisy[:prior_count]]), torch.cat([t, t[:prior_count]]), captions + prompts)
        prior_loss = _weighted_error(both[count:], prior_target, weights[:prior_count])
        return _weighted_error(both[:count], target, weights) + spec.prior_loss_weight * prior_loss

    def _flips(self, step: int, count: int) -> torch.Tensor:
        """Which of a step's images are shown mirrored, (count,) of bool."""
        if not self.spec.random_flip:
            return torch.zeros(count, dtype=torch.bool)
        return torch.rand(count, generator=generator_for(self.spec.seed, _FLIP, step)) < 0.5

    def _prior_prompts_of(self, step: int, count: int) -> list[str]:
        """Half of them the class, the rest drawn from the others."""
        generator = generator_for(self.spec.seed, _PRIOR, step)
        others = torch.randint(1, len(self.prior_prompts), (count,), generator=generator)
        return [self.prior_prompts[0] if i % 2 == step % 2 else self.prior_prompts[int(others[i])] for i in range(count)]

    def _predict(self, noisy: torch.Tensor, t: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        conditioning = self.family.collate([self.conditionings[prompt] for prompt in prompts])
        with self.accelerator.autocast():
            return self.family.predict(noisy, t, conditioning).float()

    @contextlib.contextmanager
    def _without_adapter(self) -> Iterator[None]:
        network = self.accelerator.unwrap_model(self.network)
        network.disable_adapters()
        try:
            yield
        finally:
            network.enable_adapters()

    # ------------------------------------------------------------------------------------------ measuring

    def validation_loss(self, posteriors: Posteriors, prompt: str) -> float:
        """Mean squared error of the prediction on images, over the same noises and evenly spread noise levels every time."""
        return self.errors(posteriors, prompt).mean().item()

    @torch.no_grad()
    def errors(self, posteriors: Posteriors, prompt: str, with_adapter: bool = True, for_report: bool = False) -> torch.Tensor:
        """Squared error for each image and noise, (images, noises). What is reported is measured under noises that chose no weights."""
        rows = []
        for index in range(len(posteriors)):
            latents, noise, t = self._noised(index, posteriors, _REPORT if for_report else _VALIDATION)
            predicted = self._predicted(latents, noise, t, [prompt] * len(t), with_adapter)
            rows.append((predicted - self.family.target(latents, noise, t)).square().mean(dim=(1, 2, 3)).cpu())
        return torch.stack(rows)

    @torch.no_grad()
    def moved(self, posteriors: Posteriors) -> float:
        """Mean squared difference of the prediction, tuned from base, on prompts without the token: the class, and unrelated ones."""
        total, others = 0.0, self.prior_prompts[1:]
        prompts = [others[number // 2 % len(others)] if number % 2 else self.class_prompt for number in range(_NOISES_PER_IMAGE)]
        for index in range(len(posteriors)):
            noised = self._noised(index, posteriors, _REPORT)
            tuned, base = (self._predicted(*noised, prompts, with_adapter) for with_adapter in (True, False))
            total += (tuned - base).square().mean().item()
        return total / len(posteriors)

    def _predicted(
        self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor, prompts: list[str], with_adapter: bool
    ) -> torch.Tensor:
        with contextlib.nullcontext() if with_adapter else self._without_adapter():
            return self._predict(self.family.add_noise(latents, noise, t), t, prompts)

    def _noised(self, index: int, posteriors: Posteriors, purpose: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Latents of an image, noises and noise levels, the same every time."""
        if (purpose, index) not in self._noises:
            generator = generator_for(0, purpose, index)  # not the spec's seed: two runs are measured alike
            shape = (_NOISES_PER_IMAGE, *posteriors.mean.shape[1:])
            t = self.family.validation_noise_levels(_NOISES_PER_IMAGE)
            self._noises[purpose, index] = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator), t
        noise, shift, t = self._noises[purpose, index]
        device = self.base.device
        return (posteriors.mean[index] + posteriors.std[index] * shift).to(device), noise.to(device), t.to(device)

    def _validate(self, training_loss: float) -> None:
        """Measures the validation loss, and keeps the weights if they are the best so far."""
        loss = self.validation_loss(self.selection, self.instance_prompt)
        if not math.isfinite(loss):
            raise GauchoError(f"the weights are not finite at step {self.state.step}; lower training.learning_rate")
        self.state.curve.append({"step": self.state.step, "validation": loss, "train": training_loss})
        if loss < self.state.best_loss:
            self.state.best_loss, self.state.best_step = loss, self.state.step
            self.best = adapter.weights_of(self.accelerator.unwrap_model(self.network))

    # ------------------------------------------------------------------------------------------ going on after a kill

    def _save(self, state_file: Path) -> None:
        content = {
            "spec": self.spec.identity(),
            "state": vars(self.state),
            "weights": adapter.weights_of(self.accelerator.unwrap_model(self.network)),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else None,
        }
        part = state_file.with_suffix(".part")
        torch.save(content, part)
        os.replace(part, state_file)

    def _resume(self, state_file: Path, reporter: Reporter) -> None:
        if not state_file.exists():
            return
        content: dict[str, Any] = torch.load(state_file, map_location="cpu", weights_only=True)
        spec = self.spec.identity()
        if differing := [key for key in {**content["spec"], **spec} if content["spec"].get(key) != spec.get(key)]:
            raise GauchoError(f"{state_file}: is of a training with another {', '.join(differing)}; remove it to begin anew")
        self.state = TrainerState(**content["state"])
        self.best = content["best"]
        adapter.set_weights(self.accelerator.unwrap_model(self.network), content["weights"])
        self.optimizer.load_state_dict(content["optimizer"])
        if content["scaler"]:
            self.accelerator.scaler.load_state_dict(content["scaler"])
        reporter.info(f"going on from step {self.state.step} of {self.max_steps}")


def lr_factor(step: int, max_steps: int) -> float:
    """The learning rate's share at a step: it rises over a twentieth of the steps, then falls as a cosine to a tenth."""
    warm_up = max(1, max_steps // 20)
    if step < warm_up:
        return (step + 1) / warm_up
    share = (step - warm_up) / max(1, max_steps - warm_up)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share))


def _weighted_error(predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (weights * (predicted - target.float()).square().mean(dim=(1, 2, 3))).mean()


def peak_memory(device: torch.device) -> int:
    """The most memory taken so far, in bytes: the GPU's where there is one, else the process's."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
