"""Draws stories three times: with the base model, with what was learned, and as a control that shows what the method gave.

The control has the same prompts, switched at once where the story blends, and a seed for each frame. Frames that stand already are not
drawn again; what was drawn of a story before a kill is kept step by step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families import Family
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.images.decoding import shows_nothing
from gaucho_pipeline.images.picture_cache import PictureCache
from gaucho_pipeline.methods.trained import add_learned, load_adapters, load_base
from gaucho_pipeline.models import base_models
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.prompts.templates import fill_in_concepts
from gaucho_pipeline.sequence.base import SEQUENCE_CODE_VERSIONS, Drawing, Strengths
from gaucho_pipeline.sequence.registry import SEQUENCE_METHODS
from gaucho_pipeline.sequence.steps import Steps
from gaucho_pipeline.stage.reporter import Progress, Reporter
from gaucho_pipeline.store.manifest import Manifest

Model = Literal["base", "tuned", "control"]
MODELS: tuple[Model, Model, Model] = ("base", "tuned", "control")
Checkpoints = Mapping[str, tuple[Manifest, Path]]
"""What was learned, and where it stands, by concept; the stories' own first."""
_CODE_VERSION = "1"
"""Raised when the same settings draw other frames: it makes all that are kept drawn anew."""
_NEXT_SEED = 1_000_003


@dataclass(frozen=True)
class ToldStory:
    """A story in the words that the model reads."""

    story: Story
    prompts: tuple[str, ...]
    strengths: tuple[Strengths, ...]
    """Of each beat."""

    @property
    def has_its_own_strengths(self) -> bool:
        """Whether it shows anything but its own concept at its full strength."""
        return any(len(each) > 1 or set(each.values()) != {1.0} for each in self.strengths)


@dataclass
class DrawnStories:
    """Frames by story and model."""

    frames: dict[str, dict[Model, list[Image.Image]]]
    settings: dict[str, Any]
    generated: int = 0
    """How many frames were not there already."""
    seconds: float = 0.0
    """That drawing took."""


def told(stories: Sequence[Story], own: str, words: Mapping[str, tuple[str, str]]) -> list[ToldStory]:
    """Stories with the words that concepts were learned by. `words`: token and class noun by concept."""
    return [
        ToldStory(
            story,
            tuple(fill_in_concepts(beat.prompt, own, words) for beat in story.beats),
            tuple(beat.strengths(own) for beat in story.beats),
        )
        for story in stories
    ]


def words_of(checkpoints: Checkpoints) -> dict[str, tuple[str, str]]:
    """The token and the class noun that each concept was learned by, whatever the file says now."""
    return {slug: (made.provenance.spec["token"], made.provenance.spec["class_noun"]) for slug, (made, _) in checkpoints.items()}


@dataclass
class _Studio:
    """One model, open for drawing, and all that shapes what it draws beside the story."""

    family: Family
    spec: SequenceSpec
    settings: dict[str, Any]
    cache: PictureCache
    steps_folder: Path
    progress: Progress
    drawn: DrawnStories
    use: Callable[[Strengths], None] = lambda strengths: None
    version: dict[str, Any] = field(default_factory=dict)
    """What was learned, as far as it is drawn with."""

    def set_strengths(self, strengths: Strengths) -> None:
        """Draws with the adapters of these concepts from now on."""
        self.family.pipeline.set_adapters(list(strengths), list(strengths.values()))
        self.family.forget_prompts()

    def draw(self, story: ToldStory, model: Model) -> None:
        """Draws a story, or takes what stands."""
        drawing, key = self._drawing(story, model)
        keys = [digest([key, number]) for number in range(len(story.story.frames()))]
        found = [self.cache.get(each) for each in keys]
        if all(picture is not None for picture in found):
            self.progress.skip(self._work(drawing, len(keys), model))
            self.drawn.frames[story.story.name][model] = [picture for picture in found if picture]
            return
        started = time.monotonic()
        pictures = self._alone(drawing, keys, found) if model == "control" else self._together(drawing, keys)
        self.drawn.seconds += time.monotonic() - started
        self.drawn.generated += sum(picture is None for picture in found)
        self.drawn.frames[story.story.name][model] = pictures

    def _together(self, drawing: Drawing, keys: Sequence[str]) -> list[Image.Image]:
        """All frames, which are kept when the last is there."""
        pictures = SEQUENCE_METHODS[str(self.spec.method)].draw(drawing)
        for key, picture in zip(keys, pictures, strict=True):
            self._keep(key, picture)
        drawing.steps.forget()
        return pictures

    def _alone(self, drawing: Drawing, keys: Sequence[str], found: Sequence[Image.Image | None]) -> list[Image.Image]:
        """Every frame by itself; each is kept as soon as it is there."""
        method, pictures = SEQUENCE_METHODS[str(self.spec.method)], list[Image.Image]()
        for number, frame in enumerate(drawing.story.frames()):
            picture = found[number]
            if picture is None:
                drawing.use(drawing.strengths[frame.nearest])
                seed = (drawing.story.seed + _NEXT_SEED * (number + 1)) % 2**31
                picture = method.draw_alone(drawing, drawing.prompts[frame.nearest], seed)
                self._keep(keys[number], picture)
                self.progress.advance(1)
            else:
                self.progress.skip(1)
            pictures.append(picture)
        return pictures

    def _keep(self, key: str, picture: Image.Image) -> None:
        """What shows nothing is not kept: it would never be drawn again."""
        if not shows_nothing(picture):
            self.cache.put(key, picture)

    def _drawing(self, story: ToldStory, model: Model) -> tuple[Drawing, str]:
        """A story as it is to be drawn, and what it is kept under."""
        strengths = story.strengths if model != "base" else tuple({} for _ in story.prompts)
        key = self._key(story, strengths, model)
        steps = Steps(self.steps_folder / key, self.progress.advance, self.progress.skip)
        return Drawing(self.family, self.spec, story.story, story.prompts, strengths, self.settings["side"], self.use, steps), key

    def _work(self, drawing: Drawing, frames: int, model: Model) -> int:
        return frames if model == "control" else SEQUENCE_METHODS[str(self.spec.method)].calls(drawing)

    def _key(self, told: ToldStory, strengths: Sequence[Strengths], model: Model) -> str:
        """The hash of all that makes a story's frames; what pages say of it is no part of it."""
        story = told.story
        beats = [[beat.frames, beat.transition] for beat in story.beats]
        unfolding = {"beats": beats, "prompts": told.prompts, "seed": story.seed, "drift": story.drift}
        # by what was learned and not by slugs: a concept that is renamed has nothing drawn again
        learned = [{self.version[slug]: strength for slug, strength in each.items()} for each in strengths]
        return digest([self.settings, unfolding, learned, "control" if model == "control" else "story"])


def draw_stories(
    stories: Sequence[ToldStory],
    spec: SequenceSpec,
    own: str,
    checkpoints: Checkpoints,
    data: Path,
    steps_folder: Path,
    reporter: Reporter,
    models: Sequence[Model] = MODELS,
) -> DrawnStories:
    """Draws all stories with all models. Raises ConfigError or GauchoError if they cannot be drawn so, or something does not load."""
    method, (trained, checkpoint) = SEQUENCE_METHODS[str(spec.method)], checkpoints[own]
    check_strengths(stories, spec)
    reporter.info(f"loading {trained.provenance.spec['base_model']} on {base_models.best_device()}")
    loaded = load_base(trained)
    family = method.open(loaded.family, spec)
    settings = _settings(loaded, family, spec, trained)
    drawn = DrawnStories({story.story.name: {} for story in stories}, settings)
    count = {story.story.name: len(story.story.frames()) for story in stories}
    calls = sum(method.calls(Drawing(family, spec, s.story, s.prompts, s.strengths, 0, lambda own: None, Steps(Path()))) for s in stories)
    drawn_once = sum(count.values()) if "control" in models else 0
    progress = reporter.progress("drawing", calls * len([m for m in models if m != "control"]) + drawn_once, "denoising steps")
    studio = _Studio(family, spec, settings, PictureCache(data / ".pictures"), steps_folder, progress, drawn)
    if "base" in models:
        for story in stories:
            studio.draw(story, "base")
    mixed = [story for story in stories if story.has_its_own_strengths]
    if mixed:
        load_adapters(studio.family, checkpoints)
        studio.use = studio.set_strengths
        studio.version = {slug: made.data_version for slug, (made, _) in checkpoints.items()}
        for story in mixed:
            for model in (each for each in models if each != "base"):
                studio.draw(story, model)
        studio.family.pipeline.unload_lora_weights()
        studio.use = lambda strengths: None
    if plain := [story for story in stories if not story.has_its_own_strengths]:
        if trained.provenance.spec["method"] == "lora":
            add_learned(studio.family, trained, checkpoint)
        else:  # whose weights are those of the pipeline that the method began with
            add_learned(loaded.family, trained, checkpoint)
            studio.family = method.open(loaded.family, spec)
        studio.version = {own: trained.data_version}
        for story in plain:
            for model in (each for each in models if each != "base"):
                studio.draw(story, model)
    return drawn


def check_strengths(stories: Sequence[ToldStory], spec: SequenceSpec) -> None:
    """Raises ConfigError where a method cannot draw concepts at strengths that differ from beat to beat."""
    if SEQUENCE_METHODS[str(spec.method)].changes_strengths:
        return
    for story in stories:
        if len({tuple(sorted(each.items())) for each in story.strengths}) > 1:
            raise ConfigError(f"{story.story.name}: {spec.method} draws all beats at once; give each the same concepts, as strong")


def _settings(loaded: base_models.Loaded, family: Family, spec: SequenceSpec, trained: Manifest) -> dict[str, Any]:
    """What tells frames from those of any other model and settings."""
    training = trained.provenance.spec
    adapter = spec.motion_adapter if spec.method == "animatediff" else None
    return {
        "code": [_CODE_VERSION, SEQUENCE_CODE_VERSIONS[str(spec.method)], family.code_version],
        "method": spec.method,
        "motion_adapter": base_models.part_identity(adapter.model, adapter.revision) if adapter else None,
        "base_model": trained.provenance.base_model,
        "computed": [loaded.device.type, str(base_models.compute_dtype(loaded.device)), training.get("quantization")],
        "negative_prompt": spec.negative_prompt,
        "num_inference_steps": spec.num_inference_steps,
        "guidance_scale": spec.guidance_scale,
        "sampler": family.sampler,
        "side": spec.size or training["resolution"] or loaded.resolution,
    }
