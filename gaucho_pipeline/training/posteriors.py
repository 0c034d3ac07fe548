"""What the VAE says of pictures, kept on disk by all that shapes it: two trainings on the same images encode them once.

What is read back is held against its own hash; what does not fit is as good as not there. Of what is on disk only the latest views are in
memory, so that thousands of images take no more than a few.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.methods.base import tensors_digest

MEMORY_BYTES = 500_000_000
"""What the latest views may take of a process's memory."""
_LAYOUT = 2
"""Raised when views are cut otherwise."""


Size = tuple[int, int, int, int, int, int]
"""Height and width of an image; top and left of the cut that is learned from, once it is scaled; height and width of that cut."""


@dataclass(frozen=True)
class Posterior:
    """What the VAE says of one picture: mean and standard deviation of its latents, float32, (channels, height, width), normalised."""

    mean: torch.Tensor
    std: torch.Tensor
    size: Size | None = None
    """Of the image and its cut, where the denoiser is told of them."""
    mask: torch.Tensor | None = None
    """How much of each latent is the subject, 0 to 1, (height, width); None where the image is learned whole."""

    @property
    def nbytes(self) -> int:
        return self.mean.nbytes + self.std.nbytes

    def sample(self, generator: torch.Generator) -> torch.Tensor:
        """Latents of the picture, drawn again."""
        return self.mean + self.std * torch.randn(self.mean.shape, generator=generator)


class PosteriorCache:
    """Posteriors of the views of images, for one base model; without a folder, all are kept in memory."""

    def __init__(
        self,
        folder: Path | None,
        base_model: Mapping[str, str | None] | None = None,
        dtype: str = "",
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._folder, self._model, self._memory_bytes = folder, [_LAYOUT, base_model, dtype], memory_bytes
        self._latest: OrderedDict[tuple[Path, int], Posterior] = OrderedDict()
        self._taken = 0

    def get(self, pixels: str, shape: Sequence[Any]) -> Sequence[Posterior] | None:
        """The views of the image with this hash of pixels, cut and turned as `shape` says; None if they are not there whole."""
        if self._folder is None or not (path := self._path(pixels, shape)).is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                expected = (file.metadata() or {}).get("sha256")
        except (SafetensorError, OSError):
            return None
        return _StoredViews(self, path, len(tensors) // 2) if expected == tensors_digest(tensors) else None

    def put(self, pixels: str, shape: Sequence[Any], views: Sequence[Posterior]) -> Sequence[Posterior]:
        """Keeps the views of an image, and returns them as they are read from then on."""
        if self._folder is None:
            return views
        tensors = {f"{number}.{name}": getattr(view, name) for number, view in enumerate(views) for name in ("mean", "std")}
        path = self._path(pixels, shape)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(tensors, {"sha256": tensors_digest(tensors)}))
        return _StoredViews(self, path, len(views))

    def read(self, path: Path, number: int) -> Posterior:
        """One view, from memory or from its file. Raises GauchoError if that is gone."""
        key = (path, number)
        if key in self._latest:
            self._latest.move_to_end(key)
            return self._latest[key]
        try:
            with safe_open(path, "pt") as file:
                view = Posterior(*(file.get_tensor(f"{number}.{name}").clone() for name in ("mean", "std")))
        except (SafetensorError, OSError):
            raise GauchoError(_("{path}: was removed while a training needed it; run the same again to go on", path=path)) from None
        self._latest[key] = view
        self._taken += view.nbytes
        while self._taken > self._memory_bytes and len(self._latest) > 1:
            self._taken -= self._latest.popitem(last=False)[1].nbytes
        return view

    def _path(self, pixels: str, shape: Sequence[Any]) -> Path:
        name = digest([self._model, pixels, list(shape)])
        assert self._folder
        return self._folder / name[:2] / f"{name}.safetensors"


class _Views(Sequence[Posterior], ABC):
    """Views that are read when they are asked for, one by one or by a slice."""

    @abstractmethod
    def _view(self, number: int) -> Posterior: ...

    @overload
    def __getitem__(self, number: int) -> Posterior: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Posterior]: ...
    def __getitem__(self, number: int | slice) -> Posterior | Sequence[Posterior]:
        return self._slice(number) if isinstance(number, slice) else self._view(number)

    def _slice(self, numbers: slice) -> Sequence[Posterior]:
        return [self._view(each) for each in range(*numbers.indices(len(self)))]


class _StoredViews(_Views):
    """The views of one image, read from its file."""

    def __init__(self, cache: PosteriorCache, path: Path, count: int) -> None:
        self._cache, self._path, self._count = cache, path, count

    def __len__(self) -> int:
        return self._count

    def _view(self, number: int) -> Posterior:
        if not -self._count <= number < self._count:
            raise IndexError(number)
        return self._cache.read(self._path, number % self._count)


class SizedViews(_Views):
    """Views that know of which size they are."""

    def __init__(self, views: Sequence[Posterior], sizes: Sequence[Size]) -> None:
        self._views, self._sizes = views, sizes

    def __len__(self) -> int:
        return len(self._views)

    def _view(self, number: int) -> Posterior:
        return replace(self._views[number], size=self._sizes[number])

    def _slice(self, numbers: slice) -> Sequence[Posterior]:
        return SizedViews(self._views[numbers], self._sizes[numbers])


class MaskedViews(_Views):
    """Views with what of each is the subject."""

    def __init__(self, views: Sequence[Posterior], masks: Sequence[torch.Tensor]) -> None:
        self._views, self._masks = views, masks

    def __len__(self) -> int:
        return len(self._views)

    def _view(self, number: int) -> Posterior:
        return replace(self._views[number], mask=self._masks[number])

    def _slice(self, numbers: slice) -> Sequence[Posterior]:
        return MaskedViews(self._views[numbers], self._masks[numbers])


class FirstViews(_Views):
    """The first view of each image, which is the whole of it."""

    def __init__(self, images: Sequence[Sequence[Posterior]]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def _view(self, number: int) -> Posterior:
        return self._images[number][0]

    def _slice(self, numbers: slice) -> Sequence[Posterior]:
        return FirstViews(self._images[numbers])
