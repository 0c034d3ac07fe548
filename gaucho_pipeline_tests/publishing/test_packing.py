"""Work that is done elsewhere: a pack runs with nothing but Python and what it asks for; what comes back is what was asked, or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.publishing.packing import pack, unpack
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho, states
from gaucho_pipeline_tests.standing import edit, two_concepts


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose set is curated."""
    folder = tmp_path_factory.mktemp("home")
    write_concepts(folder / "concepts.yaml", {"chimarrao": folder_concept(draw_folder(folder / "photos", "chimarrao", 6), "dnc", "cup")})
    gaucho(folder, "run", "--select", "curated_set")
    return folder


@pytest.fixture(scope="module")
def done(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pack has come to on another machine, which has none of the project."""
    work = tmp_path_factory.mktemp("work")
    told = gaucho(home, "pack", "chimarrao", "--out", str(work / "pack.tar"))
    assert "MB, SHA-256" in told.stdout
    with tarfile.open(work / "pack.tar") as tar:
        assert {entry.uname for entry in tar} == {""}
        tar.extractall(work, filter="data")
    lines = (work / "requirements.txt").read_text().split()
    assert any(line.startswith("torch==") for line in lines)
    assert all("==" in line for line in lines)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GAUCHO") and name != "PYTHONPATH"}
    ended = subprocess.run([sys.executable, "run.py"], cwd=work, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "gaucho unpack done.tar" in ended.stdout
    return work / "done.tar"


def test_what_was_made_elsewhere_stands_as_if_it_had_been_made_here(home: Path, done: Path) -> None:
    assert states(home)["chimarrao"]["checkpoint"] == "missing"
    told = gaucho(home, "unpack", str(done))
    assert "checkpoint of chimarrao: validation loss" in told.stdout
    assert states(home)["chimarrao"]["checkpoint"] == "fresh"
    assert gaucho(home, "fsck").returncode == 0
    assert "exists already" in gaucho(home, "pack", "chimarrao", check=False).stderr
    gaucho(home, "pack", "chimarrao", "--select", "sample_gallery", "--out", str(done.parent / "gallery.tar"))


def test_the_notebook_is_one_that_any_reader_opens(done: Path) -> None:
    notebook = json.loads((done.parent / "run.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert all(cell["cell_type"] in ("markdown", "code") and cell["id"] for cell in notebook["cells"])
    assert any("run.py" in cell["source"] for cell in notebook["cells"])


def altered(done: Path, target: Path, **changes: bytes) -> Path:
    """The same with the bytes of some files changed, or with further ones."""
    folder = target.with_suffix(".altered")
    with tarfile.open(done) as old:
        old.extractall(folder, filter="data")
    for name, content in changes.items():
        write_atomically(folder / "artifact" / name, content)
    with tarfile.open(target, "w") as new:
        new.add(folder / "artifact", "artifact")
    return target


def test_what_is_not_what_was_asked_for_is_refused(home: Path, done: Path, tmp_path: Path) -> None:
    project = Project(home / "concepts.yaml", home / "data")
    with pytest.raises(GauchoError, match=r"chimarrao\.safetensors is not what was written there"):
        unpack(project, altered(done, tmp_path / "a.tar", **{"chimarrao.safetensors": b"x"}))
    with pytest.raises(GauchoError, match=r"stranger\.txt is not what was written"):
        unpack(project, altered(done, tmp_path / "b.tar", **{"stranger.txt": b"x"}))
    altered(done, tmp_path / "c.tar")
    manifest = json.loads((tmp_path / "c.altered" / "artifact" / "manifest.json").read_text()) | {"files": {}}
    empty = altered(done, tmp_path / "d.tar", **{"manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(GauchoError, match="does not say what it holds"):
        unpack(project, empty)
    edit(project, "chimarrao", "training", rank=2)
    with pytest.raises(GauchoError, match="is not the checkpoint of chimarrao that would be made now: rank changed; pack it again"):
        unpack(Project(home / "concepts.yaml", home / "data"), done)
    edit(project, "chimarrao", "training", rank=4)


def test_a_file_that_leads_elsewhere_or_is_none_is_refused(home: Path, tmp_path: Path) -> None:
    project = Project(home / "concepts.yaml", home / "data")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        link = tarfile.TarInfo("artifact/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with pytest.raises(GauchoError, match="holds what no artifact holds"):
        unpack(project, tmp_path / "evil.tar")
    with tarfile.open(tmp_path / "out.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("artifact/../../out"))
    with pytest.raises(GauchoError, match="is no finished pack"):
        unpack(project, tmp_path / "out.tar")
    (tmp_path / "x.tar").write_bytes(b"x" * 2000)
    with pytest.raises(GauchoError, match="is no finished pack"):
        unpack(project, tmp_path / "x.tar")
    with pytest.raises(ConfigError, match="there is no such file"):
        unpack(project, tmp_path / "nothing.tar")


def test_what_cannot_be_made_elsewhere_is_not_packed(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    with pytest.raises(ConfigError, match="is made here in no time"):
        pack(project, "araucaria", "curated_set", tmp_path / "x.tar")
    with pytest.raises(GauchoError, match="exists already"):
        pack(project, "araucaria", "checkpoint", tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()
