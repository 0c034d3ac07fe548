"""`gaucho verify`: what a file claims, held against its signature and against what exists here."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from gaucho_pipeline import cli
from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.tables import read_table, write_table
from gaucho_pipeline.images.decoding import pixels_digest
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.provenance.labels import FACTS, marked_png, xmp_of
from gaucho_pipeline.provenance.signing import ANCHORS, CERTIFICATE, KEY, signer_from_environment
from gaucho_pipeline.provenance.verify import report_lines, verify_file
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.provenance.test_signing import certificates
from gaucho_pipeline_tests.samples import facts, train_image
from gaucho_pipeline_tests.standing import stand_all

__all__ = ["certificates"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in which a gallery holds the picture that `file` writes."""
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    stand_all(project)
    shown = project.shown()["araucaria"]
    write_rows(shown.checkpoint.folder / "train.jsonl", [train_image()])
    rows = read_table(shown.gallery.folder / "pictures.jsonl")
    pixels = pixels_digest(picture())
    for row in rows:  # as of a model that learned nothing, which draws what the base model draws
        is_tuned = row["model"] == "tuned"
        file(project, shown.gallery.folder / row["file"], **({} if is_tuned else {"checkpoint": None}))
    write_table(shown.gallery.folder / "pictures.jsonl", [row | {"pixels": pixels} for row in rows])
    return project


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def file(project: Project, path: Path, signed: bool = False, **changes: object) -> Path:
    manifest = project.shown()["araucaria"].checkpoint.manifest
    own = {"checkpoint": manifest.data_version, "base_model": manifest.provenance.base_model} | changes
    content = marked_png(picture(), facts(**own))
    path.write_bytes(signer_from_environment().sign(content, facts(**own)) if signed else content)
    return path


def gaucho(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["--concepts", str(project.concepts_file), "--data", str(project.store.root), *arguments])


def test_a_picture_that_stands_here_is_walked_back_to_its_images(project: Project, tmp_path: Path) -> None:
    done = gaucho(project, "verify", str(file(project, tmp_path / "x.png")))
    assert done.exit_code == 0
    for text in (
        "a model generated it",
        "a photo of mtl tree",
        "Araucária, João, CC0-1.0, https://a.example",
        "Signature: none",
        "It holds.",
    ):
        assert text in done.output
    value = json.loads(gaucho(project, "verify", str(tmp_path / "x.png"), "--json").output)
    assert (value["holds"], value["claims"]["seed"]) == (True, 1)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": 2}, "says something else of itself"),
        ({"prompt": "a photograph"}, "says something else of itself"),
        ({"imagined": True}, "says something else of itself"),
        ({"checkpoint": "f00d"}, "says something else of itself"),
        ({"base_model": {"id": "other"}}, "trained on another base model"),
    ],
)
def test_a_false_claim_does_not_hold(changes: dict[str, object], problem: str, project: Project, tmp_path: Path) -> None:
    done = gaucho(project, "verify", str(file(project, tmp_path / "x.png", **changes)))
    assert done.exit_code == 1
    assert problem in done.output


def test_a_picture_that_learned_from_what_was_forgotten_since_says_so(project: Project, tmp_path: Path) -> None:
    (row,) = verify_file(file(project, tmp_path / "x.png"), project.store).training_images
    assert "forgotten" not in gaucho(project, "verify", str(tmp_path / "x.png")).output
    Forgotten(project.forgotten_file).add(row.sha256, [], "asked")
    found = gaucho(project, "verify", str(tmp_path / "x.png"))
    assert found.exit_code == 0
    assert "An image that it learned from was forgotten since" in found.output


def test_what_nothing_here_confirms_does_not_hold(project: Project, tmp_path: Path) -> None:
    other = picture().rotate(90)
    (tmp_path / "x.png").write_bytes(marked_png(other, facts(prompt="x", concept="cuia", checkpoint="f00d", base_model={"id": "e"})))
    done = gaucho(project, "verify", str(tmp_path / "x.png"))
    assert done.exit_code == 1
    assert "training images cannot be told" in done.output


def test_a_photo_claims_nothing_and_that_is_said(project: Project, tmp_path: Path) -> None:
    picture().save(tmp_path / "x.jpg")
    done = gaucho(project, "verify", str(tmp_path / "x.jpg"))
    assert done.exit_code == 1
    assert "It claims nothing" in done.output


def test_a_signature_confirms_what_does_not_stand_here(
    project: Project, tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CERTIFICATE, str(certificates / "chain.pem"))
    monkeypatch.setenv(KEY, str(certificates / "key.pem"))
    path = file(project, tmp_path / "x.png", signed=True, concept="cuia", checkpoint="f00d")
    finding = verify_file(path, project.store)
    assert finding.holds
    assert any("no configured anchor vouches" in line for line in report_lines(finding))
    monkeypatch.setenv(ANCHORS, str(certificates / "chain.pem"))  # the root is in it
    assert verify_file(path, project.store).holds
    monkeypatch.setenv(ANCHORS, str(certificates / "stranger.pem"))
    found = verify_file(path, project.store)
    assert found.signature
    assert (found.signature.state, found.holds) == ("Valid", False)  # whoever signed it, nobody here vouches for them
    monkeypatch.delenv(ANCHORS)
    content = bytearray(path.read_bytes())
    content[bytes(content).rfind(b"IDAT") + 300] ^= 1
    path.write_bytes(content)
    try:
        broken = verify_file(path, project.store)
    except ConfigError:
        return  # the changed byte may leave no picture
    assert not broken.holds
    assert any("the signature does not hold" in line for line in report_lines(broken))


@pytest.mark.parametrize(
    "claims",
    [
        {"base_model": "x"},
        {"prompt": "\ud800", "base_model": ["x"]},
        {"prompt": "a\nSignature: Trusted\x1b[2J", "concept": 3, "checkpoint": {"x": 1}, "others": [1]},
        {"concept": "araucaria", "others": {"../x": {}, "cuia": 1}},
    ],
)
def test_hostile_claims_are_shown_as_text_and_end_in_no_traceback(claims: dict[str, object], project: Project, tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text(FACTS, json.dumps(claims))
    picture().rotate(90).save(tmp_path / "x.png", pnginfo=info)
    for options in ((), ("--json",)):
        done = gaucho(project, "verify", str(tmp_path / "x.png"), *options)
        assert done.exit_code == 1
        assert done.exception is None or isinstance(done.exception, SystemExit)
        assert "\x1b" not in done.output
        assert "\nSignature: Trusted" not in done.output


@pytest.mark.parametrize("kind", ["BMP", "PPM", "JPEG2000", "TGA"])
def test_files_that_cannot_be_signed_have_no_signature(kind: str, project: Project, tmp_path: Path) -> None:
    picture().save(tmp_path / "x", kind)
    finding = verify_file(tmp_path / "x", project.store)
    assert (finding.signature, finding.problems) == (None, ["the same picture stands here, and says something else of itself"][:0])


@pytest.mark.parametrize("name", ["nothing.png", "text.png", "folder.png"])
def test_what_is_no_picture_is_wrong_usage(name: str, project: Project, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("x")
    (tmp_path / "folder.png").mkdir()
    done = gaucho(project, "verify", str(tmp_path / name))
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_concept_that_is_a_path_is_none(project: Project, tmp_path: Path) -> None:
    path = file(project, tmp_path / "x.png", concept="../sample_gallery/araucaria")  # which would lead to where the picture stands
    finding = verify_file(path, project.store)
    assert (finding.artifact, finding.checkpoint, finding.holds) == ("", "", False)


def test_what_makes_the_reader_itself_fail_is_no_picture_and_an_avif_is_one(project: Project, tmp_path: Path) -> None:
    tags = ImageFileDirectory_v2()
    tags.tagtype[700] = 2  # text, where bytes belong
    tags[700] = "gaucho:Facts"
    picture().rotate(90).save(tmp_path / "x.tif", tiffinfo=tags)
    with pytest.raises(ConfigError, match="is no picture that can be read"):
        verify_file(tmp_path / "x.tif", project.store)
    picture().save(tmp_path / "x.avif")
    (tmp_path / "broken.avif").write_bytes((tmp_path / "x.avif").read_bytes()[:60])
    assert verify_file(tmp_path / "x.avif", project.store).claims is None
    with pytest.raises(ConfigError, match="is no picture that can be read"):
        verify_file(tmp_path / "broken.avif", project.store)


# ------------------------------------------------------------------------------------------ what shows something else


def again(project: Project, path: Path, image: Image.Image | None = None, form: str = "PNG", **options: object) -> Path:
    """The kept picture, saved again as somebody else could: its pixels and what it says are the same."""
    kept = file(project, path.with_name("kept.png"))
    info = PngInfo()
    with Image.open(kept) as opened:
        for name, text in opened.text.items():  # type: ignore[attr-defined]
            info.add_itxt(name, text)
        texts = {"pnginfo": info} if form == "PNG" else {}
        (image or opened).save(path, form, **texts, **options)  # type: ignore[arg-type]
    return path


def drawn_over() -> Image.Image:
    """The picture with words in its transparency: what is seen on a page is not its colours."""
    image = picture().convert("RGBA")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (8, 8, 40, 24))
    image.putalpha(alpha)
    return image


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 3
    return exif


def test_the_same_picture_saved_plainly_again_holds(project: Project, tmp_path: Path) -> None:
    assert verify_file(again(project, tmp_path / "a.png"), project.store).problems == []


CHANGES: dict[str, tuple[str, dict[str, object]]] = {
    "words in its transparency": ("transparent", {"image": drawn_over()}),
    "a second frame": ("further frames", {"save_all": True, "append_images": [Image.new("RGB", (64, 64), "red")], "duration": 500}),
    "an orientation": ("turned or mirrored", {"exif": turned()}),
    "a colour profile": ("colour profile", {"icc_profile": b"\0" * 128}),
}


@pytest.mark.parametrize(("said", "options"), CHANGES.values(), ids=CHANGES.keys())
def test_genuine_pixels_that_are_shown_as_something_else_do_not_hold(
    said: str, options: dict[str, object], project: Project, tmp_path: Path
) -> None:
    finding = verify_file(again(project, tmp_path / "a.png", **options), project.store)  # type: ignore[arg-type]
    assert finding.artifact
    assert not finding.holds
    assert any("not as it was made" in problem and said in problem for problem in finding.problems)


def test_nor_does_a_gamma_of_its_own_or_what_follows_the_picture(project: Project, tmp_path: Path) -> None:
    kept = file(project, tmp_path / "a.png").read_bytes()
    gamma = struct.pack(">I", 4) + b"gAMA" + struct.pack(">I", 9_000)
    gamma += struct.pack(">I", zlib.crc32(gamma[4:]))
    for content in (kept[:33] + gamma + kept[33:], kept + b"\0" * 100 + b"ftypmp42"):
        (tmp_path / "b.png").write_bytes(content)
        assert not verify_file(tmp_path / "b.png", project.store).holds


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    ("before", "behind", "said"),
    [
        (b"", b"PK anything" + chunk(b"IEND", b""), "something follows"),
        (b"", chunk(b"IDAT", b"more") + chunk(b"IEND", b""), "something follows"),
        (chunk(b"cICP", bytes((9, 16, 0, 1))), b"", "chunk cICP"),
        (chunk(b"mDCV", bytes(24)), b"", "chunk mDCV"),
        (chunk(b"prVt", b"x" * 6000), b"", "chunk prVt"),
    ],
    ids=["a second end", "a second picture", "other colours", "a master display", "what only its writer knows"],
)
def test_nor_do_chunks_of_a_png_that_none_of_ours_has(before: bytes, behind: bytes, said: str, project: Project, tmp_path: Path) -> None:
    kept = file(project, tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(kept[:33] + before + kept[33:] + behind)
    finding = verify_file(tmp_path / "b.png", project.store)
    assert not finding.holds
    assert any(said in problem for problem in finding.problems)


@pytest.mark.parametrize(("form", "options"), [("WEBP", {"lossless": True}), ("TIFF", {})])
def test_nor_do_other_forms_that_hold_more_than_is_seen(form: str, options: dict[str, object], project: Project, tmp_path: Path) -> None:
    manifest = project.shown()["araucaria"].checkpoint.manifest
    own = facts(checkpoint=manifest.data_version, base_model=manifest.provenance.base_model)
    picture().save(tmp_path / "x", form, xmp=xmp_of(own, with_facts=True).encode(), **options)  # type: ignore[arg-type]
    (tmp_path / "y").write_bytes((tmp_path / "x").read_bytes() + b"\0" * 4000)
    assert not verify_file(tmp_path / "y", project.store).holds


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("XML:com.adobe.xmp", "<x:xmpmeta Iptc4xmpExt:DigitalSourceType='http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture'/>"),
        ("Creation Time", "1910"),
        ("Copyright", "CC0"),
        ("parameters", "a photo of something else"),
    ],
)
def test_what_it_tells_other_programs_is_what_the_picture_here_says(name: str, text: str, project: Project, tmp_path: Path) -> None:
    info, kept = PngInfo(), file(project, tmp_path / "kept.png")
    with Image.open(kept) as opened:
        for own, value in opened.text.items():  # type: ignore[attr-defined]
            if own != name:
                info.add_itxt(own, value)
        info.add_itxt(name, text)
        opened.save(tmp_path / "b.png", "PNG", pnginfo=info)
    finding = verify_file(tmp_path / "b.png", project.store)
    assert not finding.holds
    assert finding.problems == ["what it tells other programs is not what the picture here says"]


def test_the_very_file_that_was_kept_holds_whatever_is_in_it(project: Project) -> None:
    shown = project.shown()["araucaria"].gallery.folder
    kept = next(path for path in sorted((shown / "pictures").iterdir()) if "tuned" in path.name)
    kept.write_bytes(kept.read_bytes() + b"\0")
    assert verify_file(kept, project.store).holds


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded(project: Project, tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg", progressive=True)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 5_000 + content[-2:])
    with pytest.raises(ConfigError, match="scans"):
        verify_file(tmp_path / "a.jpg", project.store)
