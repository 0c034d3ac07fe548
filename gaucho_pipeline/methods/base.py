"""The contract of a method of teaching: which weights learn, how the untouched model is still asked, and what is stored and read back.

How they learn is in `training/`; the gallery and `gaucho export` read what was stored. Light to import: torch is imported where it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gaucho_pipeline.families import Family

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]
"""What was learned, on the CPU, by `<component>.<name>`."""


class MethodSpec(Protocol):
    """What a method needs to know of a training: the keys of `training:` that it reads."""

    @property
    def seed(self) -> int: ...

    @property
    def rank(self) -> int: ...

    @property
    def effective_alpha(self) -> float: ...

    @property
    def target_modules(self) -> Any: ...

    @property
    def learning_rate(self) -> Any: ...

    @property
    def text_encoder_learning_rate(self) -> float | None: ...

    @property
    def train_text_encoder(self) -> bool: ...

    @property
    def resolution(self) -> int | None: ...


@dataclass(frozen=True)
class CheckpointInfo:
    """What files of a checkpoint say of it to whoever reads them elsewhere."""

    slug: str
    words: str
    """Token and class noun, as they are written in a prompt."""
    licenses: str
    """Of the training images, comma-separated."""
    images: int
    """How many it learned from."""
    authors: str = ""
    """Of the training images, comma-separated."""


class Method(ABC):
    """One way to teach, at work on a loaded base model."""

    name: ClassVar[str]
    title: ClassVar[str]
    """What people call it."""
    description: ClassVar[str]
    """What it does, for whoever chooses one."""
    is_adapter: ClassVar[bool]
    """Whether what is learned lies beside the base model's weights: it has a strength, and goes with others and with quantized weights."""
    learning_rates: ClassVar[tuple[float, float]]
    """The lowest and the highest rate that a range test tries."""
    code_version: ClassVar[str] = "1"
    """Raised when this method alone learns something else of the same input: it makes what was taught by it stale, no more."""

    def __init__(self, family: Family, spec: MethodSpec) -> None:
        self.family, self.spec = family, spec

    @property
    def modules(self) -> dict[str, Any]:
        """What learns, by component: the denoiser, and where that is asked for the text encoders."""
        return {name: self.family.part(name) for name in self.names}

    @property
    def names(self) -> tuple[str, ...]:
        """The parts that learn."""
        return (self.family.denoiser, *(self.family.trainable_text_encoders if self.spec.train_text_encoder else ()))

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
    def learn_at(self, noise_levels: torch.Tensor | None) -> None:
        """Has what is computed next learn from so noisy images, (images,), 0 to 1. None: it is drawn or measured, as it is stored."""

    @abstractmethod
    def weights(self) -> Weights:
        """What is learned as it is, not a copy of it: what is to stay is written to a file."""

    @abstractmethod
    def set_weights(self, weights: Weights) -> None:
        """Puts what `weights` gave back in its place."""

    @abstractmethod
    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Within it the model is what it was before it learned anything (PEFT's name for it)."""

    @abstractmethod
    def detach(self) -> None:
        """Makes the model what it was before `attach`."""

    @abstractmethod
    def release(self) -> None:
        """Takes what only learning needs out of memory."""

    @abstractmethod
    def save(self, folder: Path, info: CheckpointInfo) -> None:
        """Stores what was learned in a checkpoint's folder, in the layouts that this project and other programs read."""

    @staticmethod
    @abstractmethod
    def how_to_load(slug: str, family: type[Family], base: str, revision: str | None = None) -> tuple[str, str]:
        """For the model card: Python that loads base model and checkpoint as `pipe`, and a sentence on other programs."""

    @classmethod
    def load(cls, family: Family, folder: Path) -> None:
        """Puts what a checkpoint's folder holds on a base model, all of it. Raises GauchoError if it does not load."""
        for part in cls.parts_in(family, folder):
            cls.load_part(family, folder, part)

    @staticmethod
    @abstractmethod
    def parts_in(family: Family, folder: Path) -> tuple[str, ...]:
        """The parts of which a checkpoint's folder holds something. Raises GauchoError if it cannot be read."""

    @staticmethod
    @abstractmethod
    def load_part(family: Family, folder: Path, part: str) -> None:
        """Puts what a checkpoint's folder holds on one part, now or when that is loaded. Raises GauchoError if it does not load."""

    @staticmethod
    @abstractmethod
    def fuse_part(family: Family, part: str) -> None:
        """Makes what `load_part` has put there part of the model's own weights."""


def loading_code(family: type[Family], kind: str, base: str, revision: str | None = None) -> str:
    """Python that loads a base model as `pipe`, for whoever draws with it elsewhere. `kind`: the class of diffusers that loads it.

    All in one precision, whatever the configurations of its parts name: a half text encoder beside a single denoiser cannot be multiplied.
    """
    needed, place = family.place_in_python(base)
    pinned = f', revision="{revision}"' if revision else ""
    told = "" if needed or "/" in base else "  # the folder of the base model"
    imports = f"{needed}import torch\nfrom diffusers import {kind}"
    return f"{imports}\n\npipe = {kind}.from_pretrained({place}{pinned}, dtype=torch.float32){told}"


def tensors_digest(tensors: Weights, *settings: object) -> str:
    """The SHA-256 of named tensors; a file's own bytes vary, because safetensors writes its header in any order."""
    sha = hashlib.sha256(repr(settings).encode())
    for name in sorted(tensors):
        sha.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return sha.hexdigest()
