"""Posteriors kept on disk: found again by all that shapes them, and never believed where they are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.training import examples
from gaucho_pipeline.training.posteriors import FirstViews, PosteriorCache, SizedViews
from gaucho_pipeline_tests.tiny_models import new_family
from gaucho_pipeline_tests.trainers import posteriors

MODEL = {"id": "a", "revision": None, "digest": "d"}


def test_views_are_found_again_by_image_shape_and_model(tmp_path: Path) -> None:
    cache, views = PosteriorCache(tmp_path, MODEL), posteriors(2, 1)
    cache.put("p", [64], views)
    found = PosteriorCache(tmp_path, MODEL).get("p", [64])
    assert found
    assert all(torch.equal(a.mean, b.mean) and torch.equal(a.std, b.std) for a, b in zip(found, views, strict=True))
    assert cache.get("q", [64]) is None
    assert cache.get("p", [32]) is None
    assert PosteriorCache(tmp_path, MODEL | {"digest": "e"}).get("p", [64]) is None
    assert PosteriorCache(tmp_path, MODEL, "cuda").get("p", [64]) is None


def test_what_is_not_whole_is_as_good_as_not_there(tmp_path: Path) -> None:
    cache = PosteriorCache(tmp_path, MODEL)
    cache.put("p", [64], posteriors(1, 1))
    (file,) = tmp_path.rglob("*.safetensors")
    tensors, content = load_file(file), file.read_bytes()
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, file, {"sha256": "0"})
    assert cache.get("p", [64]) is None
    file.write_bytes(content[:-8])
    assert cache.get("p", [64]) is None
    file.write_bytes(content)
    assert cache.get("p", [64])


def test_without_a_folder_nothing_is_kept() -> None:
    cache = PosteriorCache(None)
    cache.put("p", [64], posteriors(1, 1))
    assert cache.get("p", [64]) is None


def test_an_image_is_encoded_once_and_again_where_it_is_cut_otherwise(tmp_path: Path) -> None:
    family, asked = new_family("StableDiffusionPipeline"), list[int]()
    real = family.encode_images
    family.encode_images = lambda pixels: (asked.append(1), real(pixels))[1]  # type: ignore[method-assign,func-returns-value]
    draw_subject("chimarrao", 1, side=64).save(tmp_path / "a.png")
    cache = PosteriorCache(tmp_path / "kept", MODEL)

    def encode(**keys: bool) -> list[list[examples.Posterior]]:
        return examples.encode_files(family, {tmp_path / "a.png": "a"}, TrainingSpec.model_validate(keys), 32, cache)

    one, again = encode(), encode()
    assert len(asked) == 1
    assert torch.equal(one[0][0].mean, again[0][0].mean)
    encode(random_flip=True)
    assert len(asked) == 3


def test_of_many_images_a_few_views_are_in_memory_and_the_rest_is_read_as_it_is_needed(tmp_path: Path) -> None:
    one = posteriors(1, 1)[0].nbytes
    cache = PosteriorCache(tmp_path, MODEL, memory_bytes=3 * one)
    images = [cache.put(f"image {number}", [64], posteriors(2, number)) for number in range(40)]
    for number in (*range(40), 7, 7, 3):
        expected = posteriors(2, number)[1]
        assert torch.equal(images[number][1].mean, expected.mean)
        assert torch.equal(images[number][-1].std, expected.std)
    assert sum(view.nbytes for view in cache._latest.values()) <= 3 * one
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for view in cache._latest.values() for tensor in (view.mean, view.std))


def test_views_are_a_sequence(tmp_path: Path) -> None:
    views = PosteriorCache(tmp_path, MODEL).put("p", [64], posteriors(3, 1))
    assert (len(views), len(list(views)), len(views[1:])) == (3, 3, 2)
    with pytest.raises(IndexError):
        views[3]
    first = FirstViews([views, views])
    assert torch.equal(first[1:][0].mean, views[0].mean)
    sized = SizedViews(views, [(1, 2, 3, 4, 5, 6)] * 3)
    assert (sized[1].size, views[1].size, sized[1:][0].size) == ((1, 2, 3, 4, 5, 6), None, (1, 2, 3, 4, 5, 6))


def test_a_file_that_was_removed_meanwhile_is_reported(tmp_path: Path) -> None:
    views = PosteriorCache(tmp_path, MODEL).put("p", [64], posteriors(1, 1))
    (file,) = tmp_path.rglob("*.safetensors")
    file.unlink()
    with pytest.raises(GauchoError, match="was removed while a training needed it; run the same again to go on"):
        views[0]
