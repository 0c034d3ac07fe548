"""What must go is gone: also where something cannot be read, and from what was published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.project.approvals import approve
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.published import MARK, published_folders, read_mark
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.upkeep.forgetting import forget
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.standing import add_file, two_concepts

PERSON = hashlib.sha256(b"a person").hexdigest()
OTHER = hashlib.sha256(b"a tree").hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two concepts of which all stands; the first learned from the picture of a person."""
    project = two_concepts(tmp_path)
    for slug, sha256 in (("araucaria", PERSON), ("chimarrao", OTHER)):
        checkpoint, row = project.shown()[slug].checkpoint, train_image(1).model_copy(update={"sha256": sha256})
        add_file(checkpoint, "train.jsonl", f"{row.model_dump_json()}\n".encode())
        add_file(checkpoint, f"{slug}.safetensors", b"weights")
    return project


def published(project: Project, folder: Path, *options: str) -> Path:
    for slug in project.slugs:
        approve(project, slug, "Anália")
    run(project, "publish", *options, str(folder))
    return folder


def run(project: Project, *arguments: str, status: int = 0) -> str:
    done = gaucho(project.concepts_file.parent, *arguments, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return str(done.stdout + done.stderr)


def tombstone(project: Project, sha256: str = PERSON) -> None:
    Forgotten(project.forgotten_file).add(sha256, [], "")


# ------------------------------------------------------------------------------------------ what cannot be read


@pytest.mark.parametrize("damage", ["manifest", "table"])
def test_nothing_is_called_forgotten_where_something_cannot_be_read(damage: str, project: Project) -> None:
    checkpoint = project.shown()["araucaria"].checkpoint
    manifest = checkpoint.folder / "manifest.json"
    if damage == "manifest":
        manifest.write_bytes(manifest.read_bytes().replace(b'"asset"', b'"assft"'))
    else:
        stated = json.loads(manifest.read_text()) | {"files": {"train.jsonl": "0" * 64}}
        manifest.write_text(json.dumps(stated))
    with pytest.raises(GauchoError, match=f"{checkpoint.folder} cannot be read .1 such in all. and may hold the image"):
        forget(project, PERSON)
    assert checkpoint.folder.is_dir()
    assert PERSON not in Forgotten(project.forgotten_file).sha256
    done = forget(project, PERSON, with_unread=True)
    assert not checkpoint.folder.exists()
    assert done.concepts == ["araucaria"]
    assert project.store.damage("checkpoint", "araucaria") == ""
    assert project.store.current("checkpoint", "chimarrao")


# ------------------------------------------------------------------------------------------ how it is named


def test_an_image_that_never_stood_here_is_kept_out_by_its_whole_number(project: Project) -> None:
    done = forget(project, "ab" * 32)
    assert (done.removed, done.concepts) == ([], [])
    assert Forgotten(project.forgotten_file).sha256 == {"ab" * 32}
    with pytest.raises(ConfigError, match="no image here is that"):
        forget(project, "cd" * 31)


@pytest.mark.parametrize(
    ("key", "url"),
    [("folder:album/Dona Ana.jpg", ""), ("folder:Dona Ana.jpg", ""), ("urls:1", "https://museu.example/a/Dona%20Ana.jpg?x=1")],
)
def test_an_image_is_named_by_its_files_name_and_several_of_that_name_are_listed(key: str, url: str, project: Project) -> None:
    checkpoint = project.shown()["araucaria"].checkpoint
    row = train_image(1).model_dump(mode="json", exclude_unset=True)
    rows = [row | {"sha256": PERSON, "key": key, "url": url}, row | {"sha256": OTHER, "key": "folder:2:other/Dona Ana.jpg"}]
    add_file(checkpoint, "train.jsonl", "".join(json.dumps(each) + "\n" for each in rows).encode())
    with pytest.raises(ConfigError, match=f"2 images are meant: .*{OTHER[:12]} folder:2:other/Dona Ana.jpg.*; name one by its number"):
        forget(project, "Dona Ana.jpg")
    add_file(checkpoint, "train.jsonl", f"{json.dumps(rows[0])}\n".encode())
    assert forget(project, "Dona Ana.jpg").sha256 == PERSON


# ------------------------------------------------------------------------------------------ what was published


def test_the_command_that_forget_prints_takes_it_out_of_what_was_published(project: Project, tmp_path: Path) -> None:
    site = published(project, tmp_path / "o site", "--no-weights")
    (site / "CNAME").write_text("museu.example")
    said = run(project, "forget", PERSON)
    assert f"published, and still shown: {site}; to take it out there now: gaucho publish --no-weights '{site}'" in said
    assert (site / "araucaria").is_dir()
    said = run(project, "publish", "--no-weights", str(site))
    assert "taken out, because an image was forgotten that they show or learned from: araucaria" in said
    assert sorted(path.name for path in site.iterdir()) == ["CNAME", "chimarrao", "en.html", "index.html", MARK, "registry.json"]
    assert not any(b"araucaria" in path.read_bytes() or PERSON.encode() in path.read_bytes() for path in site.rglob("*") if path.is_file())
    assert "published, and still shown" not in run(project, "forget", PERSON)


def test_a_museum_with_one_concept_is_left_with_an_empty_site(project: Project, tmp_path: Path) -> None:
    for slug in ("araucaria", "chimarrao"):
        approve(project, slug, "Anália")
    site = tmp_path / "site"
    run(project, "publish", str(site), "araucaria")
    tombstone(project)
    run(project, "approve", "chimarrao", "--withdraw")
    assert f"{site}: no concept is shown" in run(project, "publish", str(site))
    assert sorted(path.name for path in site.iterdir()) == ["en.html", "index.html", MARK]
    assert "araucaria" not in (site / "index.html").read_text(encoding="utf-8")
    said = run(project, "publish", str(site), status=1)
    assert "araucaria cannot be published: it shows an image that was forgotten; make it again: gaucho run araucaria" in said


def test_it_is_taken_out_also_where_what_was_named_is_refused(project: Project, tmp_path: Path) -> None:
    site = published(project, tmp_path / "site")
    tombstone(project)
    said = run(project, "publish", str(site), "araucaria", status=1)
    assert "taken out" in said
    assert "araucaria cannot be published: it shows an image that was forgotten" in said
    mark = read_mark(site)
    assert mark
    assert sorted(mark.concepts) == ["chimarrao"]
    assert (site / "chimarrao" / "chimarrao.safetensors").is_file()


def test_it_is_taken_out_of_what_an_earlier_version_published(project: Project, tmp_path: Path) -> None:
    site = published(project, tmp_path / "site")
    mark = json.loads((site / MARK).read_text())
    (site / MARK).write_text(json.dumps({"concepts": mark["concepts"], "files": [*mark["files"], "araucaria/ATTRIBUTION.csv"]}))
    (site / "araucaria" / "ATTRIBUTION.csv").write_text(f"\ufefffile,author,sha256\n1.jpg,Ana,{PERSON}\n", encoding="utf-8")
    tombstone(project)
    assert "taken out" in run(project, "publish", str(site))
    assert not (site / "araucaria").exists()


def test_a_folder_that_is_gone_is_not_named(project: Project, tmp_path: Path) -> None:
    site = published(project, tmp_path / "site")
    assert published_folders(project) == [site]
    (site / MARK).unlink()
    assert published_folders(project) == []
    (project.store.root / ".published.json").write_text("{")
    with pytest.raises(ConfigError, match=r"\.published\.json.*remove it"):
        published_folders(project)
