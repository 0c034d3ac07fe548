"""What must hold of an artifact before anything is made from it. Dagster shows these as blocking checks; every run obeys them.

Judged from the artifact alone, without torch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gaucho_pipeline.artifacts import Artifact


class Check(NamedTuple):
    """What is asserted of an asset. One that does not block is a warning: what stands may still be used."""

    name: str
    asserts: str
    blocks: bool = True


CHECKS = {
    "raw_crawl": Check("all_sources_answered", "Every source answered, and was understood.", blocks=False),
    "curated_set": Check("enough_images", "There are enough images to learn from."),
    "checkpoint": Check("sound_weights", "The weights are finite and load back."),
    "sample_gallery": Check("no_black_pictures", "No picture is black."),
}
"""By asset."""


class Judgement(NamedTuple):
    """Whether what is asserted of an artifact holds, in a sentence, with the numbers; and whether the artifact may be used."""

    passed: bool
    text: str
    figures: dict[str, Any]
    is_fit: bool


def judge(artifact: Artifact) -> Judgement:
    """Judges an artifact; one without a check is fit."""
    judges = {
        "raw_crawl": _all_sources_answered,
        "curated_set": _enough_images,
        "checkpoint": _sound_weights,
        "sample_gallery": _no_black_pictures,
    }
    asset = artifact.manifest.asset
    if asset not in judges:
        return Judgement(True, "", {}, True)
    passed, text, figures = judges[asset](artifact)
    return Judgement(passed, text, figures, passed or not CHECKS[asset].blocks)


_Verdict = tuple[bool, str, dict[str, Any]]


def _all_sources_answered(artifact: Artifact) -> _Verdict:
    failed = artifact.manifest.figures["failed_sources"]
    text = "; ".join(f"missing: {source} ({why})" for source, why in failed.items()) or "every source answered"
    return not failed, text, {"failed_sources": len(failed)}


def _enough_images(artifact: Artifact) -> _Verdict:
    figures, least = artifact.manifest.figures, artifact.manifest.made_from.spec["min_images"]
    excluded = ", ".join(f"{count} {reason}" for reason, count in figures["excluded"].items()) or "none excluded"
    text = f"{figures['kept']} of {figures['read']} images are left, {least} are needed ({excluded})"
    if relaxed := [f"{count} without {name}" for name, count in figures.get("if_relaxed", {}).items()]:
        text += f"; there would be {', '.join(relaxed)}"
    return figures["kept"] >= least, text, {"kept": figures["kept"], "needed": least}


def _sound_weights(artifact: Artifact) -> _Verdict:
    import numpy as np
    from safetensors.numpy import load_file

    files = sorted(artifact.folder.rglob("*.safetensors"))
    broken = [file.name for file in files if not all(np.isfinite(tensor).all() for tensor in load_file(file).values())]
    difference = float(artifact.manifest.figures["reload_difference"])
    text = f"not finite: {', '.join(broken)}" if broken else f"finite; read back, predictions differ by {difference:.2g}"
    return bool(files) and not broken, text, {"files": len(files), "reload_difference": difference}


def _no_black_pictures(artifact: Artifact) -> _Verdict:
    black, pictures = int(artifact.manifest.figures["black"]), artifact.manifest.figures["pictures"]
    return black == 0, f"{black} of {pictures} pictures are black", {"black": black}
