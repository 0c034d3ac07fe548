"""What is learned from: which images, cut how, encoded once, and drawn by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gaucho_pipeline.assets.rows import TrainImage
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.models import base_models
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.training.examples import (
    MAX_ASPECT,
    Member,
    Stream,
    Turns,
    bucket_of,
    encode_files,
    generator_for,
    images_of_step,
    notes_on_sizes,
    split,
    views_of,
)
from gaucho_pipeline.training.posteriors import PosteriorCache
from gaucho_pipeline_tests.samples import train_image

CPU = torch.device("cpu")


def rows(count: int) -> list[TrainImage]:
    return [train_image(number) for number in range(count)]


# ------------------------------------------------------------------------------------------ split


def test_the_split_depends_on_the_images_and_the_seed_and_not_on_their_order() -> None:
    train, validation = split(rows(10), 0.2, 7)
    again_train, again_validation = split(rows(10)[::-1], 0.2, 7)
    assert (train, validation) == (again_train, again_validation)
    assert len(validation) == 2
    assert split(rows(10), 0.2, 8)[1] != validation


def test_one_image_is_not_enough_to_learn_and_to_measure() -> None:
    assert [len(part) for part in split(rows(2), 0.9, 1)] == [1, 1]
    with pytest.raises(GauchoError, match="at least two images"):
        split(rows(1), 0.2, 1)


def test_images_of_one_scene_are_on_one_side_of_the_split() -> None:
    alike = [row.model_copy(update={"scene": f"scene {number // 3}"}) if number < 9 else row for number, row in enumerate(rows(20))]
    for seed in range(30):
        train, validation = split(alike, 0.25, seed)
        assert {row.scene for row in train if row.scene} & {row.scene for row in validation if row.scene} == set()
        assert len(train) + len(validation) == 20
        assert 3 <= len(validation) <= 5


def test_where_all_images_are_of_few_scenes_there_is_one_of_each_all_the_same() -> None:
    two = [row.model_copy(update={"scene": "a" if number < 3 else "b"}) for number, row in enumerate(rows(10))]
    train, validation = split(two, 0.1, 1)
    assert ({row.scene for row in train}, {row.scene for row in validation}) == ({"b"}, {"a"})
    one = [row.model_copy(update={"scene": "a"}) for row in rows(10)]
    assert [len(part) for part in split(one, 0.2, 1)] == [8, 2]


# ------------------------------------------------------------------------------------------ buckets and views


@pytest.mark.parametrize("resolution", [64, 512, 1024])
@pytest.mark.parametrize("shape", [(1000, 1000), (3000, 2000), (2000, 3000), (1600, 900), (500, 5000)])
def test_a_bucket_keeps_about_the_shape_and_the_pixels(shape: tuple[int, int], resolution: int) -> None:
    multiple = 16 if resolution == 64 else 32
    width, height = bucket_of(*shape, resolution, multiple)
    assert width % multiple == height % multiple == 0
    assert 0.75 * resolution**2 <= width * height <= resolution**2
    assert max(width, height) <= MAX_ASPECT * min(width, height)
    wanted = min(max(shape[0] / shape[1], 1 / MAX_ASPECT), MAX_ASPECT)
    assert 0.8 < (width / height) / wanted < 1.25
    assert bucket_of(shape[1], shape[0], resolution, multiple) == (height, width)


def test_a_square_is_learned_from_at_the_very_resolution() -> None:
    assert bucket_of(300, 300, 40, 32) == (40, 40)
    assert bucket_of(768, 768, 512, 32) == (512, 512)


def picture(width: int, height: int) -> Image.Image:
    """A picture whose every place tells where it is."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8))


def views(image: Image.Image, name: str = "a", **keys: Any) -> list[np.ndarray]:
    spec = TrainingSpec.model_validate(keys)
    return [np.asarray(view.of(image), float) for view in views_of(image.size, name, spec, 64, 16)]


def test_without_buckets_the_middle_square_is_learned_from() -> None:
    (middle,) = views(picture(120, 60), aspect_buckets=False, upscale=True)
    assert middle.shape == (64, 64, 3)
    assert middle[:, 0, 0].mean() == pytest.approx(255 / 4, abs=4)
    (whole,) = views(picture(120, 60), upscale=True)
    assert whole.shape[0] < whole.shape[1]
    assert whole[:, 0, 0].mean() < 255 / 8


def test_a_flip_is_the_mirror_image_and_comes_beside_it() -> None:
    plain, mirrored = views(picture(64, 64), random_flip=True)
    assert np.array_equal(mirrored, plain[:, ::-1])
    assert len(views(picture(64, 64))) == 1


def test_cuts_are_at_places_that_the_name_decides_and_show_a_part() -> None:
    whole, one, other = views(picture(200, 200), crops=3)
    for cut in (one, other):
        assert whole[:, :, 0].min() - 2 <= cut[:, :, 0].min()
        assert 0.83 < (cut[0, -1, 0] - cut[0, 0, 0]) / 255 < 1
    assert not np.array_equal(one, other)
    assert np.array_equal(one, views(picture(200, 200), crops=2)[1])
    assert not np.array_equal(one, views(picture(200, 200), "b", crops=2)[1])


def test_further_resolutions_are_views_of_their_own() -> None:
    assert [view.shape[0] for view in views(picture(128, 128), further_resolutions=(96, 128), random_flip=True)] == [
        64, 64, 96, 96, 128, 128,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "height", "keys", "shape"),
    [
        (64, 64, {}, (64, 64)),
        (50, 50, {}, (48, 48)),  # the largest that it fills
        (50, 50, {"upscale": True}, (64, 64)),
        (50, 50, {"aspect_buckets": False}, (48, 48)),
        (9, 9, {}, (16, 16)),  # there is no smaller one
    ],
)
def test_an_image_that_is_too_small_is_enlarged_only_where_that_is_asked_for(
    width: int, height: int, keys: dict[str, Any], shape: tuple[int, int]
) -> None:
    (view,) = views(picture(width, height), **keys)
    assert view.shape[:2] == shape


def test_images_that_are_too_small_are_counted(tmp_path: Path) -> None:
    for number, side in enumerate((40, 50, 64, 200)):
        picture(side, side).save(tmp_path / f"{number}.png")
    files = sorted(tmp_path.iterdir())
    assert notes_on_sizes(files, TrainingSpec(), 64, 16) == ["2 of 4 images are smaller than 64 px, and are learned from at their own size"]
    assert notes_on_sizes(files, TrainingSpec(upscale=True), 64, 16) == ["2 of 4 images are enlarged to be learned from"]
    assert notes_on_sizes(files[2:], TrainingSpec(), 64, 16) == []


@pytest.mark.parametrize(
    ("width", "height", "keys", "expected"),
    [
        (64, 64, {}, (64, 64, 0, 0, 64, 64)),
        (128, 128, {}, (128, 128, 0, 0, 64, 64)),
        (100, 50, {"aspect_buckets": False, "upscale": True}, (50, 100, 0, 32, 64, 64)),
        (50, 100, {"aspect_buckets": False, "upscale": True}, (100, 50, 32, 0, 64, 64)),
    ],
)
def test_what_is_shown_of_an_image_and_where_is_known(width: int, height: int, keys: dict[str, Any], expected: tuple[int, ...]) -> None:
    (view,) = views_of((width, height), "a", TrainingSpec.model_validate(keys), 64, 16)
    assert view.conditioning(width, height) == expected


def test_where_a_cut_is_and_its_mirror_image_is_known() -> None:
    _, _, cut, mirrored = views_of((200, 200), "a", TrainingSpec(crops=2, random_flip=True), 64, 16)
    left, top, right, _ = cut.box
    scale = 64 / (right - left)
    assert cut.conditioning(200, 200)[2:4] == (pytest.approx(top * scale, abs=1), pytest.approx(left * scale, abs=1))
    assert mirrored.conditioning(200, 200)[3] == pytest.approx(200 * scale - left * scale - 64, abs=1)


# ------------------------------------------------------------------------------------------ encoding


def encoded(files: list[Path], cache: PosteriorCache | None = None, **keys: Any) -> Any:
    family = base_models.load("embedded", None, CPU).family
    spec = TrainingSpec.model_validate(keys)
    return encode_files(family, {file: file.stem for file in files}, spec, 64, cache or PosteriorCache(None))


def test_latents_are_scaled_as_the_pipeline_scales_them(tmp_path: Path) -> None:
    pipeline = base_models.load("embedded", None, CPU).pipeline
    draw_subject("chimarrao", 1, side=64).save(tmp_path / "a.png")
    ((found,),) = encoded([tmp_path / "a.png"])
    with torch.no_grad():
        back = pipeline.vae.decode(found.mean[None] / pipeline.vae.config.scaling_factor).sample
    with Image.open(tmp_path / "a.png") as image:
        pixels = torch.tensor(np.asarray(image.convert("RGB"), np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    assert (back - pixels).square().mean() < 0.02


def test_a_view_is_encoded_as_its_picture_is(tmp_path: Path) -> None:
    image = draw_subject("chimarrao", 1, side=128)
    image.save(tmp_path / "a.png")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.png")
    ((plain, mirrored), (other, _)) = encoded([tmp_path / "a.png", tmp_path / "b.png"], random_flip=True)
    assert torch.allclose(mirrored.mean, other.mean, atol=1e-4)
    assert not torch.allclose(plain.mean, other.mean, atol=1e-2)


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(GauchoError, match=r"a\.png: cannot be read .*gaucho run --select curated_set --force"):
        encoded([tmp_path / "a.png"])


def test_an_image_without_finite_latents_is_named(tmp_path: Path) -> None:
    draw_subject("chimarrao", 1, side=64).save(tmp_path / "a.png")
    family = base_models.load("embedded", None, CPU).family
    family.encode_images = lambda pixels: (torch.full((1, 4, 2, 2), torch.inf), torch.zeros(1, 4, 2, 2))  # type: ignore[method-assign]
    with pytest.raises(GauchoError, match=r"a\.png: the VAE gives no finite latents for it; exclude it in curation"):
        encode_files(family, {tmp_path / "a.png": "a"}, TrainingSpec(), 64, PosteriorCache(None))


# ------------------------------------------------------------------------------------------ draws


def test_every_image_comes_once_before_any_comes_again() -> None:
    drawn = [index for step in range(6) for index in images_of_step(step, 4, 6, seed=3)]
    assert [sorted(drawn[i : i + 6]) for i in range(0, 24, 6)] == [[0, 1, 2, 3, 4, 5]] * 4


def members(*sizes: int, weights: tuple[float, ...] = ()) -> list[Member]:
    """Concepts with so many images each, one behind the other."""
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return [
        Member(ConceptWords(f"t{place}", "tree"), range(start, start + size), range(0), (weights or (1.0,) * len(sizes))[place])
        for place, (start, size) in enumerate(zip(starts, sizes, strict=True))
    ]


def drawn_in_turn(concepts: list[Member], count: int) -> list[int]:
    turns = Turns(concepts)
    return [index for step in range(count // 4) for index in turns.images_of_step(step, 4, seed=3)]


def test_concepts_take_turns_however_many_images_each_has() -> None:
    drawn = drawn_in_turn(members(3, 12), 48)
    own = [index for index in drawn if index < 3]
    assert len(own) == 24
    assert [sorted(own[i : i + 3]) for i in range(0, 24, 3)] == [[0, 1, 2]] * 8
    assert sorted(index for index in drawn if index >= 3) == sorted([*range(3, 15)] * 2)
    assert all(abs(sum(index < 3 for index in drawn[:end]) - end / 2) <= 1 for end in range(1, 48))


def test_a_weight_says_how_often_a_concept_is_shown() -> None:
    drawn = drawn_in_turn(members(4, 4, 4, weights=(2.0, 1.0, 1.0)), 80)
    assert [sum(index // 4 == place for index in drawn) for place in range(3)] == [40, 20, 20]


def test_what_a_step_shows_does_not_depend_on_the_steps_before() -> None:
    whole, late = Turns(members(3, 5)), Turns(members(3, 5))
    before = [whole.images_of_step(step, 4, seed=7) for step in range(6)]
    assert late.images_of_step(5, 4, seed=7) == before[5]


def test_a_draw_depends_on_seed_stream_and_number_alone() -> None:
    draw = lambda *names: torch.randn(3, generator=generator_for(*names)).tolist()  # noqa: E731
    assert draw(1, Stream.EXAMPLE, 3) == draw(1, Stream.EXAMPLE, 3)
    others = [(1, Stream.EXAMPLE, 4), (2, Stream.EXAMPLE, 3), *((1, stream, 3) for stream in Stream)]
    assert len({tuple(draw(*names)) for names in others}) == 2 + len(Stream)
