"""TIFF files of several pages, of deep samples, and those that cameras write their raw data in."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.images import tiff
from gaucho_pipeline.images.decoding import BadImage, decode, probe
from gaucho_pipeline.images.files import list_folder

LARGE = draw_subject("chimarrao", 3, side=640).crop((0, 40, 640, 600))
SMALL = LARGE.resize((160, 140))
Page = tuple[dict[int, tuple[str, Any]], bytes, list[Any]]
"""Tags with their format and values, the strip, and the pages inside it."""
THUMBNAIL: dict[int, tuple[str, Any]] = {254: ("I", [1])}


def jpeg(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.copy().save(buffer, "JPEG", quality=92, **options)  # Pillow leaves its encoder's settings on what it saves
    return buffer.getvalue()


def written(*pages: Page, order: str = "<") -> bytes:
    """A TIFF file of some pages."""
    content, following = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4)), 0
    for page in reversed(pages):
        following = _write(content, page, following, order)
    content[4:8] = struct.pack(order + "I", following)
    return bytes(content)


def _write(content: bytearray, page: Page, following: int, order: str) -> int:
    tags, strip, inside = page
    tags = dict(tags)
    if inside:
        tags[330] = ("I", [_write(content, each, 0, order) for each in inside])
    if 513 in tags:
        tags |= {513: ("I", [len(content)]), 514: ("I", [len(strip)])}
    else:
        tags |= {273: ("I", [len(content)]), 279: ("I", [len(strip)])}
    content += strip + bytes(len(strip) % 2)
    table = b""
    for tag, (form, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{form}", *values)
        if len(packed) > 4:
            place = len(content)
            content += packed + bytes(len(packed) % 2)
            packed = struct.pack(order + "I", place)
        table += struct.pack(order + "HHI", tag, {"B": 1, "H": 3, "I": 4}[form], len(values)) + packed.ljust(4, b"\0")
    place = len(content)
    content += struct.pack(order + "H", len(tags)) + table + struct.pack(order + "I", following)
    return place


def plain(values: np.ndarray, photometric: int, sample_format: int = 1, **more: tuple[str, Any]) -> Page:
    """An uncompressed page of (height, width) or (height, width, samples)."""
    height, width, samples = (*values.shape, 1)[:3]
    tags: dict[int, tuple[str, Any]] = {
        256: ("I", [width]), 257: ("I", [height]), 258: ("H", [values.itemsize * 8] * samples), 259: ("H", [1]), 262: ("H", [photometric]),
        277: ("H", [samples]), 278: ("I", [height]), 339: ("H", [sample_format] * samples),
    }  # fmt: skip
    return tags, values.tobytes(), []


def rgb(picture: Image.Image, tags: dict[int, tuple[str, Any]], inside: list[Page]) -> Page:
    own, strip, _ = plain(np.asarray(picture), 2)
    return own | tags, strip, inside


def preview(picture: Image.Image, **options: Any) -> Page:
    """A JPEG in a strip, as DNG has it."""
    own, _, _ = plain(np.asarray(picture), 6)
    return own | THUMBNAIL | {259: ("H", [7])}, jpeg(picture, **options), []


def raw(photometric: int = 32803, compression: int = 1) -> Page:
    own, strip, _ = plain(np.random.default_rng(1).integers(0, 4095, (700, 800), np.uint16), photometric)
    return own | {259: ("H", [compression])}, strip, []


NIKON_PREVIEW: Page = ({513: ("I", [0]), 259: ("H", [6])}, jpeg(LARGE), [])
RAW = {
    "NEF": written(rgb(SMALL, THUMBNAIL, [NIKON_PREVIEW, raw()]), order=">"),
    "DNG": written(rgb(SMALL, THUMBNAIL | {50706: ("B", [1, 4, 0, 0])}, [raw(), preview(LARGE)])),
    "DNG of linear colours": written(rgb(SMALL, THUMBNAIL | {50706: ("B", [1, 4, 0, 0])}, [raw(34892), preview(LARGE)])),
    "CR2": written(preview(LARGE), rgb(SMALL, {}, []), ({259: ("H", [6])}, b"\xff\xd8\xff\xc3\0\x0b\x0e\x10\0\x10\0\x01\0\0\0", [])),
    "ARW": written((NIKON_PREVIEW[0] | THUMBNAIL, NIKON_PREVIEW[1], [raw(compression=32767)])),
}


def unlikeness(picture: Image.Image, other: Image.Image = LARGE) -> float:
    sides = (64, 56)
    return float(np.abs(np.asarray(picture.resize(sides), float) - np.asarray(other.resize(sides), float)).mean())


@pytest.mark.parametrize("kind", RAW)
def test_of_a_cameras_raw_file_the_preview_is_read(kind: str) -> None:
    found = probe(RAW[kind], 4096)
    assert (found.width, found.height) == LARGE.size
    assert unlikeness(found.image) < 3


@pytest.mark.parametrize("inside", [[raw()], [raw(), preview(SMALL)], []])
def test_a_raw_file_with_a_small_preview_is_told_with_what_to_do(inside: list[Page]) -> None:
    with pytest.raises(BadImage, match="its preview has 160 x 140 pixels; export it as JPEG or TIFF") as caught:
        decode(written(rgb(SMALL, THUMBNAIL | {50706: ("B", [1, 4, 0, 0])}, inside)))
    assert caught.value.reason == "camera raw"
    with pytest.raises(BadImage, match="camera raw"):
        decode(written(raw()))


def test_a_preview_is_upright_as_the_file_says() -> None:
    side = LARGE.transpose(Image.Transpose.ROTATE_90)
    content = written(rgb(SMALL, THUMBNAIL | {274: ("H", [6])}, [raw(), preview(side)]))
    assert (probe(content, 4096).width, unlikeness(decode(content)) < 3) == (640, True)
    exif = Image.Exif()
    exif[0x0112] = 1
    own = written(rgb(SMALL, THUMBNAIL | {274: ("H", [6])}, [raw(), preview(LARGE, exif=exif)]))
    assert unlikeness(decode(own)) < 3


@pytest.mark.parametrize("order", [(SMALL, LARGE), (LARGE, SMALL), (SMALL, LARGE, SMALL)])
def test_of_several_pages_the_largest_is_read(order: tuple[Image.Image, ...]) -> None:
    buffer = io.BytesIO()
    order[0].save(buffer, "TIFF", save_all=True, append_images=order[1:])
    found = probe(buffer.getvalue(), 4096)
    assert ((found.width, found.height), unlikeness(found.image) < 1) == (LARGE.size, True)


def test_of_pages_of_one_size_the_first_is_read_and_no_mask() -> None:
    first, second = LARGE, Image.new("RGB", LARGE.size, "red")
    mask = rgb(Image.new("RGB", (900, 900)), {254: ("I", [4])}, [])
    assert unlikeness(decode(written(rgb(first, {}, []), rgb(second, {}, []), mask))) < 1


GREY = np.asarray(LARGE.convert("L"))
DEEP = {
    "16 bits": plain(GREY.astype(np.uint16) * 257, 1),
    "16 bits, small is light": plain(65535 - GREY.astype(np.uint16) * 257, 0),
    "12 bits, small is light": plain(4095 - GREY.astype(np.uint16) * 16, 0),
    "8 bits, small is light": plain(255 - GREY, 0),
    "floats, small is light": plain(1 - GREY.astype(np.float32) / 255, 0, 3),
    "floats": plain(np.asarray(LARGE, np.float32) / 255, 2, 3),
    "floats to 255": plain(np.asarray(LARGE, np.float32), 2, 3),
    "halves": plain((np.asarray(LARGE, np.float32) / 255).astype(np.float16), 2, 3),
    "doubles": plain(np.asarray(LARGE, np.float64) / 255, 2, 3),
    "32 bits": plain(np.asarray(LARGE, np.uint32) * 16843009, 2),
    "floats with alpha": plain(np.asarray(LARGE.convert("RGBA"), np.float32) / 255, 2, 3),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_samples_are_read_and_light_is_light(kind: str) -> None:
    picture = decode(written(DEEP[kind]))
    wanted = LARGE if DEEP[kind][0][277] != ("H", [1]) else LARGE.convert("L")
    assert (picture.size, unlikeness(picture, wanted.convert("RGB")) < 2) == (LARGE.size, True)


def test_deep_samples_of_big_endian_files_and_of_a_predictor_are_read() -> None:
    values = (np.asarray(LARGE, np.float32) / 255).astype(">f4")
    tags, strip, _ = plain(values, 2, 3)
    assert unlikeness(decode(written((tags, strip, []), order=">"))) < 1
    height, width, samples = values.shape
    by_weight = values.view(np.uint8).reshape(height, width * samples, 4).transpose(0, 2, 1).reshape(height, -1, samples)
    apart = np.diff(by_weight, axis=1, prepend=np.zeros((height, 1, samples), np.uint8))
    assert unlikeness(decode(written((tags | {317: ("H", [3])}, apart.tobytes(), [])))) < 1


@pytest.mark.parametrize(
    "content", [b"II*\0\x08\0\0\0", b"II*\0" + b"\xff" * 200, b"MM\0*\0\0\0\x08\xff\xff" + b"\0" * 40, b"II+\0" + bytes(30)]
)
def test_a_table_of_contents_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(BadImage):
        decode(content)


def test_pages_that_lead_to_one_another_end() -> None:
    content = bytearray(written(rgb(SMALL, {}, [])))
    first = struct.unpack_from("<I", content, 4)[0]
    content[-4:] = struct.pack("<I", first)
    assert decode(bytes(content)).size == SMALL.size
    assert tiff.main_picture(bytes(content)) is not None


def test_raw_files_of_other_kinds_in_a_folder_are_told_with_what_to_do(tmp_path: Path) -> None:
    for name, head in (("a.raf", b"FUJIFILMCCD-RAW 0201"), ("b.orf", b"IIRO\x08\0\0\0"), ("c.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1")):
        (tmp_path / name).write_bytes(head + bytes(300))
    assert {file.reason for file in list_folder(tmp_path)} == {
        "a camera's raw file of a kind that is not read; export it as JPEG or TIFF, in full size"
    }
