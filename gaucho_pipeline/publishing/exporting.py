"""`gaucho export`: a whole pipeline of a base model and what was learned, in diffusers' layout, in half precision."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import torch

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models.base_models import load
from gaucho_pipeline.store.artifact import Artifact


def export_pipeline(checkpoint: Artifact, folder: Path) -> None:
    """Writes a pipeline that `from_pretrained` loads, with the model card and the credits of the images beside it.

    Raises ConfigError if something stands in the folder, GauchoError if the base model or what was learned does not load.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(_("{folder}: is not empty; name a new folder", folder=folder))
    spec = checkpoint.manifest.training_spec()
    family = load(spec.base_model, spec.revision, torch.device("cpu")).family
    method = METHODS[spec.method]
    method.load(family, checkpoint.folder)
    method.fuse(family)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as name:  # nothing half-written is ever taken for whole
        whole = Path(name) / "whole"
        family.pipeline.to(torch.float16)
        family.pipeline.save_pretrained(whole, safe_serialization=True)
        for file in ("README.md", "ATTRIBUTION.csv", "losses.png"):
            shutil.copyfile(checkpoint.folder / file, whole / file)
        provenance = {"checkpoint": checkpoint.manifest.data_version, "base_model": checkpoint.manifest.provenance.base_model}
        (whole / "made_from.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        os.replace(whole, folder)
