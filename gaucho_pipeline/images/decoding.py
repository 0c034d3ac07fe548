"""Bytes to an upright RGB picture, safely; and pictures to files that carry nothing of the camera or the place.

What a picture is worth is judged in `curation/`; what a model makes of it is in `training/` and `gallery/`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.images import tiff

if TYPE_CHECKING:
    import torch

MAX_PIXELS = 120_000_000
"""More pixels than this are taken for a decompression bomb."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA")
"""What Pillow reads itself; `_formats` has those that other readers add."""

MAX_SCANS = 200
"""Of a JPEG: cameras and programs write ten or fewer, and thumbnails inside some more."""
CAMERA_RAW = "camera raw"
"""The reason of what a camera's sensor saw, and has no picture beside it that is large enough."""
_RANGE = 8
"""A picture whose darkest and lightest value are nearer than this shows nothing."""
_LYING = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_OF_A_CAMERA = (ExifTags.Base.Orientation, ExifTags.Base.Make, ExifTags.Base.Model)
_STANDARD_SUM = 3693  # of the 64 values of the standard's luminance table


class BadImage(Exception):
    """Bytes that are not a usable picture; `reason` is a short name for it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail

    def __reduce__(self) -> tuple[type[BadImage], tuple[str, str]]:
        return type(self), (self.reason, self.detail)  # it comes out of child processes


@dataclass(frozen=True)
class Probed:
    """A picture, and what its file says of it: width and height in pixels as seen upright, and a JPEG's quality (1 to 100).

    `camera`: whether it says which camera took it, or which side is up.
    """

    image: Image.Image
    width: int
    height: int
    quality: int | None
    camera: bool = False


def decode(content: bytes) -> Image.Image:
    """The picture in `content`: its first frame, upright, sRGB, 8 bits, transparency over white, no metadata.

    Of a TIFF file the largest page; of a camera's raw data the preview. Raises BadImage with the reason not-an-image, too-many-pixels,
    truncated, unreadable or camera raw.
    """
    return probe(content, enough=4096).image


def decode_alpha(content: bytes) -> Image.Image | None:
    """How opaque each pixel of a picture is, upright, 8 bits, in its full size; None where all of it is opaque.

    Raises BadImage as `decode` does.
    """
    with _opened(content) as image:
        if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA", "RGBa", "La"):
            return None
        image.load()
        alpha = (ImageOps.exif_transpose(image) or image).convert("RGBA").getchannel("A")
    return None if alpha.getextrema()[0] == 255 else alpha


def probe(content: bytes, enough: int) -> Probed:
    """The picture as `decode` gives it, and what its file says.

    A JPEG may come out smaller, with sides of at least `enough` pixels, which is many times as fast. Raises BadImage as `decode` does.
    """
    with _opened(content) as image:
        width, height = image.size
        quality, is_min_white = _jpeg_quality(image), tiff.is_min_white(image)
        image.draft("RGB", (enough, enough))
        image.load()
        exif = image.getexif()
        if exif.get(ExifTags.Base.Orientation) in _LYING:
            width, height = height, width
        return Probed(
            _to_srgb(ImageOps.exif_transpose(image), is_min_white), width, height, quality, any(exif.get(tag) for tag in _OF_A_CAMERA)
        )


def scans_of(content: bytes) -> int:
    """How often a JPEG would be gone through to be decoded: a progressive one of a few megabytes may ask for thousands."""
    return content.count(b"\xff\xda") if content.startswith(b"\xff\xd8\xff") else 0


@contextlib.contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """A picture that is not too large, not decoded yet; whatever a reader raises within the block becomes a BadImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow warns of (odd metadata) is not the pixels
            main = tiff.main_picture(content) if tiff.is_tiff(content) else None
            if main and main.is_preview and min(main.width, main.height) < tiff.MIN_PREVIEW:
                raise BadImage(CAMERA_RAW, f"its preview has {main.width} x {main.height} pixels; export it as JPEG or TIFF, in full size")
            with _open(main.content if main else content, main) as image:
                yield image
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage("not-an-image", "no known image format") from None
    except (Image.DecompressionBombError, MemoryError) as error:
        raise BadImage("too-many-pixels", str(error) or "it needs more memory than one image may have") from None
    except Exception as error:  # Pillow raises eleven kinds on broken files, SyntaxError and struct.error among them
        reason = "truncated" if "truncated" in str(error).lower() else "unreadable"
        raise BadImage(reason, f"{type(error).__name__}: {error}"[:200]) from None


@contextlib.contextmanager
def _open(content: bytes, main: tiff.MainPicture | None) -> Iterator[Image.Image]:
    """A picture that is not too large; `main`: what is known of it, where it is one of several in a TIFF file."""
    if main and main.width * main.height > MAX_PIXELS:
        raise BadImage("too-many-pixels", f"{main.width} x {main.height}")
    deep = tiff.deep_colours(main) if main else None
    with deep or Image.open(io.BytesIO(content), formats=_formats()) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise BadImage("too-many-pixels", f"{width} x {height}")
        if (scans := scans_of(content)) > MAX_SCANS:
            raise BadImage("unreadable", f"a JPEG of {scans} scans, each of which is decoded whole")
        if main and ExifTags.Base.Orientation not in image.getexif():
            image.getexif()[ExifTags.Base.Orientation] = main.orientation
        yield image


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """The formats that are read: Pillow's own, HEIF, and JPEG XL where its reader is installed."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    if find_spec("pillow_jxl") is None:
        return (*FORMATS, "HEIF")
    import pillow_jxl  # noqa: F401 - it registers itself

    return (*FORMATS, "HEIF", "JXL")


def _jpeg_quality(image: Image.Image) -> int | None:
    """The quality that a JPEG was last saved with, from its luminance table, as libjpeg scales it; None for another format."""
    table = getattr(image, "quantization", {}).get(0)
    if not table:
        return None
    scale = 100 * sum(table) / _STANDARD_SUM  # per cent of the standard's own table (ITU-T T.81, K.1)
    return max(1, min(100, round(5000 / scale if scale > 100 else (200 - scale) / 2)))


def _to_srgb(image: Image.Image, is_min_white: bool = False) -> Image.Image:
    profile, hidden = image.info.get("icc_profile"), image.info.get("transparency")
    if image.mode.startswith(("I", "F")):
        mask = np.asarray(image) == hidden if isinstance(hidden, int) else None
        image = _to_eight_bits(image)
        image = ImageOps.invert(image) if is_min_white else image
        if mask is not None:
            image.paste(255, mask=Image.fromarray(mask.astype(np.uint8) * 255))
    elif image.mode == "P":
        image = image.convert("RGBA" if hidden is not None else "RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.new("RGB", rgba.size, (255, 255, 255))
        image.paste(rgba, mask=rgba.getchannel("A"))
    if profile and image.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            image = converted if converted is not None else image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile: its colours are taken as sRGB
    image = image.convert("RGB")
    clean = Image.new("RGB", image.size)
    clean.paste(image)
    return clean


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit and floating-point greyscale as 8 bits, by their range: 65535, 4095 (12 bits), 1 (a little more is light) or 255."""
    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0.0, neginf=0.0)
    highest = float(values.max(initial=0.0))
    if image.mode == "F":
        factor = 255.0 if highest <= 2 else 1 / 257 if highest > 255 else 1.0
    elif image.mode.startswith("I;16"):
        factor = 1 / 16.06 if 255 < highest <= 4095 else 1 / 257
    else:
        factor = 1 / 257 if highest > 255 else 1.0
    return Image.fromarray(np.clip(values * factor, 0, 255).round().astype(np.uint8))


def read_image(path: Path) -> Image.Image:
    """An image file as `decode` gives it. Raises GauchoError, with its name, if it cannot be read."""
    try:
        return decode(path.read_bytes())
    except (OSError, BadImage) as error:
        raise GauchoError(_("{path}: cannot be read: {error}", path=path, error=error)) from None


def fit(image: Image.Image, longest: int) -> Image.Image:
    """The picture with its longest side at most `longest` pixels."""
    if max(image.size) <= longest:
        return image
    scale = longest / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS)


def square(image: Image.Image, side: int) -> Image.Image:
    """The middle of the picture as a square of `side` pixels."""
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def png_bytes(image: Image.Image) -> bytes:
    """The picture as a PNG without metadata; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def jpeg_bytes(image: Image.Image, quality: int) -> bytes:
    """The picture as a JPEG without metadata, for people to look at."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def shows_nothing(picture: Image.Image) -> bool:
    """Whether nothing is to be seen: every value nearly the same, black or not, as a model in trouble draws, or one that met no number."""
    values = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    return int((values.max(axis=0).astype(int) - values.min(axis=0).astype(int)).max()) < _RANGE


def jpeg_within(image: Image.Image, most: int, comment: str) -> bytes:
    """The picture as a JPEG of at most so many bytes: first the quality gives way, then the size."""
    image = fit(image, 16_000)  # a JPEG has at most 65,535 on a side
    while True:
        for quality in (88, 80, 70, 60):
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, comment=comment.encode())
            if buffer.tell() <= most:
                return buffer.getvalue()
        image = image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS)


def pixels_digest(image: Image.Image) -> str:
    """The SHA-256 of what is seen, whatever file it is in."""
    return hashlib.sha256(f"{image.size}".encode() + image.convert("RGB").tobytes()).hexdigest()


def to_tensor(image: Image.Image) -> torch.Tensor:
    """An RGB picture as float32, (3, height, width), from -1 to 1."""
    import torch

    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(image.height, image.width, 3)
    return pixels.permute(2, 0, 1).float() / 127.5 - 1
