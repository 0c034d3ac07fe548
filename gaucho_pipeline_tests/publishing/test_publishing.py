"""What goes out: what a curator approved as it stands, at stable names, with nothing of the machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gaucho_pipeline import cli
from gaucho_pipeline.project.approvals import approvals_file, approve, read_approvals
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.standing import add_file, stand, two_concepts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = two_concepts(tmp_path)
    for slug in project.slugs:
        add_file(project.shown()[slug].checkpoint, f"{slug}.safetensors", b"weights")
    return project


def gaucho(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["--concepts", str(project.concepts_file), "--data", str(project.store.root), *arguments])


def test_nothing_goes_out_that_nobody_approved(project: Project, tmp_path: Path) -> None:
    done = gaucho(project, "publish", str(tmp_path / "site"))
    assert (done.exit_code, "no concept is approved" in done.stderr) == (1, True)
    done = gaucho(project, "publish", str(tmp_path / "site"), "araucaria")
    assert "nobody has approved it; look at it, then run: gaucho approve araucaria --by NAME" in done.stderr
    assert not (tmp_path / "site").exists()


def test_an_approval_has_a_name_and_a_day_and_is_of_what_stands(project: Project) -> None:
    assert gaucho(project, "approve", "araucaria").exit_code == 2
    assert gaucho(project, "approve", "araucaria", "--by", " ").exit_code == 2
    assert gaucho(project, "approve", "araucaria", "--by", "Anália  Souza").exit_code == 0
    (approval,) = read_approvals(project).values()
    assert (approval.by, len(approval.date)) == ("Anália Souza", 10)
    assert approval.is_of(project, "araucaria", project.shown()["araucaria"])
    assert "Anália" in approvals_file(project).read_text(encoding="utf-8")
    assert gaucho(project, "approve", "cuia", "--by", "X").exit_code == 2


def test_images_whose_rights_are_reserved_are_reported_when_they_go_out(project: Project, tmp_path: Path) -> None:
    licenses = ("all rights reserved", "CC0-1.0", "all rights reserved")
    rows = [train_image(number, license=license_) for number, license_ in enumerate(licenses)]
    add_file(project.shown()["araucaria"].checkpoint, "train.jsonl", "".join(f"{row.model_dump_json()}\n" for row in rows).encode())
    for slug in project.slugs:
        approve(project, slug, "Anália")
    said = gaucho(project, "publish", str(tmp_path / "site")).stderr
    assert said == "note: araucaria: all rights in 2 of its training images are reserved; they are shown in small, and marked so\n"


def test_only_what_was_approved_is_written_with_who_approved_it(project: Project, tmp_path: Path) -> None:
    approve(project, "araucaria", "Anália")
    done = gaucho(project, "publish", str(tmp_path / "site"))
    assert done.exit_code == 0, done.output
    site = tmp_path / "site"
    assert sorted(path.name for path in site.iterdir()) == ["araucaria", "en.html", "index.html", "published.json", "registry.json"]
    page = (site / "araucaria" / "index.html").read_text(encoding="utf-8")
    assert re.search(r"Aprovado para publicação por Anália, em \d+ de \w+ de 20\d\d\.", page)
    assert (site / "araucaria" / "araucaria.safetensors").is_file()
    for path in site.rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes(), path


def test_weights_stay_at_home_where_that_is_asked(project: Project, tmp_path: Path) -> None:
    approve(project, "araucaria", "Anália")
    assert gaucho(project, "publish", "--no-weights", str(tmp_path / "site"), "araucaria").exit_code == 0
    assert not list((tmp_path / "site").rglob("*.safetensors"))


@pytest.mark.parametrize("asset", ["checkpoint", "sample_gallery", "evaluation"])
def test_a_change_withdraws_the_approval(asset: str, project: Project, tmp_path: Path) -> None:
    approve(project, "araucaria", "Anália")
    for each in ("checkpoint", "sample_gallery", "evaluation"):
        if asset == "checkpoint" or each != "checkpoint":
            stand(project, each, "araucaria", data_version="2" if each == asset else "1")
    done = gaucho(project, "publish", str(tmp_path / "site"), "araucaria")
    assert done.exit_code == 1
    assert "what exists is another than what was approved" in done.stderr


def test_an_approval_can_be_taken_back(project: Project, tmp_path: Path) -> None:
    approve(project, "araucaria", "Anália")
    assert gaucho(project, "approve", "araucaria", "--withdraw").exit_code == 0
    assert read_approvals(project) == {}
    assert gaucho(project, "approve", "araucaria", "--withdraw").exit_code == 1


def test_a_folder_is_published_into_again_and_a_strangers_is_left_alone(project: Project, tmp_path: Path) -> None:
    for slug in ("araucaria", "chimarrao"):
        approve(project, slug, "Anália")
    assert gaucho(project, "publish", str(tmp_path / "site"), "araucaria").exit_code == 0
    assert gaucho(project, "publish", str(tmp_path / "site"), "chimarrao").exit_code == 0
    assert not (tmp_path / "site" / "araucaria").exists()
    assert list(json.loads((tmp_path / "site" / "published.json").read_text())["concepts"]) == ["chimarrao"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    assert gaucho(project, "publish", str(tmp_path / "mine")).exit_code == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


def test_what_a_host_needs_beside_the_pages_is_kept(project: Project, tmp_path: Path) -> None:
    approve(project, "araucaria", "Anália")
    assert gaucho(project, "publish", str(tmp_path / "site")).exit_code == 0
    (tmp_path / "site" / "CNAME").write_text("museu.example")
    (tmp_path / "site" / ".git").mkdir()
    (tmp_path / "site" / ".git" / "HEAD").write_text("ref")
    assert gaucho(project, "publish", str(tmp_path / "site")).exit_code == 0
    assert (tmp_path / "site" / "CNAME").read_text() == "museu.example"
    assert (tmp_path / "site" / ".git" / "HEAD").read_text() == "ref"
    (tmp_path / "site" / "araucaria" / "mine.txt").write_text("x")
    done = gaucho(project, "publish", str(tmp_path / "site"))
    assert done.exit_code == 2
    assert "holds araucaria/mine.txt, which was not published by this" in done.stderr
    assert (tmp_path / "site" / "araucaria" / "mine.txt").exists()


def test_another_name_or_notice_is_another_page_and_not_approved(project: Project, tmp_path: Path) -> None:
    approve(project, "araucaria", "Anália")
    text = project.concepts_file.read_text(encoding="utf-8").replace("    token: mtl", "    historical: true\n    token: mtl")
    project.concepts_file.write_text(text, encoding="utf-8")
    assert "historical: true" in text
    assert gaucho(project, "publish", str(tmp_path / "site"), "araucaria").exit_code == 1


def test_a_broken_file_of_approvals_is_reported(project: Project, tmp_path: Path) -> None:
    approvals_file(project).write_text('{"araucaria": {"by": ""}}')
    done = gaucho(project, "publish", str(tmp_path / "site"))
    assert done.exit_code == 2
    assert "concepts.approvals.json" in done.stderr
