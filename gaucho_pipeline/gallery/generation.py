"""Pictures from prompts and seeds, with and without what was learned. What each of them says of itself is in `provenance/labels.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PIL import Image

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.images.picture_cache import PictureCache
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import is_out_of_memory
from gaucho_pipeline.models.trained import add_learned, load_base
from gaucho_pipeline.stage.reporter import Progress
from gaucho_pipeline.store.manifest import Manifest

_CODE_VERSION = "1"
"""Raised when the same settings draw another picture: it makes all that are kept drawn again."""


@dataclass(frozen=True)
class Settings:
    """What tells pictures from those of any other model and settings."""

    code: tuple[str, str]
    base_model: dict[str, str | None] | None
    computed: tuple[str, str, str | None]
    """Where: the kind of device, the type of numbers, the quantization."""
    negative_prompt: str
    num_inference_steps: int
    guidance_scale: float
    sampler: str
    denoiser: str
    side: int
    checkpoint: str | None = None

    def key(self, sample: Sample) -> str:
        """What a picture is kept under: the hash of all that makes it."""
        own = {name: value for name, value in asdict(self).items() if name != "checkpoint" or value is not None}
        return digest(own | {"prompt": sample.prompt, "seed": sample.seed})


@dataclass(frozen=True)
class Drawer:
    """A model that draws, base or tuned, and all that shapes what it draws beside prompt and seed."""

    family: Family
    spec: GallerySpec
    side: int
    settings: Settings

    def draw(self, samples: list[Sample]) -> Iterator[tuple[Sample, Image.Image]]:
        """Draws the samples in turn, several at once, fewer where memory runs out. Each picture's noise depends on its own seed alone.

        Raises GauchoError if one alone does not fit into memory.
        """
        count, start = self.spec.batch_size, 0
        while start < len(samples):
            batch = samples[start : start + count]
            try:
                pictures = self._draw(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if count == 1:
                    raise GauchoError(_("memory ran out for one picture; lower gallery.size, or take a smaller base_model")) from None
                count //= 2
                continue
            yield from zip(batch, pictures, strict=True)
            start += len(batch)

    def _draw(self, batch: list[Sample]) -> list[Image.Image]:
        prompts, seeds, spec = [sample.prompt for sample in batch], [sample.seed for sample in batch], self.spec
        return self.family.generate(prompts, spec.negative_prompt, spec.num_inference_steps, spec.guidance_scale, seeds, self.side)


def open_base(trained: Manifest, spec: GallerySpec) -> Drawer:
    """The base model that a checkpoint was trained on, with the gallery's sampler, at the gallery's or the training's size."""
    training, loaded = trained.training_spec(), load_base(trained)
    device, family = loaded.device, loaded.family
    if spec.sampler:
        family.use_sampler(spec.sampler)
    side = spec.size or training.resolution or family.resolution
    settings = Settings(
        code=(_CODE_VERSION, family.code_version),
        base_model=trained.provenance.base_model,
        computed=(device.type, str(base_models.compute_dtype(device)), training.quantization),
        negative_prompt=spec.negative_prompt,
        num_inference_steps=spec.num_inference_steps,
        guidance_scale=spec.guidance_scale,
        sampler=family.sampler,
        denoiser=family.denoiser,
        side=side,
    )
    return Drawer(family, spec, side, settings)


def tune(base: Drawer, trained: Manifest, checkpoint: Path) -> Drawer:
    """The same model with what a checkpoint learned, made part of its weights; the base model is gone then.

    Raises GauchoError if it does not load.
    """
    add_learned(base.family, trained, checkpoint)
    return Drawer(base.family, base.spec, base.side, replace(base.settings, checkpoint=trained.data_version))


def draw_once(cache: PictureCache, drawer: Drawer, samples: list[Sample], progress: Progress) -> tuple[list[Image.Image], int]:
    """The samples' pictures in their order, those that stand among them, and how many had to be drawn."""
    found = {sample: picture for sample in samples if (picture := cache.get(drawer.settings.key(sample)))}
    missing = [sample for sample in samples if sample not in found]
    progress.skip(len(found))
    for sample, picture in drawer.draw(missing):
        cache.put(drawer.settings.key(sample), picture)
        found[sample] = picture
        progress.advance(1)
    return [found[sample] for sample in samples], len(missing)
