"""The training loop: LoRA on a denoiser, measured on images that it does not learn from.

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

import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler

from gaucho_pipeline import base_models
from gaucho_pipeline.base_models import Loaded
from gaucho_pipeline.concepts import TrainingSpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.stage import Reporter
from gaucho_pipeline.training import adapter
from gaucho_pipeline.training.examples import Posteriors, generator_for, images_of_step

_NOISE, _PRIOR, _MEASURE = 2, 3, 4
_OTHER_NOUNS = ("person", "house", "cat", "tree", "cup")
_NOISES_PER_IMAGE = 8
_PRECISIONS = {torch.float32: "no", torch.float16: "fp16", torch.bfloat16: "bf16"}


def concept_caption(token: str, class_noun: str) -> str:
    """DreamBooth's prompt."""
    return f"a photo of {token} {class_noun}"


def prior_captions(class_noun: str) -> list[str]:
    """Prompts on which the model must stay what it was: the class first, then nothing, then other things."""
    others = [f"a photo of a {noun}" for noun in _OTHER_NOUNS if noun != class_noun]
    return [f"a photo of a {class_noun}", "", *others]


@dataclass
class Progressed:
    """Where a run stands: what is kept on disk to go on from."""

    step: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    curve: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """One adapter in training.

    `captions` holds the encoded text for every caption; `known_captions` are those of the known images (if none are
    given, the concept's plain one). Latents are float32 on the CPU.
    """

    def __init__(
        self,
        base: Loaded,
        spec: TrainingSpec,
        token: str,
        class_noun: str,
        captions: dict[str, torch.Tensor],
        known: Posteriors,
        held: Posteriors,
        known_captions: list[str] | None = None,
    ) -> None:
        self.accelerator = Accelerator(mixed_precision=_PRECISIONS[base_models.compute_dtype(base.device)])
        self.spec, self.base, self.captions, self.known, self.held = spec, base, captions, known, held
        self.known_captions = known_captions or [concept_caption(token, class_noun)] * len(known)
        self.caption, self.priors = concept_caption(token, class_noun), prior_captions(class_noun)
        self.unet = base.pipeline.unet
        self.scheduler = DDPMScheduler.from_config(base.pipeline.scheduler.config)
        params = adapter.attach(self.unet, spec)
        self.optimizer = torch.optim.AdamW(params, lr=spec.learning_rate, weight_decay=1e-2, fused=base.device.type == "cuda")
        self.unet, self.optimizer = self.accelerator.prepare(self.unet, self.optimizer)
        self.progressed = Progressed()
        self.best: dict[str, torch.Tensor] = adapter.weights_of(self.unet)
        self._noises: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    @property
    def steps(self) -> int:
        return max(1, math.ceil(self.spec.samples_per_image * len(self.known) / self.spec.batch_size))

    # ------------------------------------------------------------------------------------------ the loss

    def _predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, captions: list[str]) -> torch.Tensor:
        states = torch.stack([self.captions[c] for c in captions])
        with self.accelerator.autocast():
            return self.unet(noisy, timesteps, states).sample.float()

    def _target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        if self.scheduler.config.prediction_type == "v_prediction":
            return self.scheduler.get_velocity(latents, noise, timesteps)
        return noise

    def _weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Min-SNR: a noise level's weight is capped at gamma over its signal-to-noise ratio."""
        gamma = self.spec.min_snr_gamma
        if gamma is None:
            return torch.ones(len(timesteps), device=timesteps.device)
        alphas = self.scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
        snr = alphas / (1 - alphas)
        over = snr + 1 if self.scheduler.config.prediction_type == "v_prediction" else snr.clamp(min=1e-8)
        return snr.clamp(max=gamma) / over

    def loss(self, step: int) -> torch.Tensor:
        """The loss of a step, a pure function of the seed, the step and the weights."""
        spec, device = self.spec, self.base.device
        generator = generator_for(spec.seed, _NOISE, step)
        chosen = images_of_step(step, spec.batch_size, len(self.known), spec.seed)
        latents = self.known.sample(chosen, generator)
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = torch.randint(0, self.scheduler.config.num_train_timesteps, (len(chosen),), generator=generator)
        latents, noise, timesteps = latents.to(device), noise.to(device), timesteps.to(device)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        target, weights = self._target(latents, noise, timesteps), self._weights(timesteps)
        count, stays = len(chosen), -(-len(chosen) // 2)  # staying the base model needs fewer examples than learning the concept
        learned = [self.known_captions[index] for index in chosen.tolist()]
        if not spec.prior_weight:
            predicted = self._predict(noisy, timesteps, learned)
            return _weighted_error(predicted, target, weights)
        prior = self._prior_captions_of(step, stays)
        with torch.no_grad(), self._without_adapter():
            stay = self._predict(noisy[:stays], timesteps[:stays], prior)
        both = self._predict(torch.cat([noisy, noisy[:stays]]), torch.cat([timesteps, timesteps[:stays]]), learned + prior)
        return _weighted_error(both[:count], target, weights) + spec.prior_weight * _weighted_error(both[count:], stay, weights[:stays])

    def _prior_captions_of(self, step: int, count: int) -> list[str]:
        """Half of them the class, the rest drawn from the others."""
        generator = generator_for(self.spec.seed, _PRIOR, step)
        others = torch.randint(1, len(self.priors), (count,), generator=generator)
        return [self.priors[0] if i % 2 == step % 2 else self.priors[int(others[i])] for i in range(count)]

    @contextlib.contextmanager
    def _without_adapter(self) -> Iterator[None]:
        unet = self.accelerator.unwrap_model(self.unet)
        unet.disable_adapters()
        try:
            yield
        finally:
            unet.enable_adapters()

    # ------------------------------------------------------------------------------------------ measuring

    @torch.no_grad()
    def measure(self, posteriors: Posteriors, caption: str, with_adapter: bool = True) -> float:
        """Mean squared error of the prediction on images, over the same noises and evenly spread timesteps every time."""
        total = 0.0
        for index in range(len(posteriors)):
            noise, shift, timesteps = self._measuring_noise(index, posteriors)
            latents = (posteriors.mean[index] + posteriors.std[index] * shift).to(self.base.device)
            noise, timesteps = noise.to(self.base.device), timesteps.to(self.base.device)
            noisy = self.scheduler.add_noise(latents, noise, timesteps)
            with contextlib.nullcontext() if with_adapter else self._without_adapter():
                predicted = self._predict(noisy, timesteps, [caption] * len(timesteps))
            total += (predicted - self._target(latents, noise, timesteps)).square().mean().item()
        return total / len(posteriors)

    def _measuring_noise(self, index: int, posteriors: Posteriors) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if index not in self._noises:
            generator = generator_for(0, _MEASURE, index)  # not the spec's seed: two runs are measured alike
            shape = (_NOISES_PER_IMAGE, *posteriors.mean.shape[1:])
            levels = (torch.arange(_NOISES_PER_IMAGE) + 0.5) / _NOISES_PER_IMAGE
            timesteps = (levels * self.scheduler.config.num_train_timesteps).long()
            self._noises[index] = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator), timesteps
        return self._noises[index]

    # ------------------------------------------------------------------------------------------ the loop

    def run(self, state_file: Path, reporter: Reporter) -> int:
        """Trains to the last step, from wherever `state_file` stands, and ends with the best weights in place.

        Returns how many steps this call ran.

        Raises GauchoError if the loss is no longer finite, or memory runs out.
        """
        self._resume(state_file, reporter)
        spec, done, first = self.spec, self.progressed, self.progressed.step
        strength = f"rate {spec.learning_rate:g}, alpha / rank {spec.effective_alpha:g} / {spec.rank}"
        reporter.say(f"training {self.steps} steps of {spec.batch_size} on {len(self.known)} images; {strength}")
        progress = reporter.progress("training", self.steps, "steps", done.step)
        if not done.curve:
            self._measure_and_keep(0.0)
        while done.step < self.steps:
            loss = self.loss(done.step)
            self.accelerator.backward(loss)
            if done.step % 10 == 0 and not torch.isfinite(loss):
                raise GauchoError(f"the loss is not finite at step {done.step}; lower training.learning_rate")
            self.accelerator.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], 1.0)
            for group in self.optimizer.param_groups:
                group["lr"] = spec.learning_rate * self._rate(done.step)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            done.step += 1
            if done.step % spec.measure_every == 0 or done.step == self.steps:
                self._measure_and_keep(loss.item())
                self._save(state_file)
            progress.advance(note=f"held-out loss {done.curve[-1]['held_out']:.4f} (base {done.curve[0]['held_out']:.4f})")
        adapter.set_weights(self.accelerator.unwrap_model(self.unet), self.best)
        return done.step - first

    def _rate(self, step: int) -> float:
        """Rises over a twentieth of the steps, then falls as a cosine to a tenth."""
        warm = max(1, self.steps // 20)
        if step < warm:
            return (step + 1) / warm
        share = (step - warm) / max(1, self.steps - warm)
        return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share))

    def _measure_and_keep(self, training_loss: float) -> None:
        held = self.measure(self.held, self.caption)
        if not math.isfinite(held):
            raise GauchoError(f"the weights are not finite at step {self.progressed.step}; lower training.learning_rate")
        self.progressed.curve.append({"step": self.progressed.step, "held_out": held, "training": training_loss})
        if held < self.progressed.best_loss:
            self.progressed.best_loss, self.progressed.best_step = held, self.progressed.step
            self.best = adapter.weights_of(self.accelerator.unwrap_model(self.unet))

    def _save(self, state_file: Path) -> None:
        state = {
            "progressed": vars(self.progressed),
            "weights": adapter.weights_of(self.accelerator.unwrap_model(self.unet)),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else None,
        }
        part = state_file.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, state_file)

    def _resume(self, state_file: Path, reporter: Reporter) -> None:
        if not state_file.exists():
            return
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        self.progressed = Progressed(**state["progressed"])
        self.best = state["best"]
        adapter.set_weights(self.accelerator.unwrap_model(self.unet), state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        reporter.say(f"going on from step {self.progressed.step} of {self.steps}")


def _weighted_error(predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (weights * (predicted - target.float()).square().mean(dim=(1, 2, 3))).mean()


def peak_memory(device: torch.device) -> int:
    """The most memory taken so far, in bytes: the GPU's where there is one, else the process's."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
