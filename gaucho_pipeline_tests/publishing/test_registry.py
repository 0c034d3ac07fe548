"""The registry beside a published site: a picture that lost what it said of itself is found there, and no other is taken for it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.provenance.signing import CERTIFICATE, KEY
from gaucho_pipeline.publishing.registry import REGISTRY, find_published, found_lines, look_up, make_registry, read_registry
from gaucho_pipeline_tests.certificates import write_certificates


def published(folder: Path, count: int = 6) -> Path:
    (folder / "cuia" / "pictures").mkdir(parents=True)
    for number in range(count):
        draw_subject("chimarrao" if number % 2 else "araucaria", number, side=256).save(folder / "cuia" / "pictures" / f"{number}.png")
    make_registry(folder, ["cuia"])
    return folder


def as_jpeg(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=50)
    return Image.open(io.BytesIO(buffer.getvalue()))


def on_a_screen(picture: Image.Image) -> Image.Image:
    shot = Image.new("RGB", (picture.width, picture.height * 2), "#222222")
    shot.paste("#dddddd", (10, 10, 60, 22))
    shot.paste(picture, (0, picture.height // 3))
    return shot


@pytest.mark.parametrize(
    "alter",
    [
        lambda picture: picture,
        as_jpeg,
        lambda picture: picture.resize((128, 128)),
        lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda picture: picture.crop((13, 0, 243, 230)),
        lambda picture: picture.crop((32, 32, 224, 224)),
        on_a_screen,
    ],
    ids=["as it was", "JPEG 50", "half size", "mirrored", "a tenth cut off", "a quarter cut off", "a screenshot"],
)
def test_a_picture_that_was_altered_is_found_again(alter: Callable[[Image.Image], Image.Image], tmp_path: Path) -> None:
    site = published(tmp_path / "site")
    for number in (2, 3):
        with Image.open(site / "cuia" / "pictures" / f"{number}.png") as picture:
            found = look_up(alter(picture.convert("RGB")), [site / REGISTRY])
        assert found
        assert found.entry.file == f"cuia/pictures/{number}.png"


def test_no_photograph_is_taken_for_one(tmp_path: Path, real: Path) -> None:
    registry = [published(tmp_path / "site") / REGISTRY]
    files = sorted((real / "openverse" / "images").glob("*.jp*g"))[:20]
    assert files
    assert [file.name for file in files if find_published(file, registry)] == []


def test_what_is_found_is_told_with_how_sure_it_is(tmp_path: Path) -> None:
    site = published(tmp_path / "site")
    (tmp_path / "saved.png").write_bytes((site / "cuia" / "pictures" / "2.png").read_bytes())
    found = find_published(tmp_path / "saved.png", [site])
    assert found
    first, second = found_lines(found)
    assert "surely a generated picture that was published" in first
    assert "cuia/pictures/2.png, of cuia (0 of 64 bits differ)" in first
    assert second.startswith("The registry is not signed")


def test_a_signed_one_names_its_signer_until_a_byte_of_it_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_certificates(tmp_path)
    monkeypatch.setenv(CERTIFICATE, str(folder / "chain.pem"))
    monkeypatch.setenv(KEY, str(folder / "key.pem"))
    registry = published(tmp_path / "site") / REGISTRY
    with Image.open(tmp_path / "site" / "cuia" / "pictures" / "2.png") as picture:
        signed = look_up(picture, [registry])
        assert signed
        assert "Museu X" in signed.signed_by
        assert "nothing here vouches for that name" in list(found_lines(signed))[1]
        registry.write_text(registry.read_text().replace('"concept": "cuia"', '"concept": "bule"'))
        changed = look_up(picture, [registry])
    assert changed
    assert (changed.entry.concept, changed.signed_by) == ("bule", "")


def test_a_registry_of_pictures_of_every_shape_is_looked_up_all_the_same(tmp_path: Path) -> None:
    site = published(tmp_path / "site", count=2)
    value = json.loads((site / REGISTRY).read_text())
    value["pictures"] += [value["pictures"][0] | {"aspect": 0.5 + number / 1000} for number in range(1000)]
    (site / REGISTRY).write_text(json.dumps(value))
    assert look_up(draw_subject("chimarrao", 1, side=256), [site / REGISTRY])


def test_there_is_no_registry_where_no_pictures_are(tmp_path: Path) -> None:
    assert find_published(tmp_path / "x.png", []) is None
    assert not (published(tmp_path / "site", count=0) / REGISTRY).exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"pictures": 5}', b'{"format": 2, "pictures": []}', b'{"pictures": [], "further": 1}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_registry_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / REGISTRY).write_bytes(content)
    with pytest.raises(ConfigError, match="is no registry of published pictures"):
        read_registry(tmp_path / REGISTRY)


def test_it_holds_no_image_that_was_learned_from(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "cuia" / "training").mkdir(parents=True)
    draw_subject("araucaria", 1, side=64).save(site / "cuia" / "training" / "1.png")
    published(site)
    assert {entry.file.split("/")[1] for entry in read_registry(site / REGISTRY).pictures} == {"pictures"}


@pytest.mark.parametrize("hashes", ["", "!!", base64.b64encode(b"12345").decode()])
def test_hashes_that_are_none_are_one_line(hashes: str, tmp_path: Path) -> None:
    site = published(tmp_path / "site", count=2)
    value = json.loads((site / REGISTRY).read_text())
    value["pictures"][0]["hashes"] = hashes
    (site / REGISTRY).write_text(json.dumps(value))
    with pytest.raises(ConfigError, match="is no registry of published pictures"):
        look_up(draw_subject("araucaria", 1, side=64), [site / REGISTRY])
