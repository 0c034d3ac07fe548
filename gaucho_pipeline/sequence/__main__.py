"""Sequences as a stage: makes `sample_sequence` of a concept.

Writes for each story a folder with its frames (PNGs), the story as WebP, GIF and, where an encoder is there, MP4, a filmstrip, and the
filmstrips of the base model and of the control; stories.jsonl and frames.jsonl with figures; filmstrip.jpg of all stories; and
ATTRIBUTION.csv. All of it says that it was generated, and from what.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from gaucho_pipeline.artifacts import MANIFEST, Manifest, read_table, write_atomically, write_table
from gaucho_pipeline.assets import SAMPLE_SEQUENCE
from gaucho_pipeline.canonical import digest, file_digest
from gaucho_pipeline.concepts import SequenceSpec
from gaucho_pipeline.encoders import Encoder, load_encoders
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images import BadImage, decode, jpeg_within, pixels_digest
from gaucho_pipeline.metrics import SampleSequenceMetrics
from gaucho_pipeline.pipeline import StageRequest
from gaucho_pipeline.prompts import fill_in, without_token
from gaucho_pipeline.provenance import GENERATED, IMAGINED, SENTENCE, labelled, marked_png
from gaucho_pipeline.sequence import films
from gaucho_pipeline.sequence.drawing import MODELS, Checkpoints, Model, ToldStory, draw_stories, told, words_of
from gaucho_pipeline.sequence.facts import frame_facts, story_facts
from gaucho_pipeline.sequence.figures import Measured, measure
from gaucho_pipeline.signing import Signer, signer_from_environment
from gaucho_pipeline.stage import Reporter, StageResult, main

_INLINE_BYTES = 100_000


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Draws every story, writes it, and measures it. Raises GauchoError if it cannot be drawn, or an image cannot be read."""
    value = dict(request.spec)
    token, class_noun, imagined = value.pop("token"), value.pop("class_noun"), value.pop("historical", False)
    spec, own = SequenceSpec.model_validate(value), request.concept
    checkpoints = _checkpoints(request)
    trained, signer = checkpoints[own][0], signer_from_environment()
    words = words_of(checkpoints) | {own: (token, class_noun)}
    stories = told(spec.stories, own, words)
    drawn = draw_stories(stories, spec, own, checkpoints, request.data, staging / ".steps", reporter)
    encoders, missing = load_encoders(spec.encoders(), reporter, SAMPLE_SEQUENCE)
    by_subject, by_words = encoders.get("dinov2") or encoders.get("clip"), encoders.get("clip")
    images = _validation_images(checkpoints[own][1]) if by_subject else []
    measured = [measure(each, _plain(each, words, own), drawn.frames[each.story.name], images, by_subject, by_words) for each in stories]
    manifests = {slug: manifest for slug, (manifest, _) in checkpoints.items()}
    writer = _Writer(staging, signer, spec, imagined, request.title or own, own)
    for each, figures in zip(stories, measured, strict=True):
        facts = story_facts(each.story, each.prompts, each.strengths, spec, drawn.settings, own, manifests, imagined)
        writer.write(each, drawn.frames[each.story.name], facts, figures)
    writer.finish()
    _write_attribution([folder / "ATTRIBUTION.csv" for _, folder in checkpoints.values()], staging / "ATTRIBUTION.csv")
    shutil.rmtree(staging / ".steps", ignore_errors=True)
    if not films.has_mp4():
        missing["mp4"] = films.HOW_TO_GET_MP4
    for text in missing.values():
        reporter.info(text)
    metrics = SampleSequenceMetrics(
        method=str(spec.method),
        frames=sum(each.metrics.frames for each in measured),
        frames_per_second=round(drawn.generated / drawn.seconds, 3) if drawn.generated else 0.0,
        generated=drawn.generated,
        stories=tuple(each.metrics for each in measured),
        subject_backbone=_backbone(by_subject),
        prompt_backbone=_backbone(by_words),
        missing=missing,
    )
    stable = metrics.model_dump(mode="json", exclude={"frames_per_second", "generated"})
    further = [file_digest(staging / "ATTRIBUTION.csv"), signer.identity, trained.data_version]
    return StageResult(data_version=digest([writer.rows, writer.story_rows, writer.facts, stable, *further]), metrics=metrics)


def _checkpoints(request: StageRequest) -> Checkpoints:
    """What was learned, by concept: its own first, then those of the other concepts in its stories."""
    folders = {request.concept: request.inputs["checkpoint"]}
    folders |= {name.partition("/")[2]: folder for name, folder in request.inputs.items() if name.startswith("checkpoint/")}
    return {slug: (Manifest.model_validate_json((path / MANIFEST).read_text(encoding="utf-8")), path) for slug, path in folders.items()}


def _write_attribution(tables: Sequence[Path], path: Path) -> None:
    """The credits of all images that any of the concepts learned from, each once."""
    if len(tables) == 1:
        shutil.copyfile(tables[0], path)
        return
    rows = pd.concat([pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig") for table in tables])
    rows.drop_duplicates().to_csv(path, index=False, encoding="utf-8-sig")


def _validation_images(checkpoint: Path) -> list[Image.Image]:
    """The images that were never learned from. Raises GauchoError if one cannot be read."""
    found = []
    for row in read_table(checkpoint / "validation.jsonl"):
        try:
            found.append(decode((checkpoint / row["file"]).read_bytes()))
        except (OSError, BadImage) as error:
            raise GauchoError(f"{checkpoint / row['file']}: cannot be read: {error}") from None
    return found


def _plain(each: ToldStory, words: Mapping[str, tuple[str, str]], own: str) -> list[str]:
    """The prompt of each beat for what knows no made-up word: every concept is named by its class noun."""
    found = []
    for beat in each.story.beats:
        text = without_token(beat.prompt, words[own][1])
        for slug, (_, class_noun) in words.items():
            text = text.replace(f"{{{slug}}}", f"a {class_noun}")
        found.append(fill_in(text, "", words[own][1]))
    return found


def _backbone(encoder: Encoder | None) -> str:
    return encoder.backbone if encoder else ""


class _Writer:
    """Writes stories into a folder, and keeps what tables say of them."""

    def __init__(self, staging: Path, signer: Signer, spec: SequenceSpec, imagined: bool, title: str, concept: str) -> None:
        self._staging, self._signer, self._spec, self._imagined = staging, signer, spec, imagined
        self._title, self._concept = title, concept
        self.rows, self.story_rows, self.facts = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
        self._strips = list[Image.Image]()

    def write(self, each: ToldStory, frames: Mapping[Model, Sequence[Image.Image]], facts: dict[str, Any], figures: Measured) -> None:
        """A story's frames, films and filmstrips."""
        story = each.story
        folder = self._staging / "stories" / story.name
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        shown = [labelled(frame, self._imagined) if self._spec.visible_label else frame.convert("RGB") for frame in frames["tuned"]]
        for number, (frame, picture) in enumerate(zip(story.frames(), shown, strict=True)):
            own, file = frame_facts(facts, number, frame), f"stories/{story.name}/frames/{number:03d}.png"
            write_atomically(self._staging / file, self._signer.sign(marked_png(picture, own), own))
            place = {"beat": frame.beat, "following": frame.following, "share": round(frame.share, 4)}
            row = {"file": file, "story": story.name, "number": number, **place, "pixels": pixels_digest(picture)}
            self.rows.append(row | {"height": frames["tuned"][number].height} | figures.rows[number])
            self.facts.append(own)
        kinds: dict[str, tuple[str, Callable[..., bytes]]] = {
            "story.webp": ("image/webp", films.animated_webp),
            "story.gif": ("image/gif", films.animated_gif),
        }
        if films.has_mp4():
            kinds["story.mp4"] = ("video/mp4", films.mp4)
        for name, (mime, film) in kinds.items():
            write_atomically(folder / name, self._signer.sign(film(shown, story.frames_per_second, facts), facts, mime))
        strips = {model: self._strip(story, frames[model], model) for model in MODELS}
        for model, name in (("tuned", "filmstrip.png"), ("base", "base.png"), ("control", "control.png")):
            own = facts if model == "tuned" else facts | {"shows": model}
            write_atomically(folder / name, self._signer.sign(marked_png(strips[model], own), own))  # type: ignore[index]
        self._strips.append(strips["tuned"])
        self.facts.append(facts)
        self.story_rows.append(_story_row(each, len(shown), list(kinds)))

    def finish(self) -> None:
        """The tables, and the filmstrips of all stories in one picture that Dagster shows."""
        write_table(self._staging / "frames.jsonl", self.rows)
        write_table(self._staging / "stories.jsonl", self.story_rows)
        sheet = films.stacked(self._strips)
        write_atomically(self._staging / "filmstrip.jpg", jpeg_within(sheet, _INLINE_BYTES, f"generated by a model ({GENERATED})"))

    def _strip(self, story: Any, frames: Sequence[Image.Image], model: Model) -> Image.Image:
        name = story.title.pt if story.title else story.name
        of = {"tuned": "", "base": " (modelo de base / base model)", "control": " (controle / control)"}[model]
        starts, captions = 0, dict[int, str]()
        for beat in story.beats:
            captions[starts] = beat.caption.pt if beat.caption else beat.prompt
            starts += beat.frames
        note = f"{SENTENCE} {IMAGINED}" if self._imagined else SENTENCE
        return films.filmstrip(f"{self._title}: {name}{of}", frames, captions, note)


def _story_row(each: ToldStory, frames: int, files: Sequence[str]) -> dict[str, Any]:
    """What pages say of a story."""
    story, starts, beats = each.story, 0, list[dict[str, Any]]()
    for beat, prompt in zip(story.beats, each.prompts, strict=True):
        caption = beat.caption.model_dump() if beat.caption else None
        beats.append({"prompt": prompt, "caption": caption, "first": starts, "transition": beat.transition})
        starts += beat.frames
    title = story.title.model_dump() if story.title else None
    played = {"frames": frames, "frames_per_second": story.frames_per_second, "files": list(files)}
    return {"name": story.name, "title": title, "beats": beats} | played


if __name__ == "__main__":
    main(run)
