"""The stories of a concept's page: frames, beats, and what was measured of each, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.assets.metrics import SampleSequenceMetrics, StoryMetrics
from gaucho_pipeline.assets.rows import StoryRow, read_rows
from gaucho_pipeline.language.bilingual import Language
from gaucho_pipeline.pages.words import number, words
from gaucho_pipeline.store.manifest import read_manifest


@dataclass(frozen=True)
class BeatContent:
    """A beat of a story, by the frame that it begins with."""

    first: int
    text: str
    is_prompt: bool


@dataclass(frozen=True)
class StoryContent:
    """What a page shows of a story."""

    name: str
    title: str
    place: str
    frames: int
    rate: float
    beats: list[BeatContent]
    files: list[str]
    alt: str
    sentences: list[str]
    backbone: str
    imagined: bool


def story_contents(sequence: Path | None, language: Language) -> list[StoryContent]:
    """What a page shows of each story; nothing without a sequence."""
    if sequence is None:
        return []
    manifest = read_manifest(sequence)
    metrics = manifest.metrics
    assert isinstance(metrics, SampleSequenceMetrics)
    rows = read_rows(sequence / "stories.jsonl", StoryRow)
    imagined = manifest.drawing_spec().historical
    return [_story(row, measured, metrics, imagined, language) for row, measured in zip(rows, metrics.stories, strict=True)]


def _story(row: StoryRow, measured: StoryMetrics, metrics: SampleSequenceMetrics, imagined: bool, language: Language) -> StoryContent:
    place, title = f"stories/{row.name}", row.title.read(language) if row.title else row.name
    beats = [BeatContent(beat.first, beat.caption.read(language) if beat.caption else beat.prompt, not beat.caption) for beat in row.beats]
    return StoryContent(
        name=row.name,
        title=title,
        place=place,
        frames=row.frames,
        rate=row.frames_per_second,
        beats=beats,
        files=[f"{place}/{name}" for name in row.files],
        alt=words(language)["story_alt"].format(title=title, beats="; ".join(beat.text for beat in beats)),
        sentences=_sentences(measured, metrics, language),
        backbone=metrics.subject_backbone,
        imagined=imagined,
    )


def _sentences(story: StoryMetrics, metrics: SampleSequenceMetrics, language: Language) -> list[str]:
    """Sentences on how well a story holds together."""
    texts = words(language)
    sentences = [
        texts["story_steps"].format(
            mean=number(story.step_mean, language), worst=number(story.step_worst, language),
            control_mean=number(story.control_step_mean, language), control_worst=number(story.control_step_worst, language),
        )
    ]  # fmt: skip
    if story.distance_worst is not None and story.control_distance_worst is not None:
        values = {"worst": number(story.distance_worst, language), "control_worst": number(story.control_distance_worst, language)}
        sentences.append(texts["story_distance"].format(**values))
    if story.subject_lowest is not None and story.subject_lowest_frame is not None and story.base_subject_mean is not None:
        values = {"lowest": number(story.subject_lowest, language), "base": number(story.base_subject_mean, language)}
        sentences.append(texts["story_subject"].format(frame=story.subject_lowest_frame + 1, **values))
    if story.frames_above_base is not None:
        sentences.append(texts["story_above"].format(count=story.frames_above_base, frames=story.frames))
    if story.beats_followed is not None:
        counts = {"count": story.beats_followed, "beats": story.beats, "control": story.control_beats_followed}
        sentences.append(texts["story_beats"].format(**counts))
    return sentences + ([] if metrics.subject_backbone else [texts["story_not_measured"]])
