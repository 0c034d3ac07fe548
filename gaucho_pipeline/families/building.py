"""Building parts of models from what others have written: no more layers than a model has, and one line for whatever goes wrong.

Light to import: torch is imported where it is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, GauchoError, _, first_line
from gaucho_pipeline.families.model_files import check_part

_MOST = 50_000
"""Of the modules and weights that one part registers: several times those of the largest model that is taught."""


class TooLarge(Exception):
    """A configuration from which no end of things would be built."""


@contextlib.contextmanager
def within_bounds() -> Iterator[None]:
    """Within it a part is built; raises TooLarge as soon as its configuration asks for more layers than any model has."""
    from torch.nn.modules import module

    numbers = count(1)

    def counted(*_unused: object) -> None:
        if next(numbers) > _MOST:
            raise TooLarge(_("its configuration asks for more than {most:,} layers, which no model has", most=_MOST))

    handles = [
        module.register_module_module_registration_hook(counted),
        module.register_module_parameter_registration_hook(counted),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def built(told: Callable[[str], GauchoError], folder: Path | None = None) -> Iterator[None]:
    """Both of it: within bounds, and whatever goes wrong `told` in one line. `folder`: of a model on this disk, which is judged first."""
    try:
        if folder:
            check_part(folder)
    except ConfigError as error:
        raise told(str(error)) from None
    with told_in_one_line(told), within_bounds():
        yield


@contextlib.contextmanager
def told_in_one_line(told: Callable[[str], GauchoError]) -> Iterator[None]:
    """Has whatever libraries raise of files that others have written be one error of ours, `told` in words.

    Errors of ours, and want of memory, stay what they are.
    """
    import torch

    try:
        yield
    except (GauchoError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # libraries raise of everything
        raise told(first_line(error)) from None
