"""Which files are images, by their first bytes and whatever they are called; and what is in a folder.

Nothing is decoded here (`decoding.py`), and nothing heavy is imported: versions hash folders.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.digests import digest, file_digest

_HEAD = 256
MAX_FILES = 200_000
_MAX_DEPTH = 100
_SYSTEM = (Path("/proc"), Path("/sys"), Path("/dev"))
"""What looks like folders of files and is the system itself: reading it may never end."""
_MAGIC = (
    b"\xff\xd8\xff",  # JPEG, JFIF, MPO
    b"\x89PNG",
    b"GIF8",
    b"BM",
    b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",  # TIFF and BigTIFF
    b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51",  # JPEG 2000: file and codestream
    b"\0\0\0\x0cJXL ", b"\xff\x0a",  # JPEG XL: file and codestream
    *(b"P%d%c" % (kind, space) for kind in range(1, 7) for space in b" \t\r\n"),  # Netpbm
)  # fmt: skip
_PROGRAMS_FOLDERS = frozenset({
    "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found",  # Windows, Linux
    "__macosx", "network trash folder", "temporary items",  # macOS
    "@eadir", "@recycle", "#recycle", "@snapshot", "#snapshot", "@recently-snapshot", "@sharebin", "@tmp",  # network drives
    "files_trashbin", "files_versions", "captureone",  # Nextcloud, Capture One
    "thumbs", "_thumbs", "thumbnails", "_thumbnails", "xnviewthumbs",  # small copies that programs keep
})  # fmt: skip
"""Folders, in small letters, in which systems and programs keep what people threw away, or copies of their own."""
_CATALOGUES = (".lrdata", ".lrlibrary", ".photoslibrary", ".photolibrary", ".aplibrary", ".migratedphotolibrary", ".cocatalogdb")
"""How folders end that are a program's library of photographs: what was deleted, edited and made small is in them, too."""
IN_HIDDEN_FOLDER = _("in a hidden folder")
_RAW = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM", b"FOVb")
"""Fujifilm, Olympus, Panasonic, Minolta, Sigma; raw data of Nikon, Canon, Sony and Adobe are TIFF inside, and have a preview."""
_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""Of ISO base media files that hold pictures (ISO/IEC 23008-12, 10; AVIF 1.1, 8)."""


def is_image(content: bytes) -> bool:
    """Whether bytes begin as an image of a kind that is read here does; 256 of them are enough."""
    if content[4:8] == b"ftyp":
        length = min(int.from_bytes(content[:4], "big"), _HEAD)
        brands = {content[8:12], *(content[place : place + 4] for place in range(16, length - 3, 4))}
        return bool(brands & _BRANDS)
    return content.startswith(_MAGIC) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")


@dataclass(frozen=True)
class Found:
    """A file of a folder. `name` is its path from there, in NFC, with what cannot be shown written as an escape."""

    path: Path
    name: str
    reason: str
    """Why it is no image that may be taken; empty for one that may."""


def list_folder(folder: Path) -> list[Found]:
    """Everything below a folder, by name; links that lead out of it are not followed, nor those to folders.

    Raises ConfigError for a folder of the system's own, and for one that holds more than MAX_FILES.
    """
    inside, found, taken = folder.resolve(), list[Found](), set[str]()
    if any(inside == system or inside.is_relative_to(system) for system in _SYSTEM):
        raise ConfigError(_("{folder}: is a folder of the system's own, which holds no photographs", folder=folder))
    everything = list(islice(_everything(folder), MAX_FILES + 1))
    if len(everything) > MAX_FILES:
        raise ConfigError(
            _("{folder}: holds more than {most} files; name the folder that has the photographs", folder=folder, most=MAX_FILES)
        )
    for path in sorted(everything):
        raw = path.relative_to(folder).as_posix()
        bare = name = _shown(raw)
        while name in taken:  # two names that differ in their Unicode form alone, say
            name = f"{bare} ({sum(each.startswith(bare) for each in taken) + 1})"
        taken.add(name)
        found.append(Found(path, name, _why_not(path, raw, inside)))
    return found


def images_of(folder: Path) -> list[Found]:
    """The images below a folder, by name."""
    return [file for file in list_folder(folder) if not file.reason]


def images_digest(folder: Path) -> str:
    """One hash for all images below a folder: their names and their bytes, not their times. What is no image is not read."""
    return digest([[file.name, file_digest(file.path)] for file in images_of(folder)])


def _everything(folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []
    most = len(folder.parts) + _MAX_DEPTH
    for parent, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(Path(str(error.filename)))):
        if len(Path(parent).parts) >= most:  # nobody's, and more than can be walked: told as what cannot be read
            yield from (Path(parent, name) for name in folders)
            folders.clear()
        yield from (Path(parent, name) for name in files)
        yield from (Path(parent, name) for name in folders if Path(parent, name).is_symlink())
    yield from (path for path in unreadable if path != folder)


def _shown(raw: str) -> str:
    """A name as it can be written anywhere: in NFC; bytes that are no UTF-8, and control characters, as escapes."""
    text = unicodedata.normalize("NFC", os.fsencode(raw).decode("utf-8", "backslashreplace"))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_hidden_folder(name: str) -> bool:
    """Whether a folder is not a person's own: hidden, a system's bin, a program's small copies."""
    bare = unicodedata.normalize("NFC", name).casefold()
    is_found = bare.startswith("found.") and bare[6:].isdigit()  # what Windows saves of a damaged disk
    return bare.startswith(".") or bare in _PROGRAMS_FOLDERS or is_found or bare.endswith(_CATALOGUES)


def _why_not(path: Path, raw: str, inside: Path) -> str:
    *folders, last = raw.split("/")
    if any(_is_hidden_folder(name) for name in folders):
        return IN_HIDDEN_FOLDER
    try:
        leads = path.resolve()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError):  # links that lead to one another
        return _("a link leads nowhere")
    if not leads.is_relative_to(inside):
        return _("a link leads out of the folder")
    if is_folder:
        if path.is_symlink():
            return _("a link to a folder is not followed")
        return IN_HIDDEN_FOLDER if _is_hidden_folder(last) else _("cannot be read")
    if not is_file:
        return _("no file")
    try:
        raw.encode()
    except UnicodeEncodeError:
        return _("its name is not UTF-8; rename it")
    if last.startswith("."):
        return _("a hidden file")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return _("cannot be read")
    if head.startswith(_RAW) or head[4:12] == b"ftypcrx ":
        return _("a camera's raw file of a kind that is not read; export it as JPEG or TIFF, in full size")
    return "" if is_image(head) else _("not an image") if head else _("empty")
