"""Storyboards: frames that begin alike, turn into one another, and look at one another; on tiny models with the real classes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families import Family
from gaucho_pipeline.sequence import storyboard
from gaucho_pipeline.sequence.storyboard import Storyboard, interpolated, mixed_strengths, noises
from gaucho_pipeline_tests.drawing_stories import SIDE, assert_goes_on_to_the_same_bytes, bytes_of, drawing_of
from gaucho_pipeline_tests.tiny_models import new_family

NAMES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")


@pytest.fixture(scope="module", params=NAMES)
def family(request: pytest.FixtureRequest) -> Family:
    return new_family(request.param)


def pixels(pictures: list[Any]) -> np.ndarray:
    return np.stack([np.asarray(picture, float) for picture in pictures])


def test_every_frame_comes_at_the_side_that_is_asked_for(family: Family, tmp_path: Path) -> None:
    pictures = Storyboard().draw(drawing_of(family, tmp_path))
    assert [picture.size for picture in pictures] == [(SIDE, SIDE)] * 7


def test_the_first_frame_is_what_the_pipeline_itself_draws_of_its_noise(family: Family, tmp_path: Path) -> None:
    drawing = drawing_of(family, tmp_path)
    pictures = Storyboard().draw(drawing)
    channels, side = family.network.config.in_channels, SIDE // family.pipeline.vae_scale_factor
    latents = noises(drawing.story, (channels, side, side))[:1]
    own = family.pipeline(drawing.prompts[0], latents=latents, num_inference_steps=3, guidance_scale=3.0, height=SIDE, width=SIDE).images[0]
    assert np.abs(pixels([own]) - pixels(pictures[:1])).max() <= 1


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_how_many_go_at_once_changes_no_frame(family: Family, at_once: int, tmp_path: Path) -> None:
    whole = pixels(Storyboard().draw(drawing_of(family, tmp_path / "8", batch_size=8)))
    few = pixels(Storyboard().draw(drawing_of(family, tmp_path / "few", batch_size=at_once)))
    assert np.abs(whole - few).max() <= 1


def test_without_guidance_it_draws_too(tmp_path: Path) -> None:
    family = new_family(NAMES[0])
    assert len(Storyboard().draw(drawing_of(family, tmp_path, guidance_scale=1.0))) == 7


def answers_of(family: Family, folder: Path, monkeypatch: pytest.MonkeyPatch, *beats: dict[str, Any], **keys: Any) -> list[torch.Tensor]:
    """What the denoiser answers to all frames with their prompts, step by step."""
    answers, real = list[torch.Tensor](), storyboard._FramesInTurn.__call__

    def told(*args: Any, **keys: Any) -> torch.Tensor:
        answers.append(real(*args, **keys))
        return answers[-1]

    with monkeypatch.context() as patch:
        patch.setattr(storyboard._FramesInTurn, "__call__", told)
        drawing = drawing_of(family, folder, *beats, **keys)
        Storyboard().draw(drawing)
    return [answer[len(drawing.story.frames()) :] for answer in answers]


@pytest.mark.parametrize("which", [0, 1], ids=["the first", "the one before"])
def test_frames_look_at_the_first_one_and_at_the_one_before(which: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = new_family(NAMES[0])
    looking = answers_of(family, tmp_path / "a", monkeypatch)[-1]
    real = storyboard._Memory.context

    def context(self: Any, name: str, tokens: torch.Tensor) -> torch.Tensor:
        own, *others = real(self, name, tokens).chunk(3, dim=1)
        return torch.cat([own, *(own if place == which else each for place, each in enumerate(others))], 1)

    monkeypatch.setattr(storyboard._Memory, "context", context)
    other = answers_of(family, tmp_path / "b", monkeypatch)[-1]
    assert torch.allclose(other[0], looking[0], atol=1e-6)  # which has nobody before it
    assert (other[-1] - looking[-1]).abs().max() > 1e-5


def test_the_models_own_attention_is_given_back(tmp_path: Path) -> None:
    family = new_family(NAMES[0])
    before, forward = dict(family.network.attn_processors), family.network.forward
    Storyboard().draw(drawing_of(family, tmp_path))
    assert family.network.attn_processors == before
    assert family.network.forward == forward


def test_a_frame_that_turns_into_the_next_beat_lies_between_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denoiser that sees only the prompt: then half of a beat is the mean of two predictions."""
    family = new_family(NAMES[0])
    monkeypatch.setattr(storyboard._Memory, "context", lambda self, name, tokens: tokens)
    beats = ({"prompt": "a photo of chmrr tree", "frames": 2}, {"prompt": "a cup on a table", "frames": 1})
    first, half, last = answers_of(family, tmp_path, monkeypatch, *beats)[0]  # before any step all frames are one noise
    assert torch.allclose(half, (first + last) / 2, atol=1e-5)
    assert not torch.allclose(first, last, atol=1e-3)


def test_all_frames_begin_with_one_noise_and_wander_by_the_drift() -> None:
    def noise(drift: float) -> torch.Tensor:
        family_free = drawing_of(None, Path(), drift=drift)  # type: ignore[arg-type]
        return noises(family_free.story, (4, 8, 8))

    still = noise(0.0)
    assert all(torch.equal(still[0], each) for each in still)
    moved = noise(0.3)
    steps = [(after - before).norm() for before, after in itertools.pairwise(moved)]
    assert min(steps[:2]) > 0  # all the while that a beat turns into the next one
    assert abs(moved.std().item() - 1) < 0.1  # it is still noise


def test_noise_between_two_noises_is_as_strong_as_they_are() -> None:
    one, other = (torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert abs(interpolated(one, other, 0.5).std().item() - 1) < 0.02
    assert torch.equal(interpolated(one, other, 0.0), one)
    assert torch.allclose(interpolated(one, other, 1.0), other, atol=1e-5)


def test_strengths_change_with_the_share_and_are_set_before_frames_are_drawn(tmp_path: Path) -> None:
    assert mixed_strengths({"a": 1.0}, {"a": 0.5, "b": 0.8}, 0.5) == {"a": 0.75, "b": 0.4}
    family, used = new_family(NAMES[0]), list[dict[str, float]]()
    beats = ({"prompt": "a cup", "frames": 2}, {"prompt": "a tree", "frames": 1})
    strengths = ({"a": 1.0}, {"a": 0.0, "b": 1.0})
    Storyboard().draw(drawing_of(family, tmp_path, *beats, strengths=strengths, use=lambda own: used.append(dict(own))))
    assert used[2:5] == [{"a": 1.0, "b": 0.0}, {"a": 0.5, "b": 0.5}, {"a": 0.0, "b": 1.0}]


def test_fewer_go_at_once_where_memory_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = new_family(NAMES[0])
    whole = answers_of(family, tmp_path / "a", monkeypatch, drift=0.5)[-1]
    real, counts = storyboard._FramesInTurn._compute, list[int]()

    def compute(self: Any, forward: Any, sample: Any, timestep: Any, kwargs: Any, chunk: range, answer: Any) -> None:
        counts.append(len(chunk))
        if len(chunk) > 1:
            real(self, forward, sample, timestep, kwargs, chunk, answer)  # it breaks when half is done
            raise torch.OutOfMemoryError("no room")
        real(self, forward, sample, timestep, kwargs, chunk, answer)

    monkeypatch.setattr(storyboard._FramesInTurn, "_compute", compute)
    assert torch.allclose(answers_of(family, tmp_path / "b", monkeypatch, drift=0.5)[-1], whole, atol=1e-6)
    assert counts[-1] == 1

    def never(*args: Any) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(storyboard._FramesInTurn, "_compute", never)
    with pytest.raises(GauchoError, match=r"memory ran out for one frame; lower sequence\.size"):
        Storyboard().draw(drawing_of(family, tmp_path / "c"))


@pytest.mark.parametrize("at", [1, 2])
def test_a_killed_story_goes_on_at_the_next_denoising_step(family: Family, at: int, tmp_path: Path) -> None:
    assert_goes_on_to_the_same_bytes(Storyboard(), family, tmp_path, at, calls=3)


def test_a_step_whose_file_is_broken_is_computed_again(tmp_path: Path) -> None:
    family = new_family(NAMES[0])
    whole = bytes_of(Storyboard().draw(drawing_of(family, tmp_path)))
    for path in (tmp_path / "steps").glob("*"):
        path.write_bytes(path.read_bytes()[:50])
    assert bytes_of(Storyboard().draw(drawing_of(family, tmp_path))) == whole
