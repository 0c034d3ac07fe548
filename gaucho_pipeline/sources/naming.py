"""Which line of a table is which file of a folder: names as people write them, who see no suffixes and write on Windows.

A looser reading counts only where it leads from one line to one image: a line never gives its rights to one of two that it could mean.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import PurePosixPath

_OFFERED = 3


def rows_of_files(rows: Sequence[str], files: Sequence[str], images: Sequence[str], folder: str) -> dict[str, str]:
    """By file, the name that its line has in the table; both as paths from the folder, whose own name is `folder`.

    `images`: those of the files that are images. Exactly the same name goes first; then the same but for backslashes, the way to the
    folder, capitals, the folder that an image is in, and the suffix.
    """
    there = set(files)
    found = {row: row for row in rows if row in there}
    plain = partial(_inside, folder=folder)
    readings: list[tuple[Callable[[str], str], Callable[[str], str]]] = [
        (plain, str),
        (lambda row: plain(row).casefold(), str.casefold),
        (plain, _last),
        (lambda row: plain(row).casefold(), lambda name: _last(name).casefold()),
        (lambda row: plain(row).casefold(), lambda name: _bare(name).casefold()),
        (lambda row: plain(row).casefold(), lambda name: _bare(_last(name)).casefold()),
    ]
    for of_row, of_file in readings:
        meant, named = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for image in images:
            meant[of_file(image)].append(image)
        for row in set(rows) - set(found.values()):
            named[of_row(row)].append(row)
        for name, those in named.items():
            if len(those) == len(meant[name]) == 1 and meant[name][0] not in found:
                found[meant[name][0]] = those[0]
    return found


def nearest(name: str, images: Sequence[str]) -> list[str]:
    """The images whose names are most like one that is not there, as they must be written."""
    bare = defaultdict[str, list[str]](list)
    for image in images:
        bare[_bare(_last(image)).casefold()].append(image)
    near = get_close_matches(_bare(_last(_inside(name, ""))).casefold(), bare, n=_OFFERED, cutoff=0.75)
    return [image for each in near for image in bare[each]][:_OFFERED]


def _inside(name: str, folder: str) -> str:
    """A path as it is from the folder: with slashes, without the way there."""
    path = re.sub(r"/+", "/", name.replace("\\", "/"))
    path = re.sub(r"^(\./)+", "", path)
    start = f"{folder}/".casefold()
    place = f"/{path}".casefold().rfind(f"/{start}") if folder else -1
    return path[place + len(start) :] if place == 0 or (place > 0 and re.match(r"/|[A-Za-z]:/", path)) else path


def _last(name: str) -> str:
    return PurePosixPath(name).name


def _bare(name: str) -> str:
    """A path without its suffix."""
    return str(PurePosixPath(name).with_suffix("")) if PurePosixPath(name).suffix else name
