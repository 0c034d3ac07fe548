"""Pictures from prompts and seeds, with and without what was learned. What each of them says of itself is in `provenance/labels.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.families.base import EncodedPrompts, Sampling
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.gallery.samples import MODELS, Model, Sample
from gaucho_pipeline.images.picture_cache import PictureCache
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import is_out_of_memory
from gaucho_pipeline.models.trained import add_learned, learned_text_encoders, load_base
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
    has_distilled_guidance: bool = False

    def key(self, sample: Sample) -> str:
        """What a picture is kept under: the hash of all that makes it."""
        own = {name: value for name, value in asdict(self).items() if name not in ("checkpoint", "has_distilled_guidance") or value}
        return digest(own | {"prompt": sample.prompt, "seed": sample.seed})


@dataclass
class Drawer:
    """A base model that draws, and all that shapes what it draws beside prompt and seed; with what a checkpoint learned, once it is tuned.

    Pictures are made in turn: prompts are read, all samples denoised, all latents decoded. Each part of the model is in memory for its own
    turn only; latents wait on disk, so that a run that was killed goes on with them.
    """

    family: Family
    spec: GallerySpec
    settings: Settings
    waiting: Path
    """The folder in which latents wait."""

    @property
    def sampling(self) -> Sampling:
        """How pictures are drawn, as the family takes it."""
        spec = self.spec
        return Sampling(spec.num_inference_steps, spec.guidance_scale, self.settings.side, spec.negative_prompt)

    def read(self, samples: Sequence[Sample]) -> EncodedPrompts:
        """What the text encoders say of the samples' prompts, as they are now."""
        self.family.forget_prompts()
        self.family.read([sample.prompt for sample in samples], self.sampling)
        return dict(self.family.encoded)

    def denoise(self, samples: Sequence[Sample], encoded: EncodedPrompts, advance: Callable[[int], None]) -> list[Batch]:
        """Latents of the samples, several at once, fewer where memory runs out. Each picture's noise depends on its own seed alone.

        Raises GauchoError if one alone does not fit into memory.
        """
        self.family.encoded = dict(encoded)
        found, count, start = list[Batch](), self.spec.batch_size, 0
        while start < len(samples):
            batch = Batch(tuple(samples[start : start + count]), self._path(samples[start : start + count]))
            try:
                if not batch.is_whole():
                    batch.put(
                        self.family.denoise([each.prompt for each in batch.samples], [each.seed for each in batch.samples], self.sampling)
                    )
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if count == 1:
                    raise GauchoError(_too_large()) from None
                count //= 2
                continue
            found.append(batch)
            start += len(batch.samples)
            advance(len(batch.samples))
        return found

    def decode(self, batches: Sequence[Batch]) -> Iterator[tuple[Sample, Image.Image]]:
        """The pictures of what was denoised; it waits no more then."""
        for number, batch in enumerate(batches):
            yield from zip(batch.samples, self._pictures(batch.get(self.family.device, self.family.vae.dtype)), strict=True)
            if all(later.path != batch.path for later in batches[number + 1 :]):  # two prompts may read the same once they are filled in
                batch.path.unlink()

    def _pictures(self, latents: torch.Tensor) -> list[Image.Image]:
        """The pictures of latents, in parts where memory runs out. Raises GauchoError if one alone does not fit into memory."""
        try:
            return self.family.decode(latents)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(latents) == 1:
                raise GauchoError(_too_large()) from None
        half = len(latents) // 2
        return self._pictures(latents[:half]) + self._pictures(latents[half:])

    def draw(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Image.Image]]:
        """The samples' pictures, in their order."""
        return self.decode(self.denoise(samples, self.read(samples), lambda count: None))

    def _path(self, samples: Sequence[Sample]) -> Path:
        return self.waiting / f"{digest([self.settings.key(sample) for sample in samples])}.safetensors"


@dataclass(frozen=True)
class Batch:
    """Samples that were denoised together, which are decoded together: in the last digits a picture depends on its batch."""

    samples: tuple[Sample, ...]
    path: Path
    """Of their latents."""

    def is_whole(self) -> bool:
        """Whether the latents are there."""
        try:
            load_file(self.path)
        except (OSError, SafetensorError):
            return False
        return True

    def put(self, latents: torch.Tensor) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, save({"latents": latents.cpu().contiguous()}))

    def get(self, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        return load_file(self.path)["latents"].to(device, dtype)


def _too_large() -> str:
    return _("memory ran out for one picture; lower gallery.size, or take a smaller base_model")


def open_base(trained: Manifest, spec: GallerySpec, waiting: Path) -> Drawer:
    """The base model that a checkpoint was trained on, with the gallery's sampler, at the gallery's or the training's size."""
    training, drawing = trained.training_spec(), (spec.base_model, spec.revision) if spec.base_model else None
    loaded = load_base(trained, drawing)
    device, family = loaded.device, loaded.family
    if spec.sampler:
        family.use_sampler(spec.sampler)
    settings = Settings(
        code=(_CODE_VERSION, family.code_version),
        base_model=base_models.identity(*drawing) if drawing else trained.provenance.base_model,
        computed=(device.type, str(loaded.dtype), training.quantization),
        negative_prompt=spec.negative_prompt if family.is_guided(spec.guidance_scale) else "",
        num_inference_steps=spec.num_inference_steps,
        guidance_scale=spec.guidance_scale,
        sampler=family.sampler,
        denoiser=family.denoiser,
        side=spec.size or training.resolution or family.resolution,
        has_distilled_guidance=family.has_distilled_guidance,
    )
    return Drawer(family, spec, settings, waiting)


def tuned(settings: Settings, trained: Manifest) -> Settings:
    """The settings of the same model with what a checkpoint learned."""
    return replace(settings, checkpoint=trained.data_version)


def draw_samples(
    drawer: Drawer, trained: Manifest, checkpoint: Path, caches: Mapping[Model, PictureCache], samples: Sequence[Sample], progress: Progress
) -> tuple[dict[Model, list[Image.Image]], int]:
    """The samples' pictures by each model that has a cache, base before tuned, and how many had to be drawn.

    The drawer is tuned then. Raises GauchoError if what was learned does not load, or one picture does not fit into memory.
    """
    models = [model for model in MODELS if model in caches]
    settings: dict[Model, Settings] = {"base": drawer.settings, "tuned": tuned(drawer.settings, trained)}
    found: dict[Model, dict[Sample, Image.Image]] = {
        model: {sample: picture for sample in samples if (picture := caches[model].get(settings[model].key(sample)))} for model in models
    }
    missing = {model: [sample for sample in samples if sample not in found[model]] for model in models}
    progress.skip(sum(map(len, found.values())))
    family, encoded, batches = drawer.family, dict[Model, EncodedPrompts](), dict[Model, list[Batch]]()
    for model in models:
        if model == "tuned" and (learned := learned_text_encoders(family, trained, checkpoint)):
            add_learned(family, trained, checkpoint, learned)
        encoded[model] = drawer.read(missing[model])
    family.parts.drop(*family.text_encoders)
    for model in models:
        drawer.settings = settings[model]
        if model == "tuned":
            add_learned(family, trained, checkpoint, (family.denoiser,))
        batches[model] = drawer.denoise(missing[model], encoded[model], progress.advance)
    family.parts.drop(family.denoiser)
    for model in models:
        drawer.settings = settings[model]
        for sample, picture in drawer.decode(batches[model]):
            caches[model].put(settings[model].key(sample), picture)
            found[model][sample] = picture
    return {model: [found[model][sample] for sample in samples] for model in models}, sum(map(len, missing.values()))
