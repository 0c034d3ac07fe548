"""The parts of a base model, as a family asks for them: text encoders, VAE and denoiser, in memory when they are needed.

What loads them in turn is in `models/parts.py`; here is the contract, and the plain case of a pipeline that is in memory as a whole.
"""

from __future__ import annotations

import gc
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Change = Callable[[Any], None]
"""Changes a module in place: has it learn, or gives it what was learned."""


_WORTH_COLLECTING = 64_000_000
"""Bytes from which on memory that is freed at once is worth half a second of looking for it."""


def is_text_encoder(name: str) -> bool:
    """Whether a name in `model_index.json` is that of a part that reads prompts."""
    return re.fullmatch(r"text_encoder(_\d)?", name) is not None


class Parts(ABC):
    """The parts of one pipeline, whose attributes are None where they are not in memory."""

    pipeline: Any

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where parts are in memory."""

    @property
    @abstractmethod
    def text_encoders(self) -> tuple[str, ...]:
        """The parts that read prompts, whether they are in memory or not."""

    @abstractmethod
    def need(self, *names: str) -> None:
        """Has parts in memory, together. Raises GauchoError if one does not load."""

    @abstractmethod
    def need_all(self) -> None:
        """Has every part in memory together, for whoever takes the pipeline as it is."""

    @abstractmethod
    def config(self, name: str) -> Mapping[str, Any]:
        """The configuration of a part, whether it is in memory or not."""

    @abstractmethod
    def stored_dtype(self, name: str) -> torch.dtype:
        """The type of numbers in which a part was published."""

    @abstractmethod
    def change(self, name: str, label: str, change: Change) -> None:
        """Changes a part, now or when it is loaded, and each time that it is loaded again; a later change of the same label replaces it."""

    @abstractmethod
    def forget_changes(self, name: str, label: str) -> None:
        """Does not make a change any more where the part is loaded again."""

    @abstractmethod
    def hold(self, *names: str) -> None:
        """Has parts stay in memory, whatever else is needed: they learn."""

    @abstractmethod
    def swap(self, name: str) -> bool:
        """Has a part's blocks wait in the machine's memory while others are computed (`models/block_swap.py`); whether they do."""

    def is_swapped(self, name: str) -> bool:
        """Whether a part's blocks wait so."""
        return False

    def is_quantized(self, name: str) -> bool:
        """Whether a part's weights are quantized where they are in memory."""
        return False

    @abstractmethod
    def take_from(self, name: str, load: Callable[[Any], Any]) -> None:
        """Takes a part from elsewhere, from now on. `load`: gives it, from its class."""

    def drop(self, *names: str) -> None:
        """Takes parts out of memory."""
        dropped = [name for name in names if getattr(self.pipeline, name, None) is not None]
        size = sum(_bytes_of(getattr(self.pipeline, name)) for name in dropped)
        for name in dropped:
            setattr(self.pipeline, name, None)
        if size >= _WORTH_COLLECTING:
            gc.collect()  # modules hold one another, and are not freed before


def _bytes_of(part: Any) -> int:
    """What the weights of a part take; 0 for what has none."""
    parameters = getattr(part, "parameters", None)
    return sum(each.numel() * each.element_size() for each in parameters()) if callable(parameters) else 0


class WholePipeline(Parts):
    """A pipeline all of whose parts are in memory."""

    def __init__(self, pipeline: Any) -> None:
        import torch

        self.pipeline = pipeline
        modules = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
        self._text_encoders = tuple(name for name in modules if is_text_encoder(name))
        self._configs: dict[str, Any] = {name: module.config for name, module in modules.items()}
        self._dtypes = {name: next(module.parameters()).dtype for name, module in modules.items()}

    @property
    def device(self) -> torch.device:
        import torch

        modules = [part for part in self.pipeline.components.values() if isinstance(part, torch.nn.Module)]
        return torch.device(str(modules[0].device) if modules else "cpu")

    @property
    def text_encoders(self) -> tuple[str, ...]:
        return self._text_encoders

    def need(self, *names: str) -> None:
        """They are there, but for those that were dropped."""

    def need_all(self) -> None:
        """The same."""

    def config(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._configs[name]
        return found

    def stored_dtype(self, name: str) -> torch.dtype:
        return self._dtypes[name]

    def change(self, name: str, label: str, change: Change) -> None:
        if (module := getattr(self.pipeline, name)) is not None:
            change(module)

    def forget_changes(self, name: str, label: str) -> None:
        """Nothing is loaded again."""

    def hold(self, *names: str) -> None:
        """They stay anyhow."""

    def swap(self, name: str) -> bool:
        return False

    def take_from(self, name: str, load: Callable[[Any], Any]) -> None:
        own = getattr(self.pipeline, name)
        setattr(self.pipeline, name, load(type(own)).to(own.device, own.dtype).eval())
