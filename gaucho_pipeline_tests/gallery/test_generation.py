"""Drawing in three steps: prompts are read, pictures denoised, latents decoded; what waits on the disk is found again, and never twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.gallery.generation import Drawer, Settings
from gaucho_pipeline.gallery.samples import samples_of
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline_tests.tiny_models import new_family


@pytest.mark.parametrize(("batch_size", "seeds"), [(1, (1,)), (4, (1, 2, 3, 4)), (8, (1, 2, 3, 4))])
def test_two_prompts_that_read_the_same_once_they_are_filled_in_are_both_drawn(
    batch_size: int, seeds: tuple[int, ...], tmp_path: Path
) -> None:
    family = new_family("StableDiffusionPipeline")
    spec = GallerySpec(
        prompts=("a photo of {token} {class_noun}", "a photo of {token} drink"), seeds=seeds, batch_size=batch_size, class_pictures=False,
        num_inference_steps=1, guidance_scale=1.0,
    )  # fmt: skip
    settings = Settings(("1", "1"), None, ("cpu", "float32", None), "", 1, 1.0, family.sampler, "unet", 32)
    drawn = [*Drawer(family, spec, settings, tmp_path).draw(samples_of(spec, ConceptWords("chmrr", "drink")))]
    assert len(drawn) == 2 * len(seeds)
    assert [*tmp_path.iterdir()] == []  # nothing waits any more
