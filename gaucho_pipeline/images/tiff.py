"""The picture that a TIFF file is about, where it holds several: the largest page, and a camera's preview of its raw data.

Camera raw (NEF, DNG, CR2, ARW) is TIFF inside: a small thumbnail first, and the raw data, which is no picture yet, beside a preview. Only
the table of contents is read here, and written anew so that Pillow finds the right page; samples that Pillow knows no mode for (32-bit
floating-point colour) are unpacked as bytes by it, and are put together here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

_MAX_PAGES, _MAX_TAGS, _MAX_VALUES = 200, 4096, 65_536
_FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q", 18: "Q"}
_KIND, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _ORIENTATION = 254, 256, 257, 258, 259, 262, 273, 274
_SAMPLES, _COUNTS, _PLANAR, _PREDICTOR, _TILE_WIDTH, _SUB_IFDS, _EXTRA, _SAMPLE_FORMAT = 277, 279, 284, 317, 322, 330, 338, 339
_JPEG_OFFSET, _JPEG_LENGTH, _DNG = 513, 514, 50706
_RAW_DATA = (32803, 34892)
"""Photometric interpretations of what a sensor saw: a colour filter array, and the same as linear colours."""
_RAW_COMPRESSIONS = (32767, 32769, 34713, 65000, 65535)
"""Of Sony, Epson, Nikon, Kodak and Pentax."""
_MASKS = 4
MIN_PREVIEW = 512
"""Shorter side, in pixels, of a preview that is worth to stand for a camera's raw data."""


@dataclass(frozen=True)
class Page:
    """A page: where its table is, and what that says."""

    offset: int
    tags: dict[int, tuple[int, ...]]

    def get(self, tag: int, default: int = 0) -> int:
        return (self.tags.get(tag) or (default,))[0]

    @property
    def is_raw(self) -> bool:
        return self.get(_PHOTOMETRIC) in _RAW_DATA or self.get(_COMPRESSION) in _RAW_COMPRESSIONS


@dataclass(frozen=True)
class MainPicture:
    """What stands for a file: bytes that Pillow reads, its size, and the orientation that the file gives it."""

    content: bytes
    width: int
    height: int
    orientation: int
    is_preview: bool
    """Whether there is raw data beside it."""
    page: Page | None = None
    """None for a JPEG inside."""


def is_tiff(content: bytes) -> bool:
    return content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def main_picture(content: bytes) -> MainPicture | None:
    """The largest picture in a TIFF file; None where its table of contents cannot be read, or names none."""
    try:
        pages = list(_pages(content))
    except (struct.error, IndexError, OverflowError):
        return None
    orientation = pages[0].get(_ORIENTATION, 1) if pages else 1
    is_raw = any(page.is_raw or _DNG in page.tags or _is_lossless(content, page) for page in pages)
    found = [picture for page in pages if (picture := _picture(content, page, orientation, is_raw))]
    none = MainPicture(b"", 0, 0, orientation, is_raw) if is_raw else None
    return max(found, key=lambda picture: picture.width * picture.height, default=none)  # the first of those that are as large


def _pages(content: bytes) -> Iterator[Page]:
    """All tables of contents, each followed by those inside it."""
    order = "<" if content[:2] == b"II" else ">"
    is_big = content[2:4] in (b"+\0", b"\0+")
    todo, seen = [struct.unpack_from(order + ("Q" if is_big else "I"), content, 8 if is_big else 4)[0]], set[int]()
    while todo and len(seen) < _MAX_PAGES:
        offset = todo.pop(0)
        if not 8 <= offset < len(content) or offset in seen:
            continue
        seen.add(offset)
        page, following = _read(content, offset, order, is_big)
        todo = [*page.tags.get(_SUB_IFDS, ()), following, *todo]
        yield page


def _read(content: bytes, offset: int, order: str, is_big: bool) -> tuple[Page, int]:
    """One table, and where the next one is."""
    head, entry, number = ("Q", 20, "Q") if is_big else ("H", 12, "I")
    (count,) = struct.unpack_from(order + head, content, offset)
    start, tags = offset + struct.calcsize(order + head), dict[int, tuple[int, ...]]()
    count = min(count, _MAX_TAGS)
    for place in range(start, start + count * entry, entry):
        tag, kind, values = struct.unpack_from(order + "HH" + number, content, place)
        letter, at = _FORMATS.get(kind), place + 4 + struct.calcsize(order + number)
        if letter is None or values > _MAX_VALUES:
            continue
        form = f"{order}{values}{letter}"
        if struct.calcsize(form) > struct.calcsize(order + number):
            (at,) = struct.unpack_from(order + number, content, at)
        tags[tag] = struct.unpack_from(form, content, at)
    (following,) = struct.unpack_from(order + number, content, start + count * entry)
    return Page(offset, tags), following


def _picture(content: bytes, page: Page, orientation: int, is_raw: bool) -> MainPicture | None:
    """What a page shows; None for raw data, a mask, or a JPEG that no program of pictures reads."""
    if page.get(_KIND) & _MASKS or page.get(_PHOTOMETRIC) == _MASKS or page.is_raw:
        return None
    own = page.get(_ORIENTATION, orientation)
    for jpeg in _jpegs(content, page):
        size = jpeg_size(jpeg)
        return MainPicture(jpeg, *size, own, is_raw) if size else None
    width, height = page.get(_WIDTH), page.get(_HEIGHT)
    if not width or not height:
        return None
    return MainPicture(_beginning_with(content, page.offset), width, height, own, is_raw, page)


def _jpegs(content: bytes, page: Page) -> Iterator[bytes]:
    """The whole JPEG that a page is, if it is one."""
    places = [(page.get(_JPEG_OFFSET), page.get(_JPEG_LENGTH))]
    if page.get(_COMPRESSION) in (6, 7) and len(page.tags.get(_OFFSETS, ())) == 1 and 347 not in page.tags:  # 347: tables kept apart
        places.append((page.get(_OFFSETS), page.get(_COUNTS)))
    for offset, length in places:
        if offset and content[offset : offset + 3] == b"\xff\xd8\xff":
            yield content[offset : offset + length]


def _is_lossless(content: bytes, page: Page) -> bool:
    """Whether a page is a JPEG of a kind that cameras write raw data in."""
    return any(jpeg_size(jpeg) is None for jpeg in _jpegs(content, page))


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG of the usual kinds; None for another one, such as lossless."""
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        kind, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", content, place + 5)
            return (width, height) if kind in (0xC0, 0xC1, 0xC2) else None
        place += 1 if kind == 0xFF else 2 + length
    return None


def _beginning_with(content: bytes, offset: int) -> bytes:
    """The file with another page as its first one."""
    order = "<" if content[:2] == b"II" else ">"
    if content[2:4] in (b"+\0", b"\0+"):
        return content[:8] + struct.pack(order + "Q", offset) + content[16:]
    first: int = struct.unpack_from(order + "I", content, 4)[0]
    return content if first == offset else content[:4] + struct.pack(order + "I", offset) + content[8:]


def is_min_white(image: Image.Image) -> bool:
    """Whether small numbers are light in an opened TIFF of more than 8 bits; of 8 bits Pillow turns them round itself."""
    return image.format == "TIFF" and image.mode.startswith(("I", "F")) and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0


def deep_colours(picture: MainPicture) -> Image.Image | None:
    """A colour picture of 32-bit, or floating-point, samples, in 8 bits; None for one of another kind, or split into planes or tiles."""
    page = picture.page
    if page is None or picture.content[2:4] not in (b"*\0", b"\0*"):
        return None
    bits, samples, form = page.get(_BITS, 1), page.get(_SAMPLES, 1), page.get(_SAMPLE_FORMAT, 1)
    kind = {(3, 16): "f2", (3, 32): "f4", (3, 64): "f8", (1, 32): "u4"}.get((form, bits))
    if kind is None or samples not in (3, 4) or page.get(_PHOTOMETRIC) != 2 or page.get(_PLANAR, 1) != 1 or _TILE_WIDTH in page.tags:
        return None
    order = "<" if picture.content[:2] == b"II" else ">"
    row = picture.width * samples * bits // 8
    with Image.open(io.BytesIO(_as_bytes(picture.content, page, row, order)), formats=("TIFF",)) as image:
        rows = np.asarray(image.convert("L")).reshape(picture.height, row)
    predictor = page.get(_PREDICTOR, 1)
    if predictor == 3:  # bytes of a row by their weight, each the difference to the one before it
        added = np.cumsum(rows.reshape(picture.height, -1, samples), axis=1, dtype=np.uint8).reshape(picture.height, bits // 8, -1)
        values = np.ascontiguousarray(added.transpose(0, 2, 1)).view(">" + kind)
    else:
        values = np.ascontiguousarray(rows).view(order + kind)
    values = values.reshape(picture.height, picture.width, samples)
    if predictor == 2:
        values = np.cumsum(values, axis=1, dtype=values.dtype)
    return Image.fromarray(eight_bits(values[..., :3], 2**32 - 1 if form == 1 else None))


def _as_bytes(content: bytes, page: Page, row: int, order: str) -> bytes:
    """The file with a first page that says: these are grey bytes, so many in a row."""
    changed = {_WIDTH: row, _BITS: 8, _SAMPLES: 1, _PHOTOMETRIC: 1, _SAMPLE_FORMAT: 1, _PREDICTOR: 1}
    kept = {tag: values for tag, values in page.tags.items() if tag in (_HEIGHT, _COMPRESSION, _OFFSETS, _COUNTS, 278)}
    tags = sorted((kept | {tag: (value,) for tag, value in changed.items()}).items())
    start = len(content) + len(content) % 2
    table, further = struct.pack(order + "H", len(tags)), b""
    after = start + 2 + 12 * len(tags) + 4
    for tag, values in tags:
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            packed, further = struct.pack(order + "I", after + len(further)), further + packed
        table += struct.pack(order + "HHI", tag, 4, len(values)) + packed
    whole = content + b"\0" * (start - len(content)) + table + b"\0\0\0\0" + further
    return whole[:4] + struct.pack(order + "I", start) + whole[8:]


def eight_bits(values: np.ndarray, white: float | None = None) -> np.ndarray:
    """Samples as bytes, by their range where it is not said: 1 (a little more is light), 255, 65535."""
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    highest = float(numbers.max(initial=0.0))
    factor = 255 / white if white else 255.0 if highest <= 2 else 1 / 257 if highest > 255 else 1.0
    return np.clip(numbers * factor, 0, 255).round().astype(np.uint8)
