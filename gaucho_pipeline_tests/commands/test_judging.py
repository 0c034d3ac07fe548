"""`gaucho judge`: the page for people who know a concept, and what they send back, up to the site that shows their word."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gaucho_pipeline.assets.metrics import JudgementMetrics
from gaucho_pipeline.assets.table import ALL, GALLERY_SITE, JUDGEMENT, SAMPLE_GALLERY
from gaucho_pipeline.judging.panel import PANELS, Panel, find_panel, panels_of
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.raters import KNOWN, answer, stand_for_judging, write_answers
from gaucho_pipeline_tests.standing import edit, one_concept, stand

PAGE = "araucaria-judge.html"
SURE = {**KNOWN, "real": 1.0}
"""Nobody fails a control: the panel is drawn anew in each run, and one in a hundred would be left out."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return stand_for_judging(one_concept(tmp_path))


def asked(project: Project, folder: Path) -> Panel:
    """Writes the page, and reads the key."""
    gaucho(folder, "judge", "araucaria")
    found = find_panel(project.store.root, data_of(folder / PAGE)["panel"])
    assert found
    return found[1].panel


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.S)
    assert found
    value: dict[str, Any] = json.loads(found[1])
    return value


def send_back(panel: Panel, folder: Path, raters: int = 5, taken: Any = SURE) -> list[str]:
    (folder / "sent").mkdir(exist_ok=True)
    return [str(write_answers(folder / "sent", answer(panel, number, taken))) for number in range(1, raters + 1)]


def test_the_page_holds_all_that_it_shows_and_nothing_that_tells_which_is_which(project: Project, tmp_path: Path) -> None:
    panel = asked(project, tmp_path)
    text, data = (tmp_path / PAGE).read_text(encoding="utf-8"), data_of(tmp_path / PAGE)
    assert set(data["pictures"]) == {picture.id for picture in panel.pictures}
    assert {pair[0] for pair in data["pairs"]} == {pair.id for pair in panel.pairs}
    files = [base64.b64decode(each.partition(",")[2]) for each in data["pictures"].values()]
    assert len({len(file) for file in files}) == 1
    images = [Image.open(io.BytesIO(file)) for file in files]
    assert {(image.format, image.size, image.mode) for image in images} == {("JPEG", (64, 64), "RGB")}
    assert not any(set(image.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"} for image in images)
    asked_of = re.sub(r'"(words|pictures)": \{.*?\}', "", json.dumps({name: data[name] for name in ("pairs", "singles", "attributes")}))
    assert not re.search("tuned|base|real|look|control|seed|prompt|mtl", asked_of)
    assert str(panel.seed) not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "connect-src" not in text
    assert "default-src 'none'" in html.unescape(text)


def test_credits_are_listed_without_saying_of_which_picture(project: Project, tmp_path: Path) -> None:
    asked(project, tmp_path)
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    listed = re.findall(r"<li>(.*?)</li>", text)
    assert len(listed) == 5
    assert listed == sorted(listed)
    assert all("Autora" in each and "CC0-1.0" in each for each in listed)


def test_asked_again_of_the_same_pictures_it_is_the_same_panel(project: Project, tmp_path: Path) -> None:
    first = asked(project, tmp_path)
    gaucho(tmp_path, "judge", "--read", *send_back(first, tmp_path, 1))
    done = gaucho(tmp_path, "judge", "araucaria", "--out", "again.html")
    assert len(panels_of(project.store.root, "araucaria")) == 1
    assert data_of(tmp_path / "again.html")["pairs"] == data_of(tmp_path / PAGE)["pairs"]
    assert "1 files came back" in done.stdout


def test_of_other_pictures_or_other_questions_it_is_another_panel(project: Project, tmp_path: Path) -> None:
    asked(project, tmp_path)
    edit(project, "araucaria", "judgement", pairs=12)
    assert len([pair for pair in asked(project, tmp_path).pairs if not pair.is_control]) == 12
    assert len(panels_of(project.store.root, "araucaria")) == 2


def test_a_sequel_of_answers_is_counted_and_shown_on_the_site(project: Project, tmp_path: Path) -> None:
    done = gaucho(tmp_path, "judge", "--read", *send_back(asked(project, tmp_path), tmp_path))
    assert "araucaria: yes, by 5 people who know it" in done.stdout
    made = project.store.current(JUDGEMENT.name, "araucaria")
    assert made
    assert isinstance(made.manifest.metrics, JudgementMetrics)
    assert made.manifest.metrics.raters == 5
    assert project.states("araucaria")["judgement"].state == "fresh"
    assert project.site_state().state == "stale"
    gaucho(tmp_path, "run")
    page = project.store.stable(GALLERY_SITE.name, ALL) / "araucaria"
    assert "Sim, por 5 pessoas que o conhecem" in (page / "index.html").read_text(encoding="utf-8")
    assert "Yes, by 5 people who know it" in (page / "en.html").read_text(encoding="utf-8")


def test_people_outrank_the_automatic_word_and_where_they_differ_that_is_said(project: Project, tmp_path: Path) -> None:
    panel = asked(project, tmp_path)
    gaucho(tmp_path, "judge", "--read", *send_back(panel, tmp_path, taken={**SURE, "tuned": 0.05}))
    gaucho(tmp_path, "run")
    text = (project.store.stable(GALLERY_SITE.name, ALL) / "araucaria" / "en.html").read_text(encoding="utf-8")
    assert text.index("No, by 5 people") < text.index("By the automatic measure:") < text.index("<strong>Yes</strong>")
    assert "People say No, the automatic measure says Yes" in text


def test_answers_that_come_later_join_the_others(project: Project, tmp_path: Path) -> None:
    files = send_back(asked(project, tmp_path), tmp_path)
    assert "unclear, by 2 people" in gaucho(tmp_path, "judge", "--read", *files[:2]).stdout
    assert "yes, by 5 people" in gaucho(tmp_path, "judge", "--read", *files[2:]).stdout
    again = gaucho(tmp_path, "judge", "--read", *files)
    assert "fresh    nothing to do" in again.stdout
    assert "yes, by 5 people" in again.stdout


def test_a_bad_file_among_good_ones_is_named_and_the_others_count(project: Project, tmp_path: Path) -> None:
    files = send_back(asked(project, tmp_path), tmp_path)
    (tmp_path / "photo.json").write_bytes(b"\xff\xd8\xff")
    done = gaucho(tmp_path, "judge", "--read", *files, "photo.json", "nothing.json", check=False)
    assert done.returncode == 1
    assert "photo.json: is no answers file" in done.stderr
    assert "nothing.json: there is no such file" in done.stderr
    assert "2 of 7 files were left out" in done.stderr
    assert "yes, by 5 people" in done.stdout


def test_pictures_that_change_make_the_judgement_stale_and_not_gone(project: Project, tmp_path: Path) -> None:
    gaucho(tmp_path, "judge", "--read", *send_back(asked(project, tmp_path), tmp_path))
    stand(project, SAMPLE_GALLERY.name, "araucaria", data_version="2")
    state = project.states("araucaria")["judgement"]
    assert (state.state, state.reasons) == ("stale", ("sample_gallery changed",))
    assert project.store.current(JUDGEMENT.name, "araucaria")


def test_answers_to_earlier_pictures_make_a_judgement_of_those(project: Project, tmp_path: Path) -> None:
    files = send_back(asked(project, tmp_path), tmp_path)
    stand(project, SAMPLE_GALLERY.name, "araucaria", data_version="2")
    assert "yes, by 5 people" in gaucho(tmp_path, "judge", "--read", *files).stdout
    made = project.store.current(JUDGEMENT.name, "araucaria")
    assert made
    assert made.manifest.provenance.inputs["sample_gallery"] == "1"
    assert project.states("araucaria")["judgement"].state == "stale"


def test_no_run_makes_one_or_asks_for_one(project: Project, tmp_path: Path) -> None:
    assert "judgement" not in project.states("araucaria")
    assert "judgement" not in gaucho(tmp_path, "status").stdout
    assert gaucho(tmp_path, "run", "--select", "judgement", check=False).returncode == 2
    send_back(asked(project, tmp_path), tmp_path)
    assert "judgement" not in gaucho(tmp_path, "run").stdout
    assert project.store.current(JUDGEMENT.name, "araucaria") is None


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("judge", "nobody"), 2, "there is no concept 'nobody'"),
        (("judge", "araucaria", "chimarrao"), 2, "one concept at a time"),
        (("judge", "answers.json"), 2, "gaucho judge --read answers.json"),
        (("judge", "--read", "a.json", "--out", "b.html"), 2, "--out: goes without --read"),
        (("judge", "araucaria", "--out", "nowhere/b.html"), 2, "there is no such folder"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], status: int, text: str, project: Project, tmp_path: Path) -> None:
    done = gaucho(tmp_path, *arguments, check=False)
    assert done.returncode == status
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def test_before_anything_was_drawn_it_says_what_to_run(tmp_path: Path) -> None:
    one_concept(tmp_path)
    done = gaucho(tmp_path, "judge", "araucaria", check=False)
    assert done.returncode == 1
    assert "gaucho run araucaria --select sample_gallery" in done.stderr


def test_an_image_that_was_forgotten_is_shown_to_nobody(project: Project, tmp_path: Path) -> None:
    forgotten = project.forgotten_file
    forgotten.write_text(json.dumps({f"{2:064x}": {"why": "asked", "date": "2026-11-30", "by": "Ana"}}))
    done = gaucho(tmp_path, "judge", "araucaria", check=False)
    assert done.returncode != 0
    assert not (tmp_path / PAGE).exists()


def test_the_key_stays_in_the_data_folder(project: Project, tmp_path: Path) -> None:
    panel = asked(project, tmp_path)
    assert [path.name for path in (project.store.root / PANELS / "araucaria").iterdir()] == [panel.id]
    beside = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and project.store.root not in path.parents and path.suffix in (".json", ".html")
    ]
    assert not any('"tuned"' in path.read_text(encoding="utf-8") for path in beside)
