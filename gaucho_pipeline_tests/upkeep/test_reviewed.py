"""`gaucho review`: what a curator saved is judged before anything of it is written."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.assets.table import RAW_CRAWL
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.upkeep import reviewed
from gaucho_pipeline.upkeep.reviewed import put_in_place
from gaucho_pipeline_tests.samples import crawled_image, sha
from gaucho_pipeline_tests.standing import edit, one_concept, stand

TABLE = "image,decision,caption,by,why\nsha256:{},drop,,Ana,não é\n"
KNOWN = f"{1 << 240:064x}"
"""An image whose first digits are no zeros."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = one_concept(tmp_path)
    stand(found, RAW_CRAWL.name, "araucaria", furnish=lambda folder: write_rows(folder / "images.jsonl", [crawled_image(sha256=KNOWN)]))
    return found


def png(size: tuple[int, int] = (8, 8), mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, "white").save(buffer, "PNG")
    return buffer.getvalue()


def zipped(folder: Path, **files: bytes) -> Path:
    """A ZIP of files: `table` is overrides.csv, and `m…` a mask of that image."""
    path = folder / "araucaria.overrides.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


def whole(folder: Path, **further: bytes) -> Path:
    return zipped(folder, **{"overrides.csv": TABLE.format(KNOWN[:16]).encode(), f"masks/{KNOWN[:16]}.png": png()} | further)


def test_decisions_and_masks_come_to_their_places_and_the_missing_keys_are_named(project: Project, tmp_path: Path) -> None:
    done = put_in_place(project, "araucaria", whole(tmp_path))
    assert (done.decisions, done.painted, done.unknown) == (1, 1, [])
    assert done.keys == ["overrides: overrides/araucaria.csv", "masks: {folder: masks/araucaria}"]
    assert (tmp_path / "overrides" / "araucaria.csv").read_text() == TABLE.format(KNOWN[:16])
    with Image.open(tmp_path / "masks" / "araucaria" / f"{KNOWN[:16]}.png") as placed:
        assert placed.size == (8, 8)


def test_places_that_the_concept_names_are_kept_to(project: Project, tmp_path: Path) -> None:
    edit(project, "araucaria", "curation", overrides="mine.csv", masks={"folder": "drawn"})
    done = put_in_place(Project(project.concepts_file, project.store.root), "araucaria", whole(tmp_path))
    assert (done.overrides, done.masks, done.keys) == (tmp_path / "mine.csv", tmp_path / "drawn", [])


def test_a_table_alone_is_taken_too(project: Project, tmp_path: Path) -> None:
    (tmp_path / "saved.csv").write_text(TABLE.format(KNOWN[:16]), encoding="utf-8")
    done = put_in_place(project, "araucaria", tmp_path / "saved.csv")
    assert (done.decisions, done.painted) == (1, 0)


def test_a_mask_of_no_image_of_the_concept_is_named_and_left_out(project: Project, tmp_path: Path) -> None:
    done = put_in_place(project, "araucaria", whole(tmp_path, **{f"masks/{'ab' * 8}.png": png()}))
    assert done.unknown == ["ab" * 8]
    assert len(list((tmp_path / "masks" / "araucaria").iterdir())) == 1


BAD: dict[str, dict[str, bytes]] = {
    "a path that leads out": {"masks/../../evil.png": png()},
    "an absolute path": {"/etc/cron.d/evil": b"x"},
    "a page": {"index.html": b"<script>"},
    "a mask that is no picture": {f"masks/{KNOWN[:16]}.png": b"GIF89a nothing"},
    "a mask that is cut off": {f"masks/{KNOWN[:16]}.png": png((400, 400), "RGB")[:200]},
    "a mask that is far too large": {f"masks/{KNOWN[:16]}.png": png((5000, 5000))},
    "a table with another decision": {"overrides.csv": TABLE.format(KNOWN[:16]).replace("drop", "burn").encode()},
    "a table of other columns": {"overrides.csv": b"a,b\n1,2\n"},
}


@pytest.mark.parametrize("files", BAD.values(), ids=BAD.keys())
def test_what_the_page_does_not_save_is_refused_whole(files: dict[str, bytes], project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        put_in_place(project, "araucaria", whole(tmp_path, **files))
    assert not (tmp_path / "overrides").exists()
    assert not (tmp_path / "masks").exists()
    assert not (tmp_path.parent / "evil.png").exists()


def test_a_bomb_is_no_mask(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("overrides.csv", TABLE.format(KNOWN[:16]))
        opened.writestr(f"masks/{KNOWN[:16]}.png", b"\0" * 50_000_000)
    with pytest.raises(ConfigError, match="too large"):
        put_in_place(project, "araucaria", path)


def test_so_are_more_files_than_there_can_be_images(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewed, "_MAX_FILES", 1)
    with pytest.raises(ConfigError, match="more files"):
        put_in_place(project, "araucaria", whole(tmp_path))


@pytest.mark.parametrize("cut", [30, 100, -30])
def test_a_file_that_was_cut_off_is_refused(cut: int, project: Project, tmp_path: Path) -> None:
    path = whole(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ConfigError):
        put_in_place(project, "araucaria", path)


def test_without_a_table_it_is_none(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no overrides\.csv"):
        put_in_place(project, "araucaria", zipped(tmp_path, **{f"masks/{sha(1)[:16]}.png": png()}))


def test_a_file_that_is_not_there_is_said_so(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        put_in_place(project, "araucaria", tmp_path / "nothing.zip")
