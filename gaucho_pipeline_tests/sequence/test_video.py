"""Video models: beats as clips that dissolve into one another, on a tiny random Wan with the real classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.families import Family
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.lora import Lora, load_adapter
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.sequence.video import Video, joined, leads
from gaucho_pipeline_tests.drawing_stories import BEATS, SIDE, assert_goes_on_to_the_same_bytes, bytes_of, drawing_of
from gaucho_pipeline_tests.tiny_models import new_family

CLIP = {"method": "video", "num_inference_steps": 2}


def story(*beats: tuple[int, str]) -> Story:
    told = [{"prompt": f"{number}", "frames": frames, "transition": how} for number, (frames, how) in enumerate(beats)]
    return Story.model_validate({"name": "mine", "beats": told})


def grey(value: int) -> Image.Image:
    return Image.new("RGB", (2, 2), (value, value, value))


def test_a_beat_that_blends_has_the_next_one_begin_a_third_earlier() -> None:
    assert leads(story((6, "blend"), (3, "cut"), (4, "blend"))) == [0, 2, 0]


def test_clips_dissolve_into_one_another_or_are_cut() -> None:
    told = story((3, "blend"), (2, "cut"), (1, "cut"))
    clips = [[grey(0)] * 3, [grey(200), grey(100), grey(110)], [grey(50)]]
    values = [picture.getpixel((0, 0))[0] for picture in joined(told, clips)]  # type: ignore[index]
    assert values == [0, 0, 100, 100, 110, 50]


def test_every_frame_of_a_story_is_drawn_although_the_model_draws_multiples(tmp_path: Path) -> None:
    drawing = drawing_of(new_family("WanPipeline"), tmp_path, **CLIP)
    pictures = Video().draw(drawing)
    assert [picture.size for picture in pictures] == [(SIDE, SIDE)] * 7
    assert Video().calls(drawing) == 2 * 2 * 3  # steps, halves of guidance, beats


def adapted(folder: Path, strength: float) -> Family:
    base = new_family("WanPipeline")
    method = Lora(base, TrainingSpec(rank=4).for_family(type(base)))
    method.attach()
    generator = torch.Generator().manual_seed(4)
    method.set_weights({name: weight + torch.randn(weight.shape, generator=generator) for name, weight in method.weights().items()})
    method.save(folder, CheckpointInfo("x", "chmrr tree", "CC0-1.0", 1))
    family = new_family("WanPipeline")
    load_adapter(family, folder, family.denoiser, "araucaria")
    family.pipeline.set_adapters(["araucaria"], [strength])
    return family


def test_what_was_learned_of_images_acts_in_clips_and_at_strength_0_not_at_all(tmp_path: Path) -> None:
    base = bytes_of(Video().draw(drawing_of(new_family("WanPipeline"), tmp_path / "base", **CLIP)))
    assert bytes_of(Video().draw(drawing_of(adapted(tmp_path / "l", 0.0), tmp_path / "none", **CLIP))) == base
    assert bytes_of(Video().draw(drawing_of(adapted(tmp_path / "l", 1.0), tmp_path / "full", **CLIP))) != base


@pytest.mark.parametrize("at", [1, 5, 9])
def test_a_killed_story_of_three_beats_goes_on_to_the_same_bytes(at: int, tmp_path: Path) -> None:
    assert len(BEATS) == 3
    assert_goes_on_to_the_same_bytes(Video(), new_family("WanPipeline"), tmp_path, at, calls=12, **CLIP)
