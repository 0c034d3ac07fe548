"""Figures of stories: steps without cuts, the subject beside the base model, the beats by their prompts; what learned nothing shows it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gaucho_pipeline.concepts.models import EncoderSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.models.encoders import Encoder
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.sequence.drawing import PreparedStory
from gaucho_pipeline.sequence.measures import StoryEncoders, beats_followed, gain_interval, measure, pixel_steps


def grey(value: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (value, value, value))


def story(transition: str = "blend") -> Story:
    beats = [{"prompt": "a cup by day", "frames": 2, "transition": transition}, {"prompt": "a cup at night", "frames": 2}]
    return Story.model_validate({"name": "mine", "beats": beats})


def told(transition: str = "blend") -> PreparedStory:
    own = story(transition)
    return PreparedStory(own, tuple(beat.prompt for beat in own.beats), ({}, {}))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder("clip", EncoderSpec(model="embedded"))


def test_a_step_is_the_mean_change_of_a_pixel() -> None:
    assert pixel_steps([grey(0), grey(51), grey(255)]).round(4).tolist() == [0.2, 0.8]
    assert len(pixel_steps([grey(0)])) == 0


@pytest.mark.parametrize(("transition", "worst"), [("blend", 0.8), ("cut", 0.1)])
def test_a_cut_is_no_step(transition: str, worst: float) -> None:
    frames = [grey(0), grey(0), grey(204), grey(204 + 26)]
    found = measure(told(transition), ["", ""], {"base": frames, "tuned": frames, "control": frames[::-1]}, [], StoryEncoders(None, None))
    assert round(found.metrics.step_worst, 1) == worst
    assert ["step" in row for row in found.rows] == [False, True, transition == "blend", True]


def test_steps_stand_beside_those_of_the_control() -> None:
    still, wild = [grey(10)] * 4, [grey(0), grey(255)] * 2
    metrics = measure(told(), ["", ""], {"base": still, "tuned": still, "control": wild}, [], StoryEncoders(None, None)).metrics
    assert (metrics.step_worst, metrics.control_step_worst) == (0, 1)
    assert metrics.subject_mean is None
    assert metrics.blank == 4


def test_frames_that_show_the_subject_are_above_the_base_models_and_what_learned_nothing_is_not(encoder: Encoder) -> None:
    images = [draw_subject("chimarrao", number) for number in range(4)]
    shown, others = images[::-1], [grey(40 * number) for number in range(4)]
    learned = measure(told(), ["a", "b"], {"base": others, "tuned": shown, "control": shown}, images, StoryEncoders(encoder, None))
    assert learned.metrics.frames_above_base == 4
    assert learned.metrics.subject_lowest_frame == int(np.argmin([row["subject"] for row in learned.rows]))
    nothing = measure(told(), ["a", "b"], {"base": others, "tuned": others, "control": others}, images, StoryEncoders(encoder, None))
    assert nothing.metrics.frames_above_base == 0
    swapped = measure(told(), ["a", "b"], {"base": shown, "tuned": others, "control": others}, images, StoryEncoders(encoder, None))
    assert swapped.metrics.frames_above_base == 0


def test_one_image_says_nothing_of_the_others() -> None:
    assert gain_interval(np.array([0.5])) is None
    low, high = gain_interval(np.array([0.4, 0.5, 0.6])) or (0, 0)
    assert 0.4 <= low <= 0.5 <= high <= 0.6


def test_a_beat_is_followed_where_its_frames_agree_with_its_own_prompt_most() -> None:
    own, other = [0.9, 0.1], [0.1, 0.9]
    assert beats_followed(story("cut"), np.array([own, own, other, other], np.float32)) == 2
    assert beats_followed(story("cut"), np.array([own, own, own, own], np.float32)) == 1
    assert beats_followed(story("cut"), np.array([other, other, own, own], np.float32)) == 0
    # a frame that is half of the next beat is of that
    assert beats_followed(story(), np.array([own, other, other, other], np.float32)) == 2
