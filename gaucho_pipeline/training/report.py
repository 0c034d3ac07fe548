"""What is said of a training when it is over: losses as a set, whether anything was learned, what it took, and that it reads back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from gaucho_pipeline.assets.metrics import BaseTuned, CheckpointMetrics, Losses, NoiseLevelLoss, PromptLosses, Resources, ValidationLoss
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.families.base import Conditioning
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import Loading
from gaucho_pipeline.prompts.templates import class_prompt, instance_prompt, prior_prompts
from gaucho_pipeline.training import processes, validation
from gaucho_pipeline.training.examples import Member
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.loss_change import MARGIN, change_interval, loss_fell
from gaucho_pipeline.training.memory import flops_of, peak_flops
from gaucho_pipeline.training.posteriors import Posterior
from gaucho_pipeline.training.preparing import OTHER_TOKEN
from gaucho_pipeline.training.study import Study

_LEVELS = 4
"""Levels of noise that losses are told for, at most."""


def measure(study: Study, watt_hours: float | None, base_model_license: str) -> list[CheckpointMetrics]:
    """All metrics of a checkpoint but for the reading back; where several concepts were learned together, those of each in their order."""
    resources = _resources(study.trainer, watt_hours)
    return [_measure(study, member, reported, resources, base_model_license) for member, reported in _reported(study.trainer)]


def _reported(trainer: Trainer) -> list[tuple[Member, Sequence[Posterior]]]:
    return validation.by_member(trainer.encoded, validation.reported_of)


def _measure(
    study: Study, member: Member, reported: Sequence[Posterior], resources: Resources | None, base_model_license: str
) -> CheckpointMetrics:
    trainer = study.trainer
    state, spec, model = trainer.state, trainer.spec, trainer.model
    losses, change, by_noise_level = losses_of(trainer, member, reported)
    apart = validation.is_reported_apart(member.validation)
    gain = losses.validation.token.base - losses.validation.token.tuned
    moved = validation.prior_change(model, reported, prior_prompts(member.words))
    prior_drift, class_noun_drift = (round(each / gain, 4) if gain > MARGIN * losses.validation.token.base else None for each in moved)
    return CheckpointMetrics(
        validation_loss=ValidationLoss(**losses.validation.token.model_dump(), interval=change),
        loss_fell=loss_fell(losses.validation.token.base, change, state.best_step, apart),
        prior_drift=prior_drift,
        class_noun_drift=class_noun_drift,
        reported_apart=apart,
        losses=losses,
        by_noise_level=by_noise_level,
        outside_loss=_outside(trainer, member, reported),
        steps=state.step,
        best_step=state.best_step,
        train_images=len(member.train),
        validation_images=len(member.validation),
        images_per_second=round(trainer.steps_run * spec.batch_size / max(trainer.seconds, 1e-6), 2),
        peak_memory_bytes=model.peaks.highest,
        trainable_parameters=sum(parameter.numel() for parameter in trainer.parameters),
        reload_difference=0.0,
        device=torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else str(model.device),
        method=spec.method,
        learning_rate=float(spec.learning_rate),
        ended=state.ended,
        study=tuple(study.results),
        resources=resources,
        pipeline_class=model.family.pipeline_class,
        base_model_license=base_model_license,
    )


def losses_of(
    trainer: Trainer, member: Member, reported: Sequence[Posterior]
) -> tuple[Losses, tuple[float, float] | None, tuple[NoiseLevelLoss, ...]]:
    """The losses of a concept as a set: on train and validation images; with the token, another made-up word, the class alone.

    Beside them the interval of what changed on validation images with the token, and the loss at each level of noise.
    """
    model, words = trainer.model, member.words
    own, other = instance_prompt(words), instance_prompt(words._replace(token=OTHER_TOKEN))

    def both(images: Sequence[Posterior], prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        base, tuned = (validation.errors(model, images, prompt, which, for_report=True) for which in (False, True))
        return base, tuned

    def of(images: Sequence[Posterior], token: tuple[torch.Tensor, torch.Tensor]) -> PromptLosses:
        others = (_means(*both(images, prompt)) for prompt in (other, class_prompt(words)))
        return PromptLosses(token=_means(*token), other_token=next(others), class_noun=next(others))

    train = validation.measured_of(trainer.encoded, member)
    with_token = both(reported, own)
    change = change_interval(*with_token)
    losses = Losses(train=of(train, both(train, own)), validation=of(reported, with_token))
    by_noise = (model.family.validation_noise_levels(model.noises), *(errors.mean(dim=0) for errors in with_token))
    levels, *means = ([part.mean().item() for part in torch.chunk(values, _LEVELS)] for values in by_noise)
    by_noise_level = tuple(
        NoiseLevelLoss(noise=round(level, 3), base=round(base, 5), tuned=round(tuned, 5))
        for level, base, tuned in zip(levels, *means, strict=True)
    )
    return losses, (round(change[0], 5), round(change[1], 5)) if change else None, by_noise_level


def _outside(trainer: Trainer, member: Member, reported: Sequence[Posterior]) -> BaseTuned | None:
    """The loss with the token on what is not the subject, of validation images that have a mask; None where images are learned whole."""
    masked, prompt = [image for image in reported if image.mask is not None], instance_prompt(member.words)
    if not masked:
        return None
    base, tuned = (validation.errors(trainer.model, masked, prompt, which, for_report=True, outside=True) for which in (False, True))
    return _means(base, tuned)


def _means(base: torch.Tensor, tuned: torch.Tensor) -> BaseTuned:
    return BaseTuned(base=round(base.mean().item(), 5), tuned=round(tuned.mean().item(), 5))


def _resources(trainer: Trainer, watt_hours: float | None) -> Resources | None:
    plan, state = trainer.plan, trainer.state
    if plan is None:  # all steps were run by a process that is gone
        return None
    rate = trainer.steps_run * flops_of(trainer.model, trainer.objective) / max(trainer.seconds, 1e-6)
    share = rate / peak_flops(trainer.model.device, trainer.model.dtype) / processes.count()
    return Resources(
        micro_batch=state.micro_batch,
        gradient_checkpointing=state.gradient_checkpointing,
        blocks_wait=plan.blocks_wait,
        why=plan.why,
        predicted_memory_bytes=plan.memory_bytes,
        predicted_seconds=round(plan.seconds * trainer.steps_run, 1),
        seconds=round(trainer.seconds, 1),
        share_of_peak=round(share, 4),
        watt_hours=None if watt_hours is None else round(watt_hours, 2),
    )


def read_back(study: Study, folder: Path) -> float:
    """How far the prediction with what was stored is from the one with the weights in memory: the largest difference, over all values.

    The trained model leaves memory first. Raises GauchoError if what was stored does not load, or gives something else.
    """
    trainer = study.trainer
    spec, device, latents = trainer.spec, trainer.model.device, trainer.encoded.validation[0].mean[None]
    prompt = instance_prompt(trainer.encoded.members[0].words)
    conditioning = None if spec.train_text_encoder else trainer.encoded.conditionings[prompt]
    dtype = trainer.model.dtype
    before = _prediction(trainer.model.family, dtype, latents, prompt, conditioning)
    trainer.release()
    with trainer.model.peaks.phase("reading back"):
        fresh = base_models.load(spec.base_model, spec.revision, device, Loading(*spec.computed)).family
        METHODS[spec.method].load(fresh, folder)
        after = _prediction(fresh, dtype, latents, prompt, conditioning)
    difference = (before - after).abs()
    is_exact = dtype is torch.float32 and not spec.quantization
    # in half precision single values may differ by much where weights were learned in single precision: the mean tells
    close = difference.max() < 1e-3 if is_exact else difference.mean() < 0.05 * before.std()
    if not close:
        raise GauchoError(_("what was stored, read back, predicts something else (by {item:.3g})", item=difference.max().item()))
    return float(difference.max())


@torch.no_grad()
def _prediction(family: Family, dtype: torch.dtype, latents: torch.Tensor, prompt: str, conditioning: Conditioning | None) -> torch.Tensor:
    device = family.device
    batch = family.collate([family.encode_prompt(prompt) if conditioning is None else conditioning])
    with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
        return family.predict(latents.to(device, dtype), latents.new_full((1,), 0.5, device=device), batch).float().cpu()
