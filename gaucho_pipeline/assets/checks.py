"""What must hold of an artifact before anything is made from it: Dagster shows these as asset checks, and every run obeys them.

Which check is which asset's is in `table.py`. Each looks at the artifact alone, without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gaucho_pipeline.assets.metrics import (
    CheckpointMetrics,
    CollectionEvaluationMetrics,
    CuratedSetMetrics,
    EvaluationMetrics,
    RawCrawlMetrics,
    SampleGalleryMetrics,
    SampleSequenceMetrics,
)
from gaucho_pipeline.assets.verdict_text import collection_text, verdict_text
from gaucho_pipeline.errors import _

CLASS_NOUN_DRIFT = 0.2
"""Above it the class noun is drawn otherwise, too, where eyes see it: they did at .23 to .48 of trainings of the embedded model."""
ENOUGH_VALIDATION_IMAGES = 3
"""With which it can be said how sure a change of the loss is: one chooses the best weights, two others are reported on."""


class Subject(NamedTuple):
    """An artifact, as far as a check may look at it beside its metrics."""

    spec: Mapping[str, Any]
    """The specification that it was made from."""
    folder: Path


class CheckResult(NamedTuple):
    """Whether what is asserted of an artifact holds, in a sentence, with the numbers."""

    passed: bool
    text: str
    numbers: Mapping[str, float | str]
    is_warning: bool = False
    """Whether a failure blocks nothing, although the check may: it depends on the specification."""


@dataclass(frozen=True)
class Check:
    """What is asserted of an asset. One that does not block is a warning: the artifact may still be used."""

    name: str
    description: str
    run: Callable[[Any, Subject], CheckResult]
    """Takes the metrics of the artifact, and what else it may look at."""
    blocking: bool = True


def all_sources_answered(metrics: RawCrawlMetrics, subject: Subject) -> CheckResult:
    failed = metrics.failed_sources
    text = "; ".join(_("missing: {origin} ({why})", origin=source, why=why) for source, why in failed.items()) or _("every source answered")
    return CheckResult(not failed, text, {"failed_sources": len(failed)})


def enough_images(metrics: CuratedSetMetrics, subject: Subject) -> CheckResult:
    needed = subject.spec["min_images"]
    excluded = ", ".join(f"{count} {reason}" for reason, count in metrics.excluded.items()) or _("none excluded")
    text = _(
        "{kept} of {total} images are left, {needed} are needed ({excluded})",
        kept=metrics.kept, total=metrics.read, needed=needed, excluded=excluded,
    )  # fmt: skip
    if relaxed := ", ".join(_("{count} without {name}", count=count, name=name) for name, count in metrics.if_relaxed.items()):
        text += "; " + _("there would be {relaxed}", relaxed=relaxed)
    return CheckResult(metrics.kept >= needed, text, {"kept": metrics.kept, "needed": needed})


def sound_weights(metrics: CheckpointMetrics, subject: Subject) -> CheckResult:
    import numpy as np
    from safetensors.numpy import load_file

    files = sorted(subject.folder.rglob("*.safetensors"))
    broken = [file.name for file in files if not all(np.isfinite(tensor).all() for tensor in load_file(file).values())]
    difference = metrics.reload_difference
    text = _("not finite: {names}", names=", ".join(broken)) if broken else ""
    text = text or _("finite; read back, predictions differ by {difference:.2g}", difference=difference)
    text = text if files else _("there are no weights")
    return CheckResult(bool(files) and not broken, text, {"files": len(files), "reload_difference": difference})


def loss_fell(metrics: CheckpointMetrics, subject: Subject) -> CheckResult:
    loss, moved = metrics.validation_loss, metrics.class_noun_drift
    word = metrics.loss_fell or "not measured"
    text = f"loss_fell: {word}; the loss went from {loss.base:.4f} to {loss.tuned:.4f}"
    if loss.interval:
        text += f", a change of {loss.interval[0]:.4f} to {loss.interval[1]:.4f} (95 %)"
    if has_drifted := moved is not None and moved > CLASS_NOUN_DRIFT:
        text += f"; with the class noun alone the model moved {moved:.2f} times as far as it gained with the token"
    if too_few := metrics.loss_fell == "unclear" and metrics.validation_images < ENOUGH_VALIDATION_IMAGES:
        text += f"; {ENOUGH_VALIDATION_IMAGES} validation images are needed to say how sure that is: more photographs, or more kept back"
    if metrics.loss_fell != "yes" and not too_few:
        text += "; try more epochs, a higher learning_rate, or images that show the subject alike"
    return CheckResult(metrics.loss_fell == "yes" and not has_drifted, text, {"loss_fell": word})


def kept_apart(metrics: CollectionEvaluationMetrics, subject: Subject) -> CheckResult:
    text = f"verdict: {metrics.verdict}; {collection_text(metrics, 'en')}"
    return CheckResult(metrics.verdict == "yes", text, {"verdict": metrics.verdict})


def no_black_pictures(metrics: SampleGalleryMetrics, subject: Subject) -> CheckResult:
    text = _(
        "{black} of {count} pictures show nothing, {again} had to be drawn again with another seed",
        black=metrics.black, count=metrics.pictures, again=metrics.drawn_again,
    )  # fmt: skip
    many = metrics.drawn_again * 4 > metrics.pictures / 2  # a quarter of the prompts and seeds
    numbers = {"black": metrics.black, "drawn_again": metrics.drawn_again}
    return CheckResult(metrics.black == 0 and not many, text, numbers)


def verdict_is_yes(metrics: EvaluationMetrics, subject: Subject) -> CheckResult:
    text = f"verdict: {metrics.verdict}; {verdict_text(metrics, 'en')}"
    return CheckResult(metrics.verdict == "yes", text, {"verdict": metrics.verdict})


def nothing_memorised(metrics: EvaluationMetrics, subject: Subject) -> CheckResult:
    line = f"a cosine above {metrics.memorisation_line:.3f} with a training image"
    text = f"{metrics.memorised} of {metrics.pictures} pictures look copied: {line}"
    if not metrics.memorisation_backbone:
        text = "not measured: there is no encoder"
    return CheckResult(metrics.memorised == 0 and bool(metrics.memorisation_backbone), text, {"memorised": metrics.memorised})


def within_thresholds(metrics: EvaluationMetrics, subject: Subject) -> CheckResult:
    text = f"beyond their thresholds: {', '.join(metrics.beyond)}" if metrics.beyond else "every figure that has a threshold is within it"
    return CheckResult(not metrics.beyond, text, {"beyond": len(metrics.beyond)}, is_warning=not subject.spec["block"])


def no_blank_frames(metrics: SampleSequenceMetrics, subject: Subject) -> CheckResult:
    blank = {story.name: story.blank for story in metrics.stories if story.blank}
    text = "; ".join(f"{count} frames of {name} show nothing" for name, count in blank.items()) or "every frame shows something"
    return CheckResult(not blank, text, {"blank": sum(blank.values())})


def holds_together(metrics: SampleSequenceMetrics, subject: Subject) -> CheckResult:
    apart = [story.name for story in metrics.stories if story.step_worst > story.control_step_worst / 2]
    steps = [f"{story.name}: {story.step_worst:.3f}, by chance {story.control_step_worst:.3f}" for story in metrics.stories]
    text = f"the largest change from frame to frame: {'; '.join(steps)}"
    return CheckResult(not apart, text, {"apart": len(apart)})


def subject_kept(metrics: SampleSequenceMetrics, subject: Subject) -> CheckResult:
    measured = [story for story in metrics.stories if story.frames_above_base is not None]
    lost = [f"{story.name}: {story.frames_above_base} of {story.frames}" for story in measured if story.frames_above_base != story.frames]
    text = f"frames that show the concept more than the base model's: {'; '.join(lost)}" if lost else "every frame shows the concept"
    text = text if measured else "not measured: there is no encoder, or too few validation images"
    return CheckResult(bool(measured) and not lost, text, {"stories": len(lost)})
