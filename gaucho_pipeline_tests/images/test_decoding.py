"""Bytes to pictures: what must come out right, and what must be refused by name."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from gaucho_pipeline.images.decoding import BadImage, decode, fit, png_bytes, probe, square


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_every_orientation_comes_out_upright(real: Path) -> None:
    folder = real / "bad" / "exif-orientation"
    files = sorted(folder.rglob("Landscape_*.jpg"))
    assert len(files) >= 8
    upright = np.asarray(decode(files[1].read_bytes()).resize((60, 40)), float)
    for file in files:
        picture = decode(file.read_bytes())
        assert picture.width > picture.height
        assert np.abs(np.asarray(picture.resize((60, 40)), float) - upright).mean() < 12, file.name


def test_metadata_of_the_camera_and_the_place_is_gone() -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    content = encoded(Image.new("RGB", (8, 8), "red"), "JPEG", exif=exif)
    assert b"A camera" in content
    assert b"A camera" not in png_bytes(decode(content))
    assert not decode(content).info


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_becomes_eight_bit_rgb(mode: str) -> None:
    source = Image.new("L", (4, 4), 255).convert(mode) if mode != "I;16" else Image.fromarray(np.full((4, 4), 65535, np.uint16))
    kind = "TIFF" if mode in ("CMYK", "I;16", "F") else "PNG"
    picture = decode(encoded(source, kind))
    assert picture.mode == "RGB"
    assert min(picture.getpixel((1, 1))) >= 250


def test_transparency_lies_over_white() -> None:
    assert decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG")).getpixel((1, 1)) == (255, 255, 255)


def test_a_picture_cut_off_in_the_middle_is_refused_by_name() -> None:
    content = encoded(Image.effect_noise((200, 200), 60), "PNG")
    with pytest.raises(BadImage) as caught:
        decode(content[: len(content) // 2])
    assert caught.value.reason in ("truncated", "unreadable")


def test_a_page_is_no_image() -> None:
    with pytest.raises(BadImage) as caught:
        decode(b"<html>not found</html>")
    assert caught.value.reason == "not-an-image"


def test_a_bomb_is_refused_before_it_is_opened() -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(BadImage) as caught:
        decode(bomb)
    assert caught.value.reason == "too-many-pixels"


def test_every_broken_file_is_decoded_or_refused_and_none_stops_the_rest(real: Path) -> None:
    ends: Counter[str] = Counter()
    files = [p for p in sorted((real / "bad").rglob("*")) if p.is_file()]
    for file in files:
        try:
            picture = decode(file.read_bytes())
            assert picture.mode == "RGB"
            ends["decoded"] += 1
        except BadImage as error:
            ends[error.reason] += 1
    assert sum(ends.values()) == len(files)
    assert ends["decoded"] > 200
    assert set(ends) <= {"decoded", "not-an-image", "too-many-pixels", "truncated", "unreadable"}


def test_a_large_picture_is_made_to_fit_and_a_small_one_is_left() -> None:
    assert fit(Image.new("RGB", (400, 100)), 200).size == (200, 50)
    assert fit(Image.new("RGB", (40, 10)), 200).size == (40, 10)
    assert square(Image.new("RGB", (40, 10)), 16).size == (16, 16)


def test_the_sizes_that_a_file_tells_are_those_of_the_upright_picture(real: Path) -> None:
    files = sorted((real / "bad" / "exif-orientation").rglob("Landscape_*.jpg"))
    assert all(probe(file.read_bytes(), 4096).width > probe(file.read_bytes(), 4096).height for file in files)


def test_a_bomb_below_pillows_own_limit_is_refused() -> None:
    with pytest.raises(BadImage) as caught:
        decode(encoded(Image.new("1", (11_500, 11_500)), "PNG"))
    assert caught.value.reason == "too-many-pixels"
    assert caught.value.detail == "11500 x 11500"


def test_colours_are_those_of_the_profile() -> None:
    """A profile of a space whose red and blue are exchanged: what its numbers call red is blue."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = srgb.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    picture = Image.new("RGB", (8, 8), (200, 40, 40))
    assert decode(encoded(picture, "PNG", icc_profile=srgb)).getpixel((1, 1)) == pytest.approx((200, 40, 40), abs=2)
    red, _, blue = decode(encoded(picture, "PNG", icc_profile=exchanged)).getpixel((1, 1))  # type: ignore[misc]
    assert blue > red + 80
