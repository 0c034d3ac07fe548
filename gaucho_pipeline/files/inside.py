"""What is in a folder that others have made, looked at before any of it is read: regular files, and nothing that leads out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _

_MAX_DEPTH = 50
_MAX_FILES = 100_000


def files_inside(folder: Path) -> dict[str, Path]:
    """The files below a folder by their paths in it, each as the regular file that holds its bytes; none of a folder that is not there.

    Raises ConfigError as `file_inside` does, and for more or deeper folders than anybody makes.
    """
    found = dict[str, Path]()
    for path in _below(folder, 0) if folder.is_dir() else ():
        if file := file_inside(folder, path):
            found[path.relative_to(folder).as_posix()] = file
        if len(found) > _MAX_FILES:
            raise ConfigError(_("{folder} holds more than {most:,} files; name the folder that is meant", folder=folder, most=_MAX_FILES))
    return found


def file_inside(folder: Path, path: Path) -> Path | None:
    """The regular file that holds the bytes of what is in a folder; None if nothing is there, or a link leads nowhere.

    A link may lead to a file of the same folder, or to one of a hub's cache, as `hf download` makes them. Raises ConfigError for one that
    leads elsewhere, or to a folder, and for a pipe, a device or a socket.
    """
    try:
        real, root = path.resolve(strict=True), folder.resolve()
        kind = real.stat().st_mode
    except (OSError, RuntimeError):  # also links that lead to one another
        return None
    if not (real.is_relative_to(root) or _is_cached(real, root)):
        raise ConfigError(_("{file} is a link that leads out of {folder}; put what is meant there itself", file=path, folder=folder))
    if not stat.S_ISREG(kind):
        raise ConfigError(_("{file} leads nowhere: it is no regular file; fetch it again, or remove it", file=path))
    return real


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Everything below a folder but folders; links are not followed."""
    if depth > _MAX_DEPTH:
        raise ConfigError(_("{folder} lies more than {most} folders deep; remove it", folder=folder.parents[depth - 2], most=_MAX_DEPTH))
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _below(folder / entry.name, depth + 1)
            else:
                yield folder / entry.name


def _is_cached(file: Path, root: Path) -> bool:
    """Whether a file is one that a hub's cache keeps: the cache that the folder is in, or the person's own.

    https://huggingface.co/docs/huggingface_hub/guides/manage-cache: `models--owner--name/blobs/` beside `snapshots/<commit>/`.
    """
    if file.parent.name != "blobs":
        return False
    if root.parent.name == "snapshots" and file.parents[1] == root.parents[1]:
        return True
    from huggingface_hub.constants import HF_HUB_CACHE

    return file.parents[1].name.startswith("models--") and file.parents[2] == Path(HF_HUB_CACHE).expanduser().resolve()
