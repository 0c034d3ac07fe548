"""Training as a stage: makes `checkpoint` of a concept.

Writes adapter/ (diffusers' format), <concept>.safetensors (kohya's, which ComfyUI, A1111 and Forge read), losses.jsonl and losses.png,
train.jsonl (what was learned from), validation/ with its table (images that were measured with, never learned from), and
ATTRIBUTION.csv.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import read_table, write_attribution, write_table
from gaucho_pipeline.base_models import Loaded
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import TrainingSpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families import Family
from gaucho_pipeline.metrics import BaseTuned, CheckpointMetrics, Losses, PromptLosses, ValidationLoss
from gaucho_pipeline.pipeline import StageRequest
from gaucho_pipeline.prompts import fill_in, instance_prompt, prior_prompts
from gaucho_pipeline.stage import Reporter, StageResult, main
from gaucho_pipeline.training import adapter
from gaucho_pipeline.training.curve import draw_curve
from gaucho_pipeline.training.examples import ImageSet, Posteriors, encode_images, encode_prompts, split
from gaucho_pipeline.training.learned import interval, verdict
from gaucho_pipeline.training.loop import Trainer, peak_memory

_CREDIT = ("sha256", "title", "author", "source", "license", "license_url")
_OTHER_TOKEN = "xqv"
"""A word that means nothing, to see whether the concept answers to its own token only."""


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Teaches the concept to the base model, and measures what was learned."""
    value = dict(request.spec)
    token, class_noun = value.pop("token"), value.pop("class_noun")
    spec, curated = TrainingSpec.model_validate(value), request.inputs["curated_set"]
    train_rows, validation_rows = split(read_table(curated / "images.jsonl"), spec.validation_fraction, spec.seed)
    device = base_models.best_device()
    reporter.info(f"loading {spec.base_model} on {device}")
    base = base_models.load(spec.base_model, spec.revision, device)
    spec = spec.model_copy(update={"resolution": spec.resolution or base.resolution})
    trainer = prepare(base, spec, token, class_noun, train_rows, validation_rows, curated)
    (staging / "state").mkdir(exist_ok=True)
    started = time.monotonic()
    steps_run = trainer.run(staging / "state" / "training.pt", reporter)
    seconds = time.monotonic() - started
    losses, change = measure(trainer, instance_prompt(_OTHER_TOKEN, class_noun))
    gain = losses.validation.token.base - losses.validation.token.tuned
    network = trainer.accelerator.unwrap_model(trainer.network)
    file = adapter.save_diffusers(base.family, staging / "adapter")
    adapter.save_single_file(
        staging / f"{request.concept}.safetensors",
        base.family,
        spec,
        request.concept,
        f"{token} {class_noun}",
        ", ".join(sorted({row["license"] for row in train_rows})),
        len(train_rows),
    )
    write_table(staging / "losses.jsonl", trainer.state.curve)
    draw_curve(trainer.state.curve, trainer.state.best_step, staging / "losses.png")
    _copy_images(validation_rows, curated, staging, "validation")
    write_table(staging / "train.jsonl", train_rows)
    write_attribution(staging / "ATTRIBUTION.csv", [row | {"file": Path(row["file"]).name} for row in train_rows])
    metrics = CheckpointMetrics(
        validation_loss=ValidationLoss(**losses.validation.token.model_dump(), interval=change),
        learned=verdict(losses.validation.token.base, change, trainer.state.best_step),
        drift=round(trainer.moved(trainer.reported) / gain, 4) if gain > 0 else None,
        reported_apart=trainer.reported is not trainer.selection,
        losses=losses,
        steps=trainer.max_steps,
        best_step=trainer.state.best_step,
        train_images=len(train_rows),
        validation_images=len(validation_rows),
        images_per_second=round(steps_run * spec.batch_size / max(seconds, 1e-6), 2),
        peak_memory_bytes=peak_memory(device),
        trainable_parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        reload_difference=reload_difference(trainer, spec, file),
        device=str(device),
    )
    shutil.rmtree(staging / "state")
    loss = metrics.validation_loss
    reporter.info(f"validation loss {loss.base:.4f} before, {loss.tuned:.4f} after; best at step {metrics.best_step}")
    reporter.info(f"learned: {metrics.learned} (the loss changed by {change[0]:.4f} to {change[1]:.4f})")
    return StageResult(data_version=data_version(adapter.weights_of(network), spec, train_rows + validation_rows), metrics=metrics)


def data_version(weights: dict[str, torch.Tensor], spec: TrainingSpec, rows: list[dict[str, Any]]) -> str:
    """The hash of what a checkpoint holds: the adapter, and to whom its images are credited."""
    credited = [[row[name] for name in _CREDIT] for row in rows]
    return digest([adapter.digest_of(weights, spec.effective_alpha), credited])


def prepare(
    base: Loaded,
    spec: TrainingSpec,
    token: str,
    class_noun: str,
    train_rows: list[dict[str, Any]],
    validation_rows: list[dict[str, Any]],
    curated: Path,
) -> Trainer:
    """A trainer with all images and prompts encoded."""
    base.pipeline.vae.to(torch.float32)  # half precision spoils posteriors
    family, side = base.family, spec.resolution or base.resolution
    files = [curated / row["file"] for row in train_rows]
    mirrored = encode_images(family, files, side, mirrored=True) if spec.random_flip else None
    captions = [fill_in(row["caption"], token, class_noun) for row in train_rows]
    train = ImageSet(encode_images(family, files, side), captions, mirrored)
    validation = encode_images(family, [curated / row["file"] for row in validation_rows], side)
    prompts = [instance_prompt(token, class_noun), instance_prompt(_OTHER_TOKEN, class_noun), *prior_prompts(class_noun), *captions]
    return Trainer(base, spec, token, class_noun, encode_prompts(family, prompts), train, validation)


def measure(trainer: Trainer, other_prompt: str) -> tuple[Losses, tuple[float, float]]:
    """The losses as a set: on train and validation images; with the token, another made-up word, the class alone.

    Beside them the interval of what changed on validation images with the token.
    """

    def both(posteriors: Posteriors, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        base, tuned = (trainer.errors(posteriors, prompt, with_adapter, for_report=True) for with_adapter in (False, True))
        return base, tuned

    def of(posteriors: Posteriors, token: tuple[torch.Tensor, torch.Tensor]) -> PromptLosses:
        other, class_noun = both(posteriors, other_prompt), both(posteriors, trainer.class_prompt)
        return PromptLosses(token=_means(*token), other_token=_means(*other), class_noun=_means(*class_noun))

    train, validation = (both(posteriors, trainer.instance_prompt) for posteriors in (trainer.train.posteriors, trainer.reported))
    low, high = interval(*validation)
    losses = Losses(train=of(trainer.train.posteriors, train), validation=of(trainer.reported, validation))
    return losses, (round(low, 5), round(high, 5))


def _means(base: torch.Tensor, tuned: torch.Tensor) -> BaseTuned:
    return BaseTuned(base=round(base.mean().item(), 5), tuned=round(tuned.mean().item(), 5))


def _copy_images(rows: list[dict[str, Any]], curated: Path, staging: Path, name: str) -> None:
    folder = staging / name
    folder.mkdir(exist_ok=True)
    for row in rows:
        shutil.copyfile(curated / row["file"], folder / Path(row["file"]).name)
    write_table(staging / f"{name}.jsonl", [row | {"file": f"{name}/{Path(row['file']).name}"} for row in rows])


def reload_difference(trainer: Trainer, spec: TrainingSpec, file: Path) -> float:
    """How far the prediction with the file read back is from the one with the weights in memory: the largest, over all values.

    Raises GauchoError if the file does not load, or gives something else.
    """
    before = _prediction(trainer.base.family, trainer)
    fresh = base_models.load(spec.base_model, spec.revision, trainer.base.device).family
    try:
        fresh.pipeline.load_lora_weights(file.parent, weight_name=file.name)
    except (ValueError, OSError, SafetensorError) as error:
        raise GauchoError(f"the adapter does not load back: {error}") from None
    difference = (before - _prediction(fresh, trainer)).abs().max().item()
    if not difference < (1e-3 if fresh.network.dtype is torch.float32 else 0.05):
        raise GauchoError(f"the adapter that was read back predicts something else (by {difference:.3g})")
    return difference


@torch.no_grad()
def _prediction(family: Family, trainer: Trainer) -> torch.Tensor:
    dtype = family.network.dtype
    latents = trainer.validation.mean[:1].to(trainer.base.device, dtype)
    conditioning = family.collate([trainer.conditionings[trainer.instance_prompt]])
    with trainer.accelerator.autocast():
        return family.predict(latents, latents.new_full((1,), 0.5), conditioning).float().cpu()


if __name__ == "__main__":
    main(run)
