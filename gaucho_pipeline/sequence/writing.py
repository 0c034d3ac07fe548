"""Writes stories: a folder for each, with its frames, its films and its filmstrips, all of which say what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from gaucho_pipeline.assets.rows import BeatRow, FrameRow, StoryRow
from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.images.decoding import pixels_digest
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.provenance.facts import Facts
from gaucho_pipeline.provenance.labels import IMAGINED, SENTENCE, labelled, marked_png
from gaucho_pipeline.provenance.signing import Signer
from gaucho_pipeline.sequence import films
from gaucho_pipeline.sequence.drawing import Model, PreparedStory
from gaucho_pipeline.sequence.facts import frame_facts
from gaucho_pipeline.sequence.measures import FrameNumbers

_STRIPS: dict[Model, tuple[str, str]] = {
    "tuned": ("filmstrip.png", ""),
    "base": ("base.png", " (modelo de base / base model)"),
    "control": ("control.png", " (controle / control)"),
}
_FILMS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "story.webp": ("image/webp", films.animated_webp),
    "story.gif": ("image/gif", films.animated_gif),
    "story.mp4": ("video/mp4", films.mp4),
}


class StoryWriter:
    """Writes into a folder, and keeps what tables say of it."""

    def __init__(self, folder: Path, signer: Signer, spec: SequenceSpec, imagined: bool, title: str) -> None:
        self._folder, self._signer, self._spec, self._imagined, self._title = folder, signer, spec, imagined, title
        self.rows, self.story_rows, self.facts = list[FrameRow](), list[StoryRow](), list[Facts]()
        self.strips = list[Image.Image]()
        """The filmstrip of each story."""

    def write(
        self, prepared: PreparedStory, frames: Mapping[Model, Sequence[Image.Image]], facts: Facts, measured: Sequence[FrameNumbers] = ()
    ) -> None:
        """Writes a story. `measured`: what was measured of each frame."""
        story, folder = prepared.story, self._folder / prepared.story.name
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        shown = [labelled(frame, self._imagined) if self._spec.visible_label else frame.convert("RGB") for frame in frames["tuned"]]
        for number, (frame, picture) in enumerate(zip(story.frames(), shown, strict=True)):
            own, file = frame_facts(facts, number, frame), folder / "frames" / f"{number:03d}.png"
            write_atomically(file, self._signer.sign(marked_png(picture, own), own))
            row = FrameRow(
                file=file.relative_to(self._folder.parent).as_posix(),
                story=story.name,
                number=number,
                beat=frame.beat,
                following=frame.following,
                share=round(frame.share, 4),
                pixels=pixels_digest(picture),
                height=frames["tuned"][number].height,
                **(measured[number] if measured else {}),
            )
            self.rows.append(row)
            self.facts.append(own)
        written = [name for name in _FILMS if name != "story.mp4" or films.has_mp4()]
        for name in written:
            mime, film = _FILMS[name]
            write_atomically(folder / name, self._signer.sign(film(shown, story.frames_per_second, facts), facts, mime))
        self._write_strips(prepared, folder, frames, facts)
        self.facts.append(facts)
        self.story_rows.append(_story_row(prepared, len(shown), written))

    def _write_strips(self, prepared: PreparedStory, folder: Path, frames: Mapping[Model, Sequence[Image.Image]], facts: Facts) -> None:
        for model, pictures in frames.items():
            name, label = _STRIPS[model]
            strip = self._strip(prepared.story, pictures, label)
            own = facts if model == "tuned" else facts.with_facts(shows=model)
            write_atomically(folder / name, self._signer.sign(marked_png(strip, own), own))
            if model == "tuned":
                self.strips.append(strip)

    def _strip(self, story: Story, frames: Sequence[Image.Image], label: str) -> Image.Image:
        texts = [_both(beat.caption, beat.prompt) for beat in story.beats]
        captions = dict(zip(firsts(story), texts, strict=True))
        note = f"{SENTENCE} {IMAGINED}" if self._imagined else SENTENCE
        return films.filmstrip(f"{self._title}: {_both(story.title, story.name)}{label}", frames, captions, note)


def _both(text: Bilingual | None, otherwise: str) -> str:
    """A text in both languages: a picture of it has one place for both."""
    return f"{text.pt} / {text.read('en')}" if text else otherwise


def firsts(story: Story) -> list[int]:
    """The frame that each beat begins with."""
    return [sum(beat.frames for beat in story.beats[:number]) for number in range(len(story.beats))]


def _story_row(prepared: PreparedStory, frames: int, files: Sequence[str]) -> StoryRow:
    """What pages say of a story."""
    story = prepared.story
    beats = [
        BeatRow(prompt=prompt, caption=beat.caption, first=first, transition=beat.transition)
        for first, beat, prompt in zip(firsts(story), story.beats, prepared.prompts, strict=True)
    ]
    return StoryRow(
        name=story.name, title=story.title, beats=tuple(beats), frames=frames, frames_per_second=story.frames_per_second, files=tuple(files)
    )
