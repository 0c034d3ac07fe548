"""Films and filmstrips: they play as many frames as there are, and say that they were generated, and from what."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from PIL import Image

from gaucho_pipeline.provenance.labels import GENERATED, facts_in, facts_in_xmp
from gaucho_pipeline.provenance.signing import read_signature, signer_from_environment
from gaucho_pipeline.provenance.verify import verify_file
from gaucho_pipeline.sequence import films
from gaucho_pipeline.store.store import Store
from gaucho_pipeline_tests.provenance.test_signing import certificates as certificates
from gaucho_pipeline_tests.provenance.test_signing import configured as configured
from gaucho_pipeline_tests.samples import facts

FACTS = facts(prompt="<um & \"chimarrão\"> → 'à noite'", story="one_day", imagined=True)
FILMS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "webp": ("image/webp", films.animated_webp),
    "gif": ("image/gif", films.animated_gif),
    "mp4": ("video/mp4", films.mp4),
}


def frames(side: int = 16) -> list[Image.Image]:
    return [Image.new("RGB", (side, side), (40 * number, 90, 200 - 40 * number)) for number in range(4)]


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_it_plays_every_frame_for_ever(kind: str) -> None:
    with Image.open(io.BytesIO(FILMS[kind][1](frames(), 8, FACTS))) as image:
        assert (image.n_frames, image.info["loop"]) == (4, 0)  # type: ignore[attr-defined]
        image.seek(3)
        image.load()
        assert abs(image.info["duration"] - 125) <= 5
        red, _, blue = image.convert("RGB").getpixel((8, 8))  # type: ignore[misc]
        assert abs(red - 120) < 12
        assert abs(blue - 80) < 12


@pytest.mark.parametrize("side", [16, 17])
def test_an_mp4_has_every_frame_and_even_sides(side: int, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(films.mp4(frames(side), 8, FACTS))
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "x.mp4"))
    about = next(reader)
    assert about["size"] == (side + side % 2, side + side % 2)
    assert round(about["fps"]) == 8
    assert len(list(reader)) == 4


@pytest.mark.parametrize("kind", FILMS)
def test_it_says_that_a_model_made_it_and_from_what(kind: str, tmp_path: Path) -> None:
    content = FILMS[kind][1](frames(), 8, FACTS)
    assert GENERATED.encode() in content
    assert facts_in_xmp(content) == FACTS.to_json()
    (tmp_path / "film").write_bytes(content)
    finding = verify_file(tmp_path / "film", Store(tmp_path / "data"))
    assert finding.claims == FACTS.to_json()
    assert not finding.holds  # nothing here confirms it


@pytest.mark.parametrize("kind", FILMS)
def test_it_is_signed_and_a_changed_byte_breaks_the_signature(kind: str, configured: Path, tmp_path: Path) -> None:
    mime, film = FILMS[kind]
    content = signer_from_environment().sign(film(frames(), 8, FACTS), FACTS, mime)
    signature = read_signature(content, mime)
    assert signature
    assert (signature.state, signature.facts) == ("Valid", FACTS.to_json())
    (tmp_path / "film").write_bytes(content)
    assert verify_file(tmp_path / "film", Store(tmp_path / "data")).holds
    at = content.rindex(b"chimarr")
    other = content[:at] + b"X" + content[at + 1 :]
    assert (read_signature(other, mime) or signature).state == "Invalid"


@pytest.mark.parametrize(
    "xmp", [b"", b"gaucho:Facts=", b'gaucho:Facts="{', b'gaucho:Facts="[1]"', b'gaucho:Facts="' + b"[" * 99_999 + b'"']
)
def test_what_are_no_facts_are_none(xmp: bytes) -> None:
    assert facts_in_xmp(xmp) is None


def test_a_filmstrip_shows_every_frame_in_rows_of_eight() -> None:
    pictures = [Image.new("RGB", (16, 16), "red")] * 10
    sheet = films.filmstrip("Chimarrão: do dia à noite", pictures, {0: "De dia", 5: "À noite"})
    red = sum(count for count, colour in sheet.getcolors(sheet.width * sheet.height) or [] if colour == (255, 0, 0))  # type: ignore[misc]
    assert red == 10 * 128 * 128
    assert sheet.height > 2 * 128


def test_a_picture_without_facts_has_none() -> None:
    picture: Any = Image.new("RGB", (4, 4))
    assert facts_in(picture) is None
