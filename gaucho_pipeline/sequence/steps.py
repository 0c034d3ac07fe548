"""What a denoiser answered, call by call, kept until its frames are there: a drawing that was killed goes on at the next denoising step.

Frames are denoised together, because they look at one another; so it is steps that are kept, and not frames. Answers are played back to
the sampler, whatever that remembers of them, so that the frames come out the same to the bit.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.hooks import HookRegistry, ModelHook
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from gaucho_pipeline.files.writing import write_atomically

Compute = Callable[..., torch.Tensor]
"""Takes a denoiser's own forward and its arguments; gives what it answers."""
_HOOK = "gaucho_pipeline"


class Steps:
    """The answers of one drawing, in a folder, by the number of the call."""

    def __init__(self, folder: Path, advance: Callable[[int], None] = lambda count: None, skip: Callable[[int], None] = lambda count: None):
        self._folder, self.advance, self.skip = folder, advance, skip

    def get(self, number: int) -> torch.Tensor | None:
        """The answer that exists; None where there is none, or its file is broken."""
        try:
            return load_file(self._path(number))["answer"]
        except (OSError, SafetensorError, KeyError):
            return None

    def put(self, number: int, answer: torch.Tensor) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path(number), save({"answer": answer.cpu().contiguous()}))

    def of(self, part: int) -> Steps:
        """Those of one part of a drawing whose parts are drawn in turn."""
        return Steps(self._folder / str(part), self.advance, self.skip)

    def forget(self) -> None:
        """Removes them: the frames are there."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:04d}.safetensors"


class _Kept(ModelHook):
    """https://huggingface.co/docs/diffusers/en/api/hooks"""

    def __init__(self, steps: Steps, compute: Compute) -> None:
        super().__init__()
        self._steps, self._compute, self._calls = steps, compute, 0

    def new_forward(self, module: torch.nn.Module, sample: torch.Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        sample = kwargs.pop("hidden_states") if sample is None else sample  # what transformers call it
        answer = self._steps.get(self._calls)
        if answer is None:
            answer = self._compute(self.fn_ref.original_forward, sample, *args, **kwargs)
            self._steps.put(self._calls, answer)
            self._steps.advance(1)
        else:
            self._steps.skip(1)
        self._calls += 1
        answer = answer.to(sample.device, sample.dtype)
        return (answer,) if kwargs.get("return_dict") is False else SimpleNamespace(sample=answer)


def as_it_is(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> torch.Tensor:
    """A denoiser's answer to all frames at once."""
    found: torch.Tensor = forward(*args, **(kwargs | {"return_dict": False}))[0]
    return found


@contextlib.contextmanager
def kept(network: torch.nn.Module, steps: Steps, compute: Compute = as_it_is) -> Iterator[None]:
    """Has a denoiser's answers kept, and those that exist already given without computing."""
    registry = HookRegistry.check_if_exists_or_initialize(network)
    registry.register_hook(_Kept(steps, compute), _HOOK)
    try:
        yield
    finally:
        registry.remove_hook(_HOOK, recurse=False)
