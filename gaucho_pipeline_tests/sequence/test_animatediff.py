"""AnimateDiff on a tiny random model with the real classes: what was learned of images acts in it, and so does the motion adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.families import Family
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.lora import Lora, load_adapter
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.sequence.animatediff import AnimateDiff, prompts_over_time
from gaucho_pipeline_tests import tiny_models
from gaucho_pipeline_tests.drawing_stories import BEATS, SIDE, assert_goes_on_to_the_same_bytes, bytes_of, drawing_of
from gaucho_pipeline_tests.tiny_models import new_family

NAME = "StableDiffusionPipeline"


def new_motion_adapter(folder: Path, channels: tuple[int, ...] = (8, 16), in_the_middle: bool = True) -> Path:
    torch.manual_seed(1)
    adapter = diffusers.MotionAdapter(
        block_out_channels=channels, motion_layers_per_block=1, motion_mid_block_layers_per_block=1, motion_norm_num_groups=2,
        motion_num_attention_heads=4, motion_max_seq_length=32, use_motion_mid_block=in_the_middle,
    )  # fmt: skip
    with torch.no_grad():  # a new one ends in zeros, and moves nothing
        for weight in adapter.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)))
    adapter.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The keys of a specification that draws with a motion adapter."""
    folder = new_motion_adapter(tmp_path_factory.mktemp("motion"))
    return {"method": "animatediff", "motion_adapter": {"model": str(folder)}}


def opened(motion: dict[str, Any], family: Family | None = None) -> Family:
    family = family or new_family(NAME)
    return AnimateDiff().open(family, drawing_of(family, Path(), **motion).spec)


@pytest.mark.parametrize("beats", [({"prompt": "a photo of chmrr tree", "frames": 4},), BEATS], ids=["one beat", "three beats"])
def test_every_frame_is_drawn_and_they_differ(beats: tuple[dict[str, Any], ...], motion: dict[str, Any], tmp_path: Path) -> None:
    pictures = AnimateDiff().draw(drawing_of(opened(motion), tmp_path, *beats, **motion))
    assert [picture.size for picture in pictures] == [(SIDE, SIDE)] * sum(beat["frames"] for beat in beats)
    assert len(set(bytes_of(pictures))) == len(pictures)


def test_an_adapter_without_a_middle_block_draws_several_beats_too(tmp_path: Path) -> None:
    folder = new_motion_adapter(tmp_path / "first", in_the_middle=False)
    keys = {"method": "animatediff", "motion_adapter": {"model": str(folder)}}
    family = opened(keys)
    first = bytes_of(AnimateDiff().draw(drawing_of(family, tmp_path / "a", *BEATS, **keys)))
    assert bytes_of(AnimateDiff().draw(drawing_of(family, tmp_path / "b", *BEATS, **keys))) == first


def test_a_story_longer_than_the_adapters_window_is_drawn(motion: dict[str, Any], tmp_path: Path) -> None:
    drawing = drawing_of(opened(motion), tmp_path, {"prompt": "a photo of chmrr tree", "frames": 18}, **motion)
    assert len(AnimateDiff().draw(drawing)) == 18


def test_prompts_stand_where_beats_begin_and_a_cut_holds_them_to_the_end() -> None:
    story = Story.model_validate({"name": "mine", "beats": BEATS})
    assert prompts_over_time(story, ("a", "b", "c")) == {0: "a", 3: "b", 4: "b", 5: "c", 6: "c"}


def test_another_prompt_later_changes_later_frames(motion: dict[str, Any], tmp_path: Path) -> None:
    family = opened(motion)
    one = bytes_of(AnimateDiff().draw(drawing_of(family, tmp_path / "a", *BEATS, **motion)))
    other = bytes_of(AnimateDiff().draw(drawing_of(family, tmp_path / "b", *BEATS[:2], {"prompt": "a house", "frames": 2}, **motion)))
    assert one[-1] != other[-1]


def adapted(motion: dict[str, Any], folder: Path, strength: float) -> Family:
    """The model with an adapter that was never trained: noise, at a strength."""
    base = new_family(NAME)
    method = Lora(base, TrainingSpec(rank=4).for_family(type(base)))
    method.attach()
    generator = torch.Generator().manual_seed(4)
    method.set_weights({name: weight + 0.5 * torch.randn(weight.shape, generator=generator) for name, weight in method.weights().items()})
    method.save(folder, CheckpointInfo("x", "chmrr tree", "CC0-1.0", 1))
    family = opened(motion)
    load_adapter(family, folder, family.denoiser, "araucaria")
    family.pipeline.set_adapters(["araucaria"], [strength])
    return family


def test_what_was_learned_of_images_acts_in_it_and_at_strength_0_not_at_all(motion: dict[str, Any], tmp_path: Path) -> None:
    base = bytes_of(AnimateDiff().draw(drawing_of(opened(motion), tmp_path / "base", **motion)))
    assert bytes_of(AnimateDiff().draw(drawing_of(adapted(motion, tmp_path / "l", 0.0), tmp_path / "none", **motion))) == base
    assert bytes_of(AnimateDiff().draw(drawing_of(adapted(motion, tmp_path / "l", 1.0), tmp_path / "full", **motion))) != base


def test_the_adapter_moves_the_frames(motion: dict[str, Any], tmp_path: Path) -> None:
    still = motion | {"motion_adapter": {"model": str(new_motion_adapter(tmp_path / "other"))}}
    adapter = diffusers.MotionAdapter.from_pretrained(tmp_path / "other")
    with torch.no_grad():
        for weight in adapter.parameters():
            weight.zero_()
    adapter.save_pretrained(tmp_path / "other")
    one = bytes_of(AnimateDiff().draw(drawing_of(opened(motion), tmp_path / "a", **motion)))
    assert bytes_of(AnimateDiff().draw(drawing_of(opened(still), tmp_path / "b", **still))) != one


@pytest.mark.parametrize("at", [1, 2])
def test_a_killed_story_of_three_beats_goes_on_to_the_same_bytes(at: int, motion: dict[str, Any], tmp_path: Path) -> None:
    assert_goes_on_to_the_same_bytes(AnimateDiff(), opened(motion), tmp_path, at, calls=3, **motion)


def test_a_frame_alone_knows_of_no_other(motion: dict[str, Any], tmp_path: Path) -> None:
    drawing = drawing_of(opened(motion), tmp_path, **motion)
    one, again, other = (AnimateDiff().draw_alone(drawing, "a cup", seed).tobytes() for seed in (1, 1, 2))
    assert one == again != other


def test_what_does_not_go_together_is_refused(motion: dict[str, Any], tmp_path: Path) -> None:
    wrong = motion | {"motion_adapter": {"model": str(new_motion_adapter(tmp_path / "wrong", (4, 8, 16)))}}
    with pytest.raises(GauchoError, match="does not go with the base model"):
        opened(wrong)
    gone = motion | {"motion_adapter": {"model": str(tmp_path / "gone")}}
    with pytest.raises(GauchoError, match="cannot be loaded"):
        opened(gone)
    second = tiny_models.stable_diffusion()
    second.unet.register_to_config(use_linear_projection=True)
    with pytest.raises(ConfigError, match=r"animatediff is for Stable Diffusion 1\.5"):
        opened(motion, new_family(NAME, second))
