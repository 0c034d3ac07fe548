"""What a sequence is to show, on the embedded model and a subject of the demo, with a training that is short and real."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gaucho_pipeline.assets.metrics import SampleSequenceMetrics, StoryMetrics
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.stories import STORIES
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho

FRAMES = (4, 4, 2)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("day")
    concept = folder_concept(draw_folder(folder / "photos", "chimarrao", 16), "dnc", "cup")
    training = {"target_modules": "attention", "rank": 4, "learning_rate": 3e-3, "epochs": 40, "crops": 1, "validation_noises": 2}
    beats = [{"prompt": beat.prompt, "frames": count} for beat, count in zip(STORIES["day_to_night"].beats, FRAMES, strict=True)]
    sequence = {"stories": [{"name": "day_to_night", "beats": beats}], "num_inference_steps": 12}
    concept |= {"training": training | {"prior_loss_weight": 0.5, "validation_steps": 20}, "sequence": sequence}
    project = Project(write_concepts(folder / "concepts.yaml", {"chimarrao": concept}), folder / "data")
    gaucho(folder, "run", "--select", "sample_sequence")
    found = project.store.current("sample_sequence", "chimarrao")
    assert found
    return found


def story_of(drawn: Artifact) -> StoryMetrics:
    assert isinstance(drawn.manifest.metrics, SampleSequenceMetrics)
    return drawn.manifest.metrics.stories[0]


def test_the_largest_step_is_at_most_half_of_that_of_seeds_of_their_own(drawn: Artifact) -> None:
    story = story_of(drawn)
    assert story.step_worst <= story.control_step_worst / 2
    assert story.step_mean <= story.control_step_mean / 2


def test_every_frame_shows_the_concept_more_than_the_base_models_and_every_beat_what_it_is_to_show(drawn: Artifact) -> None:
    story = story_of(drawn)
    assert story.frames_above_base == story.frames == sum(FRAMES)
    assert story.beats_followed == story.beats == 3


def test_day_falls_to_a_night_that_is_night(drawn: Artifact) -> None:
    skies = []
    for file in sorted((drawn.folder / "stories" / "day_to_night" / "frames").glob("*.png")):
        with Image.open(file) as image:
            skies.append(np.asarray(image.convert("RGB"), float)[:20].mean((0, 1)))
    day, sunset, night = skies[0], skies[5], skies[-1]
    assert night.mean() < 0.65 * day.mean()
    assert night[2] > night[0] + 30  # blue, and not the red of a sunset
    assert sunset[0] > night[0] + 30
