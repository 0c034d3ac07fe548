"""What must hold of an artifact before anything is made from it. Dagster shows these as blocking checks; every run obeys them.

Judged from the artifact alone, without torch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gaucho_pipeline.artifacts import Artifact

CHECKS = {
    "curated_set": ("enough_images", "There are enough images to learn from."),
    "checkpoint": ("sound_weights", "The weights are finite and load back."),
    "sample_gallery": ("no_black_pictures", "No picture is black."),
}
"""By asset: the name of its check and what it asserts."""


class Judgement(NamedTuple):
    """Whether an artifact is fit to be used, in a sentence, with the numbers."""

    passed: bool
    text: str
    figures: dict[str, Any]


def judge(artifact: Artifact) -> Judgement:
    """Judges an artifact; one without a check is fit."""
    judges = {"curated_set": _enough_images, "checkpoint": _sound_weights, "sample_gallery": _no_black_pictures}
    asset = artifact.manifest.asset
    return judges[asset](artifact) if asset in judges else Judgement(True, "", {})


def _enough_images(artifact: Artifact) -> Judgement:
    figures, least = artifact.manifest.figures, artifact.manifest.made_from.spec["min_images"]
    excluded = ", ".join(f"{count} {reason}" for reason, count in figures["excluded"].items()) or "none excluded"
    text = f"{figures['kept']} of {figures['read']} images are left, {least} are needed ({excluded})"
    return Judgement(figures["kept"] >= least, text, {"kept": figures["kept"], "needed": least})


def _sound_weights(artifact: Artifact) -> Judgement:
    import numpy as np
    from safetensors.numpy import load_file

    files = sorted(artifact.folder.rglob("*.safetensors"))
    broken = [file.name for file in files if not all(np.isfinite(tensor).all() for tensor in load_file(file).values())]
    difference = float(artifact.manifest.figures["reload_difference"])
    text = f"not finite: {', '.join(broken)}" if broken else f"finite; read back, predictions differ by {difference:.2g}"
    return Judgement(bool(files) and not broken, text, {"files": len(files), "reload_difference": difference})


def _no_black_pictures(artifact: Artifact) -> Judgement:
    black, pictures = int(artifact.manifest.figures["black"]), artifact.manifest.figures["pictures"]
    return Judgement(black == 0, f"{black} of {pictures} pictures are black", {"black": black})
