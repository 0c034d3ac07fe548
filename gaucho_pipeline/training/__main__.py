"""Training as a stage: makes `checkpoint` of a concept.

Writes adapter/ (diffusers' format), <concept>.safetensors (what ComfyUI, A1111 and Forge read), losses.jsonl and
losses.png, held_out/ with its table (images that were measured with, never learned from), and ATTRIBUTION.csv.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import read_table, write_attribution, write_table
from gaucho_pipeline.canonical import digest
from gaucho_pipeline.concepts import TrainingSpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.pipeline import Request
from gaucho_pipeline.stage import Made, Reporter, main
from gaucho_pipeline.training import adapter
from gaucho_pipeline.training.curve import draw_curve
from gaucho_pipeline.training.examples import encode_captions, encode_images, filled, split
from gaucho_pipeline.training.loop import Trainer, concept_caption, peak_memory, prior_captions

_CREDIT = ("sha256", "title", "author", "source", "license", "license_url")
_OTHER_NAME = "xqv"
"""A word that means nothing, to see whether the concept answers to its own token only."""


def fill(request: Request, staging: Path, reporter: Reporter) -> Made:
    """Teaches the concept to the base model, and measures what was learned."""
    value = dict(request.spec)
    token, class_noun = value.pop("token"), value.pop("class_noun")
    spec, curated = TrainingSpec.model_validate(value), request.inputs["curated_set"]
    known_rows, held_rows = split(read_table(curated / "images.jsonl"), spec.held_out, spec.seed)
    device = base_models.best_device()
    reporter.say(f"loading {spec.base_model} on {device}")
    base = base_models.load(spec.base_model, spec.revision, device)
    spec = spec.model_copy(update={"resolution": spec.resolution or base.resolution})
    side = spec.resolution or base.resolution
    base.pipeline.vae.to(torch.float32)  # its posteriors are kept for the whole run, and half precision spoils them
    known = encode_images(base.pipeline.vae, [curated / r["file"] for r in known_rows], side, spec.mirror)
    held = encode_images(base.pipeline.vae, [curated / r["file"] for r in held_rows], side, False)
    caption, other_name = concept_caption(token, class_noun), concept_caption(_OTHER_NAME, class_noun)
    own = [filled(row["caption"], token, class_noun) for row in known_rows for _ in range(1 + spec.mirror)]
    captions = encode_captions(base.pipeline, [caption, other_name, *prior_captions(class_noun), *own])
    trainer = Trainer(base, spec, token, class_noun, captions, known, held, own)
    (staging / "state").mkdir(exist_ok=True)
    started = time.monotonic()
    steps_run = trainer.run(staging / "state" / "training.pt", reporter)
    seconds = time.monotonic() - started
    losses = _losses(trainer, caption, other_name, prior_captions(class_noun)[0])
    unet = trainer.accelerator.unwrap_model(trainer.unet)
    file = adapter.save_for_diffusers(unet, staging / "adapter")
    licenses = sorted({row["license"] for row in known_rows})
    adapter.save_for_other_programs(
        staging / f"{request.concept}.safetensors",
        adapter.weights_of(unet),
        spec,
        base.family,
        request.concept,
        f"{token} {class_noun}",
        ", ".join(licenses),
        len(known_rows),
    )
    write_table(staging / "losses.jsonl", trainer.progressed.curve)
    draw_curve(trainer.progressed.curve, trainer.progressed.best_step, staging / "losses.png")
    _copy_images(held_rows, curated, staging, "held_out")
    write_table(staging / "known.jsonl", known_rows)
    write_attribution(staging / "ATTRIBUTION.csv", [row | {"file": Path(row["file"]).name} for row in known_rows])
    figures: dict[str, Any] = {
        "held_out_loss": losses["held_out"]["token"],
        "losses": losses,
        "steps": trainer.steps,
        "best_step": trainer.progressed.best_step,
        "images": len(known_rows),
        "held_out_images": len(held_rows),
        "images_per_second": round(steps_run * spec.batch_size / max(seconds, 1e-6), 2),
        "peak_memory_bytes": peak_memory(device),
        "trainable_parameters": sum(p.numel() for p in unet.parameters() if p.requires_grad),
        "reload_difference": _reload_difference(trainer, request, spec, file, caption),
        "device": str(device),
    }
    shutil.rmtree(staging / "state")
    loss = figures["held_out_loss"]
    reporter.say(f"held-out loss {loss['base']:.4f} before, {loss['tuned']:.4f} after; best at step {figures['best_step']}")
    credited = [[row[name] for name in _CREDIT] for row in known_rows + held_rows]
    holds = [adapter.digest_of(adapter.weights_of(unet), spec.effective_alpha), credited]
    return Made(data_version=digest(holds), figures=figures)


def _losses(trainer: Trainer, caption: str, other_name: str, class_caption: str) -> dict[str, dict[str, dict[str, float]]]:
    """The losses as a set: on images not learned from and on those learned from; with the token, another word, the class alone."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for images, posteriors in (("held_out", trainer.held), ("known", trainer.known)):
        found[images] = {}
        for name, text in (("token", caption), ("another_word", other_name), ("class_noun", class_caption)):
            before = trainer.measure(posteriors, text, with_adapter=False)
            found[images][name] = {"base": round(before, 5), "tuned": round(trainer.measure(posteriors, text), 5)}
    return found


def _copy_images(rows: list[dict[str, Any]], curated: Path, staging: Path, name: str) -> None:
    folder = staging / name
    folder.mkdir(exist_ok=True)
    for row in rows:
        shutil.copyfile(curated / row["file"], folder / Path(row["file"]).name)
    write_table(staging / f"{name}.jsonl", [row | {"file": f"{name}/{Path(row['file']).name}"} for row in rows])


def _reload_difference(trainer: Trainer, request: Request, spec: TrainingSpec, file: Path, caption: str) -> float:
    """How far the prediction with the file read back is from the one with the weights in memory: the largest, over all values.

    Raises GauchoError if the file does not load, or gives something else.
    """
    before = _prediction(trainer.base.pipeline, trainer, caption)
    fresh = base_models.load(spec.base_model, spec.revision, trainer.base.device).pipeline
    try:
        fresh.load_lora_weights(file.parent, weight_name=file.name)
    except (ValueError, OSError, json.JSONDecodeError) as error:
        raise GauchoError(f"the adapter does not load back: {error}") from None
    difference = (before - _prediction(fresh, trainer, caption)).abs().max().item()
    if not difference < (1e-3 if fresh.unet.dtype is torch.float32 else 0.05):
        raise GauchoError(f"the adapter that was read back predicts something else (by {difference:.3g})")
    return difference


@torch.no_grad()
def _prediction(pipeline: StableDiffusionPipeline, trainer: Trainer, caption: str) -> torch.Tensor:
    latents = trainer.held.mean[:1].to(pipeline.device, pipeline.unet.dtype)
    timesteps = torch.tensor([500], device=pipeline.device)
    with trainer.accelerator.autocast():
        return pipeline.unet(latents, timesteps, trainer.captions[caption][None].to(pipeline.unet.dtype)).sample.float().cpu()


if __name__ == "__main__":
    main(fill)
