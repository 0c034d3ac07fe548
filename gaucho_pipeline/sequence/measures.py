"""How well a story holds together: from frame to frame, to its subject, and to its beats; each beside the control, or the base model."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gaucho_pipeline.assets.metrics import StoryMetrics
from gaucho_pipeline.images.decoding import shows_nothing
from gaucho_pipeline.models.encoders import Encoder
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.scorers.base import Vectors
from gaucho_pipeline.sequence.drawing import MODELS, Model, PreparedStory

_REPLICATES = 1000
Numbers = NDArray[np.float64]


class FrameNumbers(TypedDict, total=False):
    """What was measured of a frame, as its row has it (`assets.rows.FrameRow`)."""

    step: float
    subject: float
    base_subject: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True)
class StoryEncoders:
    """What looks at frames; None where there is none."""

    subject: Encoder | None
    """For how near they are to images of the concept."""
    words: Encoder | None
    """For how near they are to prompts."""


@dataclass(frozen=True)
class Measured:
    """What was measured of a story, and of each frame."""

    metrics: StoryMetrics
    rows: list[FrameNumbers]


def measure(
    prepared: PreparedStory,
    plain_prompts: Sequence[str],
    frames: Mapping[Model, Sequence[Image.Image]],
    images: Sequence[Image.Image],
    encoders: StoryEncoders,
) -> Measured:
    """Measures a story.

    `plain_prompts`: of each beat, without tokens, for what knows no made-up word. `images`: validation images of its concept.
    """
    story, by_subject, by_words = prepared.story, encoders.subject, encoders.words
    steps = {model: pixel_steps(frames[model]) for model in ("tuned", "control")}
    within = _not_over_cuts(story)
    found: dict[str, float | int | None] = dict(_steps("step", steps["tuned"][within], steps["control"][within]))
    rows = [FrameNumbers() for _ in frames["tuned"]]
    for number in np.flatnonzero(within):
        rows[number + 1]["step"] = round(float(steps["tuned"][number]), 5)
    vectors = {model: by_subject.embed_images(frames[model]) for model in MODELS} if by_subject else {}
    if by_subject:
        distances = {model: 1 - (vectors[model][1:] * vectors[model][:-1]).sum(1).astype(np.float64) for model in ("tuned", "control")}
        found |= _steps("distance", distances["tuned"][within], distances["control"][within])
        if len(images):
            found |= _subject(vectors, by_subject.embed_images(images), rows)
    if by_words and len(story.beats) > 1:
        texts = by_words.embed_texts(list(plain_prompts))
        names: dict[Model, str] = {"tuned": "beats_followed", "control": "control_beats_followed"}
        for model, name in names.items():  # one encoder may do for both, and looks at frames once
            seen = vectors[model] if by_words is by_subject else by_words.embed_images(frames[model])
            found[name] = beats_followed(story, seen @ texts.T)
    metrics = StoryMetrics(
        name=story.name,
        frames=len(frames["tuned"]),
        seconds=round(len(frames["tuned"]) / story.frames_per_second, 2),
        beats=len(story.beats),
        blank=sum(shows_nothing(picture) for picture in frames["tuned"]),
        **found,
    )
    return Measured(metrics, rows)


def pixel_steps(frames: Sequence[Image.Image]) -> Numbers:
    """The mean change of a pixel's value from each frame to the next, (frames - 1,), 0 to 1."""
    values = (np.asarray(frame.convert("RGB"), np.float64) / 255 for frame in frames)
    return np.array([np.abs(after - before).mean() for before, after in itertools.pairwise(values)], np.float64)


def _not_over_cuts(story: Story) -> NDArray[np.bool_]:
    """Which steps are none from one beat to another that it is cut to, (frames - 1,)."""
    frames = story.frames()
    return np.array([a.beat == b.beat or a.following == b.beat for a, b in itertools.pairwise(frames)], bool)


def _steps(name: str, own: Numbers, control: Numbers) -> dict[str, float]:
    """Mean and largest step of a story and of its control; 0 where no frame follows another."""
    found = {}
    for prefix, steps in (("", own), ("control_", control)):
        found[f"{prefix}{name}_mean"] = round(float(steps.mean()), 5) if len(steps) else 0.0
        found[f"{prefix}{name}_worst"] = round(float(steps.max()), 5) if len(steps) else 0.0
    return found


def _subject(vectors: Mapping[Model, Vectors], images: Vectors, rows: list[FrameNumbers]) -> dict[str, float | int | None]:
    """How near frames are to images of the subject; each frame's own figures go into its row."""
    near = {model: (vectors[model] @ images.T).astype(np.float64) for model in MODELS}
    means = near["tuned"].mean(1)
    lowest = int(means.argmin())
    above = 0
    for number, row in enumerate(rows):
        row["subject"], row["base_subject"] = round(float(means[number]), 4), round(float(near["base"][number].mean()), 4)
        interval = gain_interval(near["tuned"][number] - near["base"][number])
        if interval:
            row["gain_low"], row["gain_high"] = interval
            above += interval[0] > 0
    return {
        "subject_mean": round(float(means.mean()), 4),
        "subject_lowest": round(float(means[lowest]), 4),
        "subject_lowest_frame": lowest,
        "base_subject_mean": round(float(near["base"].mean()), 4),
        "control_subject_mean": round(float(near["control"].mean()), 4),
        "frames_above_base": above if len(images) > 1 else None,
    }


def gain_interval(gains: Numbers) -> tuple[float, float] | None:
    """The 95 % interval of a mean gain, by a percentile bootstrap over images; None where one image says nothing of the others."""
    if len(gains) < 2:
        return None
    draws = np.random.default_rng(0).integers(0, len(gains), (_REPLICATES, len(gains)))
    low, high = np.quantile(gains[draws].mean(1), [0.025, 0.975]).round(4).tolist()
    return low, high


def beats_followed(story: Story, cosines: Vectors) -> int:
    """How many beats' frames agree with their own prompt more than with every other beat's, in the mean.

    `cosines`: cosine of each frame with each beat's prompt, (frames, beats). Beats with the same prompt are one.
    """
    frames, count = story.frames(), 0
    for number, beat in enumerate(story.beats):
        own = np.array([frame.nearest == number for frame in frames], bool)
        if not own.any():
            continue
        means = cosines[own].mean(0)
        others = [means[other] for other, each in enumerate(story.beats) if each.prompt != beat.prompt]
        count += not others or bool(means[number] > max(others))
    return count
