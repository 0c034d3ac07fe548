"""`gaucho export`: a whole pipeline of a base model and what was learned, in diffusers' layout, in half precision where that holds it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.models.base_models import Loaded, load
from gaucho_pipeline.models.trained import add_learned
from gaucho_pipeline.pages.corrections import corrections_of, write_corrected
from gaucho_pipeline.store.artifact import Artifact


def export_pipeline(checkpoint: Artifact, folder: Path, corrected: Sequence[Path] = (), agreed: str = "") -> None:
    """Writes a pipeline that `from_pretrained` loads, with the model card and the credits of the images beside it.

    `corrected`: the sets that credit the images as they are credited now, where those are others than it was trained on; `agreed`: what
    people and communities whom it shows have agreed to.

    Raises ConfigError if something is in the folder, GauchoError if the base model or what was learned does not load, or is not finite.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(_("{folder}: is not empty; name a new folder", folder=folder))
    spec = checkpoint.manifest.taught_spec()
    base = load(spec.base_model, spec.revision, torch.device("cpu"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as name:  # nothing half-written is ever taken for whole
        whole = Path(name) / "whole"
        add_learned(base.family, checkpoint.manifest, checkpoint.folder)
        write_pipeline(base, whole)
        shutil.copyfile(checkpoint.folder / "losses.png", whole / "losses.png")
        card = (checkpoint.folder / "README.md").read_text(encoding="utf-8")
        write_corrected(whole, card, checkpoint.folder / "ATTRIBUTION.csv", corrections_of(corrected), agreed)
        provenance = {"checkpoint": checkpoint.manifest.data_version, "base_model": checkpoint.manifest.provenance.base_model}
        (whole / "made_from.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        os.replace(whole, folder)


def write_pipeline(base: Loaded, folder: Path) -> None:
    """Writes a base model as it is now, one part after the other. Raises GauchoError if a weight is not finite."""
    parts = base.family.parts
    names = (*base.family.text_encoders, "vae", base.family.denoiser)
    index = dict(base.family.pipeline.config)
    base.family.pipeline.save_pretrained(folder)  # tokenizers, scheduler, processors, and an index that lacks the parts
    written = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for name in names:
        module = base.family.part(name)
        written[name] = [type(module).__module__.split(".")[0], type(module).__name__]
        module.to(_saved_dtype(module, parts.stored_dtype(name), name)).save_pretrained(folder / name, safe_serialization=True)
        _loads_in_single_precision(folder / name / "config.json")
        del module
        parts.drop(name)
    ordered = {key: written[key] for key in {**index, **written} if key in written}
    (folder / "model_index.json").write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def _saved_dtype(module: torch.nn.Module, stored: torch.dtype, name: str) -> torch.dtype:
    """The type that a part is written in: bfloat16 where it is published so, since float16 overflows; else float16 where that holds it.

    Raises GauchoError if a weight is not finite at all.
    """
    for key, weight in module.named_parameters():
        if not torch.isfinite(weight).all():
            raise GauchoError(
                _("{name}.{key} is not finite: nothing was written; train with a lower training.learning_rate", name=name, key=key)
            )
    if stored == torch.bfloat16:
        return torch.bfloat16
    holds = all(torch.isfinite(weight.to(torch.float16)).all() for weight in module.parameters())
    return torch.float16 if holds else torch.float32


def _loads_in_single_precision(path: Path) -> None:
    """Has a text encoder loaded as diffusers loads its own parts, in single precision unless `dtype` is named.

    transformers takes the type that a configuration names before that of the weights: a half text encoder beside a single denoiser cannot
    be multiplied.
    """
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(_with_single_precision(config), indent=2) + "\n", encoding="utf-8")


def _with_single_precision(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: "float32" if key in ("dtype", "torch_dtype") and isinstance(own, str) else _with_single_precision(own)
        for key, own in value.items()
    }
