"""Which files are images, and what stands in a folder."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.images import decoding as images
from gaucho_pipeline.images import files
from gaucho_pipeline.images.files import images_digest, is_image, list_folder


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "HEIF", "JXL"])
def test_every_kind_of_image_is_seen_from_its_first_bytes_and_can_be_read(kind: str) -> None:
    images._formats()  # registers the readers that Pillow does not have itself
    buffer = io.BytesIO()
    draw_subject("araucaria", 1, side=64).save(buffer, kind)
    assert is_image(buffer.getvalue()[:256])
    assert images.decode(buffer.getvalue()).size == (64, 64)


def test_large_tiffs_and_bare_codestreams_are_images() -> None:
    for kind, keys in (("TIFF", {"big_tiff": True}), ("JPEG2000", {"no_jp2": True})):
        buffer = io.BytesIO()
        draw_subject("araucaria", 1, side=64).save(buffer, kind, **keys)
        assert is_image(buffer.getvalue())
        assert images.decode(buffer.getvalue()).size == (64, 64)


@pytest.mark.parametrize("brand", [b"avis", b"mif1", b"heix", b"msf1"])
def test_every_brand_of_pictures_is_known_and_films_are_none(brand: bytes) -> None:
    assert is_image(b"\0\0\0\x1cftyp" + brand + b"\0\0\0\0")
    assert is_image(b"\0\0\0\x18ftypisom\0\0\0\0isom" + brand)
    assert not is_image(b"\0\0\0\x18ftypisom\0\0\0\0mp42isom")
    assert not is_image(b"\0\0\0\x10ftypisom\0\0\0\0" + brand)  # beyond the end of the box


@pytest.mark.parametrize("content", [b"", b'{"a": 1}', b"<html>", b"P7\n", b"RIFF\0\0\0\0WAVE", b"Bento"])
def test_what_is_no_image_is_seen_from_its_first_bytes(content: bytes) -> None:
    assert not is_image(content)


def test_a_folder_is_its_images_and_their_names_and_nothing_else(tmp_path: Path) -> None:
    picture, outside = b"\x89PNG 1", tmp_path / "outside"
    folder = tmp_path / "photos"
    for place in (folder, outside):
        place.mkdir()
        (place / "a.png").write_bytes(picture)
    before = images_digest(folder)
    (folder / "film.mp4").write_bytes(b"x")
    (folder / ".hidden.png").write_bytes(picture)
    (folder / "link.png").symlink_to(outside / "a.png")
    os.mkfifo(folder / "pipe.png")
    assert images_digest(folder) == before
    assert {file.name: file.reason for file in list_folder(folder) if file.reason} == {
        ".hidden.png": "a hidden file", "film.mp4": "not an image", "link.png": "a link leads out of the folder", "pipe.png": "no file",
    }  # fmt: skip
    (folder / "a.png").write_bytes(picture + b"2")
    assert images_digest(folder) != before


def test_what_is_no_image_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "film.mp4").open("wb") as file:
        file.truncate(20 * 2**30)  # of nothing: it would take minutes to read
    assert images_digest(tmp_path) == images_digest(tmp_path / "nowhere")


@pytest.mark.parametrize("place", ["/proc", "/proc/self", "/sys/kernel", "/dev"])
def test_a_folder_of_the_systems_own_is_refused_before_it_is_read(place: str) -> None:
    with pytest.raises(ConfigError, match="system's own"):
        list_folder(Path(place))


def test_so_is_a_link_to_one(tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to("/proc")
    with pytest.raises(ConfigError, match="system's own"):
        list_folder(tmp_path / "photos")


def test_a_folder_of_more_files_than_photographs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(ConfigError, match="more than 3 files"):
        list_folder(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        ".Trash-1000/files/x.png", ".Trashes/501/x.png", ".dtrash/files/17.png", ".picasaoriginals/x.png", ".thumbnails/large/x.png",
        "$RECYCLE.BIN/S-1-5/$R1.png", "RECYCLER/S-1-5/Dc1.png", "System Volume Information/x.png", "FOUND.000/x.png", "lost+found/#12.png",
        "@eaDir/a.png/SYNOPHOTO_THUMB_XL.png", "acervo/@eaDir/x.png", "#recycle/x.png", "#snapshot/daily/x.png", "@Recycle/x.png",
        "__MACOSX/acervo/x.png", "acervo/Thumbnails/x.png", "Catalog Previews.lrdata/0/x.png", "Fotos.photoslibrary/resources/x.png",
    ],
)  # fmt: skip
def test_what_stands_in_a_folder_of_the_systems_or_of_a_programs_is_not_the_curators(name: str, tmp_path: Path) -> None:
    for each in ("a.png", "#1 Cuias/b.png", "Trash art/c.png", name):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_bytes(b"\x89PNG 1")
    assert {file.name: file.reason for file in list_folder(tmp_path)} == {
        "a.png": "", "#1 Cuias/b.png": "", "Trash art/c.png": "", name: "in a hidden folder",
    }  # fmt: skip


def test_a_folder_that_is_itself_below_a_hidden_one_is_the_curators(tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "photos"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"\x89PNG 1")
    assert [file.reason for file in list_folder(folder)] == [""]


def test_folders_deeper_than_anybody_makes_are_told_and_not_walked(tmp_path: Path) -> None:
    draw_subject("araucaria", 1, side=64).save(tmp_path / "photo.png")
    deep, place = os.open(tmp_path, os.O_RDONLY), "a"
    for _ in range(1900):
        os.mkdir(place, dir_fd=deep)
        inner = os.open(place, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    found = list_folder(tmp_path)
    assert [file.name for file in found if not file.reason] == ["photo.png"]
    assert [file.reason for file in found if file.reason] == ["cannot be read"]
    assert images_digest(tmp_path)
    subprocess.run(["rm", "-r", str(tmp_path / "a")], check=True)  # Python's own way is no longer one
