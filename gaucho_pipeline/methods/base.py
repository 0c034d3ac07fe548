"""The contract of a method of teaching: which weights learn, how the untouched model is still asked, and what is stored and read back.

How they learn is in `training/`; the gallery and `gaucho export` read what was stored. Light to import: torch is imported where it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.families import Family

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]
"""What was learned, on the CPU, by `<component>.<name>`."""


class Method(ABC):
    """One way to teach, at work on a loaded base model."""

    name: ClassVar[str]
    code_version: ClassVar[str] = "1"
    """Raised when this method alone learns something else of the same input: it makes what was taught by it stale, no more."""

    def __init__(self, family: Family, spec: TrainingSpec) -> None:
        self.family, self.spec = family, spec

    @property
    def modules(self) -> dict[str, Any]:
        """What learns, by component: the denoiser, and where that is asked for the text encoders."""
        names = (self.family.denoiser, *(self.family.trainable_text_encoders if self.spec.train_text_encoder else ()))
        return {name: getattr(self.family.pipeline, name) for name in names}

    def rate_of(self, component: str) -> float:
        """The learning rate of a component."""
        own = self.spec.text_encoder_learning_rate
        return own if own is not None and component != self.family.denoiser else float(self.spec.learning_rate)

    @abstractmethod
    def attach(self) -> None:
        """Makes ready to learn; the same seed begins with the same weights. Raises ConfigError if there is nothing to learn in."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What is to be trained, float32, in the optimiser's groups, each with its rate."""
        found = []
        for name, module in self.modules.items():
            found.append({"params": [p for p in module.parameters() if p.requires_grad], "lr": self.rate_of(name)})
        return found

    @abstractmethod
    def weights(self) -> Weights:
        """What is learned as it stands, not a copy of it: what is to stay is written to a file."""

    @abstractmethod
    def set_weights(self, weights: Weights) -> None:
        """Puts what `weights` gave back in its place."""

    @abstractmethod
    @contextlib.contextmanager
    def untouched(self) -> Iterator[None]:
        """Within it the model is what it was before it learned anything."""

    @abstractmethod
    def detach(self) -> None:
        """Makes the model what it was before `attach`."""

    @abstractmethod
    def release(self) -> None:
        """Takes what only learning needs out of memory."""

    @abstractmethod
    def save(self, folder: Path, title: str, words: str, license_: str, images: int) -> None:
        """Stores what was learned in a checkpoint's folder, in the layouts that this project and other programs read.

        `title`: the concept's slug; `words`: its token and class noun; `license_`, `images`: those of the training images.
        """

    @staticmethod
    @abstractmethod
    def load(family: Family, folder: Path) -> None:
        """Puts what a checkpoint's folder holds on a freshly loaded base model. Raises GauchoError if it does not load."""

    @staticmethod
    @abstractmethod
    def fuse(family: Family) -> None:
        """Makes what `load` has put there part of the model's own weights."""


def tensors_digest(tensors: Weights, *settings: object) -> str:
    """The SHA-256 of named tensors; a file's own bytes vary, because safetensors writes its header in any order."""
    sha = hashlib.sha256(repr(settings).encode())
    for name in sorted(tensors):
        sha.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return sha.hexdigest()
