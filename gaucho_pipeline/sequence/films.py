"""Frames to files that play, and to strips that do not: WebP, GIF, MP4 and filmstrips. Each says that it was generated, and from what.

The MP4 needs the extra `video`, whose encoder is kept by others (imageio-ffmpeg).
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from gaucho_pipeline.design.web import fitting, font
from gaucho_pipeline.provenance.facts import Facts
from gaucho_pipeline.provenance.labels import SENTENCE, XMP_BOX, xmp_of

HOW_TO_GET_MP4 = "no MP4: it needs the extra: pip install 'gaucho-pipeline[video]'; then run again with --select sample_sequence --force"
_CELL, _GAP, _LINE, _IN_A_ROW = 128, 4, 20, 8
_QUALITY = 88


def animated_webp(frames: Sequence[Image.Image], frames_per_second: float, facts: Facts) -> bytes:
    """The frames as a WebP that plays for ever."""
    buffer = BytesIO()
    keys = {"duration": round(1000 / frames_per_second), "loop": 0, "quality": _QUALITY, "xmp": xmp_of(facts, with_facts=True).encode()}
    frames[0].save(buffer, "WEBP", save_all=True, append_images=list(frames[1:]), **keys)
    return buffer.getvalue()


def animated_gif(frames: Sequence[Image.Image], frames_per_second: float, facts: Facts) -> bytes:
    """The frames as a GIF that plays for ever, in 256 colours each. A GIF counts in hundredths of a second."""
    buffer = BytesIO()
    keys = {"duration": max(20, round(100 / frames_per_second) * 10), "loop": 0, "comment": SENTENCE.encode()}
    frames[0].save(buffer, "GIF", save_all=True, append_images=list(frames[1:]), **keys)
    return _with_xmp(buffer.getvalue(), xmp_of(facts, with_facts=True).encode())


def _with_xmp(gif: bytes, xmp: bytes) -> bytes:
    """A GIF with XMP in an application extension, behind its header (XMP specification part 3, 1.1.2).

    The trailer counts down, so that readers who know nothing of it find their way out whichever byte they take for a length.
    """
    has_table, size = gif[10] & 0x80, gif[10] & 0x07
    start = 13 + (3 * 2 ** (size + 1) if has_table else 0)
    trailer = bytes([1, *range(255, -1, -1), 0])
    return gif[:start] + b"\x21\xff\x0bXMP DataXMP" + xmp + trailer + gif[start:]


def has_mp4() -> bool:
    """Whether an encoder is there, and runs here."""
    if find_spec("imageio_ffmpeg") is None:
        return False
    import imageio_ffmpeg

    try:
        return bool(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return False


def mp4(frames: Sequence[Image.Image], frames_per_second: float, facts: Facts) -> bytes:
    """The frames as an MP4 (H.264, sides made even), with XMP in a box of its own behind the film."""
    import imageio_ffmpeg

    width, height = (side + side % 2 for side in frames[0].size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        keys = {"fps": frames_per_second, "codec": "libx264", "macro_block_size": 1, "quality": None, "ffmpeg_log_level": "error"}
        params = ["-crf", "16", "-pix_fmt", "yuv420p", "-metadata", f"comment={SENTENCE}", "-movflags", "+faststart"]
        writer = imageio_ffmpeg.write_frames(str(path), (width, height), output_params=params, **keys)
        writer.send(None)
        for frame in frames:
            writer.send(frame.convert("RGB").resize((width, height)).tobytes())
        writer.close()
        content = path.read_bytes()
    xmp = xmp_of(facts, with_facts=True).encode()
    return content + struct.pack(">I4s", 24 + len(xmp), b"uuid") + XMP_BOX + xmp


def filmstrip(title: str, frames: Sequence[Image.Image], captions: Mapping[int, str], note: str = "") -> Image.Image:
    """All frames in rows, with what each beat is above the frame that begins it. `captions`: by frame."""
    across = min(_IN_A_ROW, len(frames))
    rows = -(-len(frames) // across)
    cell_height = round(_CELL * frames[0].height / frames[0].width)
    width, height = across * (_CELL + _GAP) + _GAP, 2 * _LINE + rows * (cell_height + _LINE + _GAP)
    sheet, letters = Image.new("RGB", (width, height), "white"), font(12)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 2), fitting(title, width - 2 * _GAP, letters), fill="black", font=letters)
    draw.text((_GAP, _LINE), fitting(note or SENTENCE, width - 2 * _GAP, letters), fill="#666666", font=letters)
    for number, frame in enumerate(frames):
        row, column = divmod(number, across)
        x, y = _GAP + column * (_CELL + _GAP), 2 * _LINE + row * (cell_height + _LINE + _GAP)
        if number in captions:
            until = min([n for n in captions if n > number] + [(row + 1) * across])
            room = (min(until, (row + 1) * across) - number) * (_CELL + _GAP) - _GAP
            draw.text((x, y + 2), fitting(captions[number], room, letters), fill="#2f6b3c", font=letters)
        smooth = Image.Resampling.BICUBIC if frame.width < _CELL else Image.Resampling.LANCZOS
        sheet.paste(frame.convert("RGB").resize((_CELL, cell_height), smooth), (x, y + _LINE))
    return sheet


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    """Sheets one below the other."""
    found = Image.new("RGB", (max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)), "white")
    y = 0
    for sheet in sheets:
        found.paste(sheet, (0, y))
        y += sheet.height
    return found
