"""Building parts of models from what others have written: no more layers than a model has, and one line for whatever goes wrong.

Light to import: torch is imported where it is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import count

from gaucho_pipeline.errors import ConfigError, GauchoError, _, first_line

_MOST = 50_000
"""Of the modules and weights that one part registers: several times those of the largest model that is taught."""


@contextlib.contextmanager
def within_bounds() -> Iterator[None]:
    """Within it a part is built; raises ConfigError as soon as its configuration asks for more layers than any model has."""
    from torch.nn.modules import module

    numbers = count(1)

    def counted(*_unused: object) -> None:
        if next(numbers) > _MOST:
            raise ConfigError(_("its configuration asks for more than {most:,} layers, which no model has", most=_MOST))

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
def built(told: Callable[[str], GauchoError]) -> Iterator[None]:
    """Both of it: within bounds, and whatever goes wrong `told` in one line."""
    with told_in_one_line(told), within_bounds():
        yield


@contextlib.contextmanager
def told_in_one_line(told: Callable[[str], GauchoError]) -> Iterator[None]:
    """Has whatever libraries raise of files that others have written be one error of ours, `told` in words; want of memory stays that."""
    import torch

    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # libraries raise of everything
        raise told(first_line(error)) from None
