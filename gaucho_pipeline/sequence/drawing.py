"""Draws stories three times: with the base model, with what was learned, and as a control that shows what the method gave.

The control has the same prompts, switched at once where the story blends, and a seed for each frame. Frames that exist already are not
drawn again; what was drawn of a story before a kill is kept step by step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image

from gaucho_pipeline.concepts.sequence import SEQUENCE_CODE_VERSIONS, SequenceSpec
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.images.decoding import shows_nothing
from gaucho_pipeline.images.picture_cache import PictureCache
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.trained import Adapters, add_learned, load_base
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.prompts.templates import ConceptWords, fill_in_concepts
from gaucho_pipeline.sequence.base import Drawing, Strengths
from gaucho_pipeline.sequence.registry import SEQUENCE_METHODS
from gaucho_pipeline.sequence.steps import Steps
from gaucho_pipeline.stage.reporter import Progress, Reporter
from gaucho_pipeline.store.manifest import Manifest

Model = Literal["base", "tuned", "control"]
MODELS: tuple[Model, Model, Model] = ("base", "tuned", "control")
Checkpoints = Mapping[str, tuple[Manifest, Path]]
"""What was learned, and where it is, by concept; the stories' own first."""
_CODE_VERSION = "1"
"""Raised when the same settings draw other frames: it makes all that are kept drawn again."""
_NEXT_SEED = 1_000_003


@dataclass(frozen=True)
class PreparedStory:
    """A story in the words that the model reads."""

    story: Story
    prompts: tuple[str, ...]
    strengths: tuple[Strengths, ...]
    """Of each beat."""

    @property
    def has_its_own_strengths(self) -> bool:
        """Whether it shows anything but its own concept at its full strength."""
        return any(len(each) > 1 or set(each.values()) != {1.0} for each in self.strengths)


@dataclass(frozen=True)
class SequenceSettings:
    """What tells frames from those of any other model and settings."""

    code: tuple[str, str, str]
    method: str | None
    motion_adapter: dict[str, str | None] | None
    base_model: dict[str, str | None] | None
    computed: tuple[str, str, str | None]
    """Where: the kind of device, the type of numbers, the quantization."""
    negative_prompt: str
    num_inference_steps: int
    guidance_scale: float
    sampler: str
    side: int


@dataclass
class DrawnStories:
    """Frames by story and model."""

    frames: dict[str, dict[Model, list[Image.Image]]]
    settings: SequenceSettings
    generated: int = 0
    """How many frames were not there already."""
    seconds: float = 0.0
    """That drawing took."""


def prepare_stories(stories: Sequence[Story], own: str, words: Mapping[str, ConceptWords]) -> list[PreparedStory]:
    """Stories with the words that concepts were learned by. `words`: by concept."""
    return [
        PreparedStory(
            story,
            tuple(fill_in_concepts(beat.prompt, own, words) for beat in story.beats),
            tuple(beat.strengths(own) for beat in story.beats),
        )
        for story in stories
    ]


def words_of(checkpoints: Checkpoints) -> dict[str, ConceptWords]:
    """The token and the class noun that each concept was learned by, whatever the file says now."""
    return {slug: made.training_spec().words for slug, (made, _) in checkpoints.items()}


@dataclass
class _Easel:
    """One model, open for drawing, and all that shapes what it draws beside the story."""

    family: Family
    spec: SequenceSpec
    settings: SequenceSettings
    cache: PictureCache
    steps_folder: Path
    progress: Progress
    drawn: DrawnStories
    use: Callable[[Strengths], None] = lambda strengths: None
    version: dict[str, str] = field(default_factory=dict)
    """What was learned, as far as it is drawn with."""

    def draw(self, story: PreparedStory, model: Model) -> None:
        """Draws a story, or takes what exists."""
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

    def _drawing(self, story: PreparedStory, model: Model) -> tuple[Drawing, str]:
        """A story as it is to be drawn, and what it is kept under."""
        strengths = story.strengths if model != "base" else tuple({} for _ in story.prompts)
        key = self._key(story, strengths, model)
        steps = Steps(self.steps_folder / key, self.progress.advance, self.progress.skip)
        return Drawing(self.family, self.spec, story.story, story.prompts, strengths, self.settings.side, self.use, steps), key

    def _work(self, drawing: Drawing, frames: int, model: Model) -> int:
        return frames if model == "control" else SEQUENCE_METHODS[str(self.spec.method)].calls(drawing)

    def _key(self, prepared: PreparedStory, strengths: Sequence[Strengths], model: Model) -> str:
        """The hash of all that makes a story's frames; what pages say of it is no part of it."""
        story = prepared.story
        beats = [[beat.frames, beat.transition] for beat in story.beats]
        unfolding = {"beats": beats, "prompts": prepared.prompts, "seed": story.seed, "drift": story.drift}
        # by what was learned and not by slugs: a concept that is renamed has nothing drawn again
        learned = [{self.version[slug]: strength for slug, strength in each.items()} for each in strengths]
        return digest([asdict(self.settings), unfolding, learned, "control" if model == "control" else "story"])


@dataclass(frozen=True)
class Studio:
    """Where stories are drawn: with what was learned of which concepts, and where that is kept."""

    spec: SequenceSpec
    own: str
    """The slug of the concept whose stories they are."""
    checkpoints: Checkpoints
    data: Path
    steps_folder: Path
    """Where what is unfinished is kept, step by step."""
    reporter: Reporter


def draw_stories(stories: Sequence[PreparedStory], studio: Studio, models: Sequence[Model] = MODELS) -> DrawnStories:
    """Draws all stories with all models. Raises ConfigError or GauchoError if they cannot be drawn so, or something does not load."""
    spec, (trained, checkpoint) = studio.spec, studio.checkpoints[studio.own]
    method = SEQUENCE_METHODS[str(spec.method)]
    check_strengths(stories, spec)
    studio.reporter.info(
        _("loading {base_model} on {best_device}", base_model=trained.training_spec().base_model, best_device=base_models.best_device())
    )
    loaded = load_base(trained)
    family = method.open(loaded.family, spec)
    settings = _settings(loaded, family, spec, trained)
    drawn = DrawnStories({story.story.name: {} for story in stories}, settings)
    progress = _progress(stories, studio, family, models)
    easel = _Easel(family, spec, settings, PictureCache(studio.data / ".pictures"), studio.steps_folder, progress, drawn)
    if "base" in models:
        for story in stories:
            easel.draw(story, "base")
    tuned = [model for model in models if model != "base"]
    if mixed := [story for story in stories if story.has_its_own_strengths]:
        _draw_mixed(mixed, easel, studio.checkpoints, tuned)
    if plain := [story for story in stories if not story.has_its_own_strengths]:
        if METHODS[trained.training_spec().method].is_adapter:
            add_learned(easel.family, trained, checkpoint)
        else:  # whose weights are those of the pipeline that the method began with
            add_learned(loaded.family, trained, checkpoint)
            easel.family = method.open(loaded.family, spec)
        easel.version = {studio.own: trained.data_version}
        for story in plain:
            for model in tuned:
                easel.draw(story, model)
    return drawn


def _progress(stories: Sequence[PreparedStory], studio: Studio, family: Family, models: Sequence[Model]) -> Progress:
    """Progress in denoising steps: a control's frames count one each."""
    method, spec = SEQUENCE_METHODS[str(studio.spec.method)], studio.spec
    unused = Steps(Path())
    calls = sum(
        method.calls(Drawing(family, spec, each.story, each.prompts, each.strengths, 0, lambda own: None, unused)) for each in stories
    )
    frames = sum(len(each.story.frames()) for each in stories) if "control" in models else 0
    return studio.reporter.progress("drawing", calls * len([model for model in models if model != "control"]) + frames, "denoising steps")


def _draw_mixed(stories: Sequence[PreparedStory], easel: _Easel, checkpoints: Checkpoints, models: Sequence[Model]) -> None:
    """Draws stories in which concepts have strengths of their own, with adapters beside one another."""
    adapters = Adapters(easel.family, checkpoints)
    easel.use = adapters.use
    easel.version = {slug: made.data_version for slug, (made, _) in checkpoints.items()}
    for story in stories:
        for model in models:
            easel.draw(story, model)
    adapters.unload()
    easel.use = lambda strengths: None


def check_strengths(stories: Sequence[PreparedStory], spec: SequenceSpec) -> None:
    """Raises ConfigError where a method cannot draw concepts at strengths that differ from beat to beat."""
    if SEQUENCE_METHODS[str(spec.method)].changes_strengths:
        return
    for story in stories:
        if len({tuple(sorted(each.items())) for each in story.strengths}) > 1:
            raise ConfigError(
                _(
                    "{name}: {method} draws all beats at once; give each the same concepts, as strong",
                    name=story.story.name,
                    method=spec.method,
                )
            )


def _settings(loaded: base_models.Loaded, family: Family, spec: SequenceSpec, trained: Manifest) -> SequenceSettings:
    training = trained.training_spec()
    adapter = spec.motion_adapter if spec.method == "animatediff" else None
    return SequenceSettings(
        code=(_CODE_VERSION, SEQUENCE_CODE_VERSIONS[str(spec.method)], family.code_version),
        method=spec.method,
        motion_adapter=base_models.part_identity(adapter.model, adapter.revision) if adapter else None,
        base_model=trained.provenance.base_model,
        computed=(loaded.device.type, str(loaded.dtype), training.quantization),
        negative_prompt=spec.negative_prompt,
        num_inference_steps=spec.num_inference_steps,
        guidance_scale=spec.guidance_scale,
        sampler=family.sampler,
        side=spec.size or training.resolution or loaded.resolution,
    )
