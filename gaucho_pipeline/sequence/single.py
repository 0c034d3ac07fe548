"""One story of one's own, for `gaucho sequence`: drawn with what was learned, and written beside nothing that the pipeline keeps."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from gaucho_pipeline.assets.table import SAMPLE_SEQUENCE
from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.models.base_models import is_out_of_memory
from gaucho_pipeline.provenance.signing import signer_from_environment
from gaucho_pipeline.sequence.drawing import Studio, draw_stories, prepare_stories, words_of
from gaucho_pipeline.sequence.facts import Drawn, story_facts
from gaucho_pipeline.sequence.writing import StoryWriter
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.store.artifact import Artifact


class StoryAbout(NamedTuple):
    """What a story says of itself."""

    title: str
    imagined: bool
    consent: str = ""


def draw_story(checkpoints: dict[str, Artifact], spec: SequenceSpec, folder: Path, data: Path, about: StoryAbout) -> None:
    """Draws the one story of a specification and writes its frames, films and filmstrip into a folder. The first concept leads.

    A drawing that was killed goes on at the next denoising step. Raises ConfigError or GauchoError if it cannot be drawn.
    """
    own, learned = next(iter(checkpoints)), {slug: (made.manifest, made.folder) for slug, made in checkpoints.items()}
    signer, (story,) = signer_from_environment(), prepare_stories(spec.stories, own, words_of(learned))
    steps = data / ".staging" / SAMPLE_SEQUENCE.name / own / "single"  # where what is unfinished is looked for
    try:
        drawn = draw_stories([story], Studio(spec, own, learned, data, steps, Reporter(None)), models=("tuned",))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise GauchoError(_("memory ran out; {memory_remedy}", memory_remedy=SAMPLE_SEQUENCE.memory_remedy)) from None
    manifests = {slug: made.manifest for slug, made in checkpoints.items()}
    facts = story_facts(story, Drawn(own, manifests, spec, drawn.settings, about.imagined, about.consent))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".sequence-") as name:  # nothing half-written is ever taken for whole
        StoryWriter(Path(name), signer, spec, about.imagined, about.title).write(story, drawn.frames[story.story.name], facts)
        shutil.move(str(Path(name) / story.story.name), folder)
